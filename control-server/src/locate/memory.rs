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
    nowhere: Mutex<HashMap<Target, Instant>>,
}

impl Memory {
    pub(super) fn recall(&self, target: &Target) -> Option<Place> {
        if !target.run.is_empty() {
            let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(&index) = runs.get(target) {
                // Nobody asks of a run that is named whether it is open.
                return Some(Place::Member { index, open: false });
            }
        }
        let nowhere = self.nowhere.lock().unwrap_or_else(PoisonError::into_inner);
        nowhere.get(target).filter(|since| since.elapsed() < SHORT).map(|_| Place::Nowhere)
    }

    pub(super) fn remember(&self, target: &Target, place: &Place) {
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
                    nowhere.retain(|_, since| since.elapsed() < SHORT);
                }
                if nowhere.len() < NOWHERE {
                    nowhere.insert(target.clone(), Instant::now());
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
        memory.remember(&target("run"), &here);
        memory.remember(&target(""), &here);
        assert!(matches!(memory.recall(&target("run")), Some(Place::Member { index: 1, .. })));
        assert!(memory.recall(&target("")).is_none());

        memory.remember(&target(""), &Place::Nowhere);
        assert!(matches!(memory.recall(&target("")), Some(Place::Nowhere)));
        tokio::time::advance(SHORT).await;
        assert!(memory.recall(&target("")).is_none());
        assert!(memory.recall(&target("run")).is_some());
    }
}
