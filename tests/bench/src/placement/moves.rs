//! Moves one slot, and watches until every filter has its new owner.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::filters::{Filters, What};
use super::stage::Stage;

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a move took, in milliseconds from the operator's request.
#[derive(Debug, Clone, Copy)]
pub struct Moved {
    /// Until the operator had the answer.
    pub answered: f64,
    /// Until the last filter had been told that the slot is about to move.
    pub told: f64,
    /// Until the first filter was told the new owner: all had acknowledged, and the handover was complete.
    pub complete: f64,
    /// Until the last one was.
    pub everywhere: f64,
    /// Bytes of the update by which a filter was told.
    pub bytes: usize,
}

/// What was seen of the filters' streams.
#[derive(Debug, Default)]
pub struct Seen {
    /// Filters that have all placements.
    whole: HashSet<usize>,
    /// Bytes of the whole placements.
    pub bytes: usize,
    /// How often a stream ended.
    pub broken: usize,
    /// Why the first did.
    pub why: Option<String>,
}

impl Seen {
    /// Waits until all `filters` have all `placements`.
    pub async fn all_whole(
        &mut self,
        filters: &mut Filters,
        count: usize,
        placements: usize,
    ) -> anyhow::Result<()> {
        while self.whole.len() < count {
            let event = filters.next(PATIENCE).await.with_context(|| {
                let (has, why) = (self.whole.len(), self.why.clone().unwrap_or_default());
                format!("{has} of {count} filters have their placements; {why}")
            })?;
            if let What::Whole { placements: sent, bytes } = event.what {
                ensure!(sent == placements, "{sent} of {placements} placements came");
                self.whole.insert(event.filter);
                self.bytes = bytes;
            } else {
                self.note(event.what);
            }
        }
        Ok(())
    }

    /// Moves one slot of `namespace` from its first member to its second.
    pub async fn move_one(
        &mut self,
        stage: &mut Stage,
        filters: &mut Filters,
        count: usize,
        namespace: &str,
    ) -> anyhow::Result<Moved> {
        let began = Instant::now();
        let since = |at: Instant| at.duration_since(began).as_secs_f64() * 1e3;
        // Filters are read meanwhile: they acknowledge while the operator waits.
        let begun = stage.begin_move(namespace, 0, 1, 1).await?;
        let answered = since(Instant::now());
        let (mut told, mut everywhere) = (HashSet::new(), HashSet::new());
        let mut moved = Moved { answered, told: 0.0, complete: 0.0, everywhere: 0.0, bytes: 0 };
        while everywhere.len() < count {
            let event = filters.next(PATIENCE).await.with_context(|| {
                format!("{} filters know of a move, {} its end", told.len(), everywhere.len())
            })?;
            let What::Slots { namespace: of, version, bytes } = event.what else {
                self.note(event.what);
                continue;
            };
            if of != namespace || version < begun {
                continue;
            }
            if told.insert(event.filter) {
                moved.told = since(event.at);
                moved.bytes = bytes;
            }
            if version > begun && everywhere.insert(event.filter) {
                moved.everywhere = since(event.at);
                if everywhere.len() == 1 {
                    moved.complete = moved.everywhere;
                }
            }
        }
        Ok(moved)
    }

    fn note(&mut self, what: What) {
        if let What::Broke(why) = what {
            self.broken += 1;
            self.why.get_or_insert(why);
        }
    }
}
