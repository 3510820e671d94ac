//! What need not be asked again, bounded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Place, Target};

/// How many runs are remembered, and how many keys that are nowhere. Beyond that all are forgotten.
const RUNS: usize = 100_000;
const NOWHERE: usize = 20_000;

/// For how long a key stays nowhere. A workflow may be there at any moment (a child that starts), and its
/// caller looks again after a moment: so it is only long enough to spare clusters a flood of the same.
const SHORT: Duration = Duration::from_millis(500);

/// A run never moves, so where it is may be remembered for ever. A key without a run may be anywhere the
/// next time, so of those only the ones that are nowhere are remembered, shortly.
#[derive(Debug, Default)]
pub(super) struct Memory {
    runs: Mutex<HashMap<Target, usize>>,
    /// Since when, and with which owner: that one has been asked by whoever looks, and none else has it.
    nowhere: Mutex<HashMap<Target, (Instant, usize)>>,
}

impl Memory {
    /// What is known of `target`, of which `owner` has just said that it does not have it.
    pub(super) fn recall(&self, target: &Target, owner: usize) -> Option<Place> {
        if !target.run.is_empty() {
            let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(&index) = runs.get(target) {
                // Nobody asks of a run that is named whether it is open.
                return Some(Place::Member { index, open: false });
            }
        }
        let nowhere = self.nowhere.lock().unwrap_or_else(PoisonError::into_inner);
        let known = nowhere.get(target).filter(|(since, _)| since.elapsed() < SHORT);
        // Of another owner nobody has asked the one of before.
        known.filter(|(_, asked)| *asked == owner).map(|_| Place::Nowhere)
    }

    /// Remembers what a look has shown, of which `owner` was not asked.
    pub(super) fn remember(&self, target: &Target, owner: usize, place: &Place) {
        match place {
            Place::Member { index, .. } if !target.run.is_empty() => {
                let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
                if runs.len() >= RUNS {
                    runs.clear();
                }
                runs.insert(target.clone(), *index);
            }
            Place::Nowhere => {
                let mut nowhere = self.nowhere.lock().unwrap_or_else(PoisonError::into_inner);
                if nowhere.len() >= NOWHERE {
                    nowhere.retain(|_, (since, _)| since.elapsed() < SHORT);
                }
                if nowhere.len() < NOWHERE {
                    nowhere.insert(target.clone(), (Instant::now(), owner));
                }
            }
            Place::Member { .. } | Place::Unknown(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(run: &str) -> Target {
        let (id, run) = (b"order"[..].into(), run.as_bytes().into());
        Target { namespace: "default".into(), kind: "workflow", id, run }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_remembered_and_a_key_without_one_only_as_nowhere_for_a_moment() {
        let memory = Memory::default();
        let here = Place::Member { index: 1, open: true };
        memory.remember(&target("run"), 0, &here);
        memory.remember(&target(""), 0, &here);
        assert!(matches!(memory.recall(&target("run"), 0), Some(Place::Member { index: 1, .. })));
        assert!(memory.recall(&target(""), 0).is_none());

        memory.remember(&target(""), 0, &Place::Nowhere);
        assert!(matches!(memory.recall(&target(""), 0), Some(Place::Nowhere)));
        assert!(memory.recall(&target(""), 1).is_none(), "0 has not been asked for this one");
        tokio::time::advance(SHORT).await;
        assert!(memory.recall(&target(""), 0).is_none());
        assert!(memory.recall(&target("run"), 0).is_some());
    }
}
