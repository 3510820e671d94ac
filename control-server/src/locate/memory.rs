//! What need not be asked again, bounded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{Place, Target};
use crate::topology::VirtualNamespace;
use crate::topology::generation::Generation;

/// How many runs are remembered, and how many keys that are nowhere. Beyond that all are forgotten.
const RUNS: usize = 100_000;
const NOWHERE: usize = 20_000;

/// For how long a key stays nowhere. A workflow may be there at any moment (a child that starts), and its
/// caller looks again after a moment: so it is only long enough to spare clusters a flood of the same.
const SHORT: Duration = Duration::from_millis(500);

/// A run never moves, so where it is may be remembered for ever. A key without a run may be anywhere the
/// next time, so of those only the ones that are nowhere are remembered, shortly.
///
/// Members' positions shift when one leaves, so a run's member is remembered by its number.
#[derive(Debug, Default)]
pub(super) struct Memory {
    runs: Mutex<HashMap<Target, u64>>,
    nowhere: Mutex<HashMap<Target, Nowhere>>,
}

/// Which members do not have a key.
#[derive(Debug)]
struct Nowhere {
    since: Instant,
    /// The owner has been asked by whoever looked, and none of the others has it.
    owner: usize,
    /// These others.
    among: Generation,
}

impl Memory {
    /// What is known of `target`, of which `owner` has just said that it does not have it.
    pub(super) fn recall(
        &self,
        namespace: &VirtualNamespace,
        target: &Target,
        owner: usize,
    ) -> Option<Place> {
        if !target.run.is_empty() {
            let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
            let number = runs.get(target);
            let of = |number: &u64| namespace.members.iter().position(|m| m.number() == *number);
            if let Some(index) = number.and_then(of) {
                // Nobody asks of a run that is named whether it is open.
                return Some(Place::Member { index, open: false });
            }
        }
        let nowhere = self.nowhere.lock().unwrap_or_else(PoisonError::into_inner);
        let known = nowhere.get(target).filter(|known| known.since.elapsed() < SHORT);
        // Of another owner nobody has asked the one of before, and of other members not all.
        let same = |known: &&Nowhere| known.owner == owner && known.among == namespace.generation;
        known.filter(same).map(|_| Place::Nowhere)
    }

    /// Remembers what a look has shown, of which `owner` was not asked.
    pub(super) fn remember(
        &self,
        namespace: &VirtualNamespace,
        target: &Target,
        owner: usize,
        place: &Place,
    ) {
        match place {
            Place::Member { index, .. } if !target.run.is_empty() => {
                let Some(member) = namespace.members.get(*index) else { return };
                let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
                if runs.len() >= RUNS {
                    runs.clear();
                }
                runs.insert(target.clone(), member.number());
            }
            Place::Nowhere => {
                let mut nowhere = self.nowhere.lock().unwrap_or_else(PoisonError::into_inner);
                if nowhere.len() >= NOWHERE {
                    nowhere.retain(|_, known| known.since.elapsed() < SHORT);
                }
                if nowhere.len() < NOWHERE {
                    let (since, among) = (Instant::now(), namespace.generation);
                    nowhere.insert(target.clone(), Nowhere { since, owner, among });
                }
            }
            Place::Member { .. } | Place::Unknown(_) => {}
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;
    use crate::topology::Topology;

    pub fn target(run: &str) -> Target {
        let (id, run) = (b"order"[..].into(), run.as_bytes().into());
        Target { namespace: "default".into(), kind: "workflow", id, run }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_is_remembered_and_a_key_without_one_only_as_nowhere_for_a_moment() {
        let (memory, of) = (Memory::default(), namespace(&["a", "b"]));
        let here = Place::Member { index: 1, open: true };
        memory.remember(&of, &target("run"), 0, &here);
        memory.remember(&of, &target(""), 0, &here);
        let recalled = memory.recall(&of, &target("run"), 0);
        assert!(matches!(recalled, Some(Place::Member { index: 1, .. })));
        assert!(memory.recall(&of, &target(""), 0).is_none());

        memory.remember(&of, &target(""), 0, &Place::Nowhere);
        assert!(matches!(memory.recall(&of, &target(""), 0), Some(Place::Nowhere)));
        assert!(memory.recall(&of, &target(""), 1).is_none(), "0 has not been asked for this one");
        let more = namespace(&["a", "b", "c"]);
        assert!(memory.recall(&more, &target(""), 0).is_none(), "c has not been asked");
        tokio::time::advance(SHORT).await;
        assert!(memory.recall(&of, &target(""), 0).is_none());
        assert!(memory.recall(&of, &target("run"), 0).is_some());
    }

    #[test]
    fn a_run_s_member_is_known_wherever_it_stands_and_only_as_long_as_it_is_there() {
        let memory = Memory::default();
        let (before, after) = (namespace(&["a", "b", "c"]), namespace(&["b", "c"]));
        memory.remember(&before, &target("1"), 2, &Place::Member { index: 1, open: true });
        memory.remember(&before, &target("2"), 2, &Place::Member { index: 0, open: true });
        let recalled = memory.recall(&after, &target("1"), 1);
        assert!(matches!(recalled, Some(Place::Member { index: 0, .. })));
        assert!(memory.recall(&after, &target("2"), 1).is_none(), "a has left");
    }

    pub fn namespace(clusters: &[&str]) -> Arc<VirtualNamespace> {
        let lines = |line: &dyn Fn(&&str) -> String| clusters.iter().map(line).collect::<String>();
        let addresses = lines(&|c| format!("  - {{ name: {c}, address: \"127.0.0.1:1\" }}\n"));
        let members = lines(&|c| format!("      - {{ cluster: {c} }}\n"));
        let yaml = format!(
            "clusters:\n{addresses}namespaces:\n  - name: default\n    members:\n{members}"
        );
        let config = Config::parse(&yaml, Path::new("panko.yaml")).unwrap();
        Topology::new(&config.clusters, &config.namespaces, None)
            .namespace("default")
            .unwrap()
            .clone()
    }
}
