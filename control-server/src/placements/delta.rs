//! What has changed between two placements, as filters are told.

use std::sync::Arc;

use panko_proto::v1::{PlacementDelta, SlotChange, SlotRun, Starts};
use panko_routing::Placement;

/// The changes from `old` to `new`; none where more than slots has changed, or everything is new.
#[must_use]
pub fn between(old: &[Arc<Placement>], new: &[Arc<Placement>]) -> Option<Vec<PlacementDelta>> {
    if old.len() != new.len() {
        return None;
    }
    let mut deltas = Vec::new();
    for (old, new) in old.iter().zip(new) {
        if Arc::ptr_eq(old, new) {
            continue;
        }
        let same = old.namespace() == new.namespace()
            && old.members() == new.members()
            && old.locate_before_start() == new.locate_before_start();
        if !same {
            return None;
        }
        if old.version() != new.version() {
            deltas.push(PlacementDelta {
                namespace: new.namespace().to_owned(),
                from_version: old.version().0,
                version: new.version().0,
                slots: changes(old, new),
            });
        }
    }
    Some(deltas)
}

/// The slots that differ, as runs of those that are now alike.
fn changes(old: &Placement, new: &Placement) -> Vec<SlotChange> {
    let slots = |placement: &Placement| {
        let both = placement.slots().iter().zip(placement.all_starts());
        both.map(|(owner, starts)| (u32::from(owner.0), *starts)).collect::<Vec<_>>()
    };
    let mut changes: Vec<SlotChange> = Vec::new();
    for (first, (before, (owner, starts))) in (0u32..).zip(slots(old).into_iter().zip(slots(new))) {
        if before == (owner, starts) {
            continue;
        }
        let starts = Starts::from(starts) as i32;
        if let Some(SlotChange { first: at, run: Some(run) }) = changes.last_mut()
            && *at + run.length == first
            && (run.owner, run.starts) == (owner, starts)
        {
            run.length += 1;
            continue;
        }
        changes.push(SlotChange { first, run: Some(SlotRun { length: 1, owner, starts }) });
    }
    changes
}

#[cfg(test)]
mod tests {
    use panko_routing::placement::{Member, MemberIndex, PlacementVersion};
    use panko_routing::{Placements, SLOTS};
    use prost::Message;

    use super::*;

    fn placement(version: u64, moved: &[usize]) -> Arc<Placement> {
        let member = |cluster: &str| Member {
            cluster: cluster.into(),
            namespace: "default".into(),
            uuid: None,
        };
        let mut slots = Box::new([MemberIndex(0); SLOTS]);
        moved.iter().for_each(|slot| slots[*slot] = MemberIndex(1));
        let members = vec![member("a"), member("b")];
        Placement::new("default", PlacementVersion(version), members, slots).unwrap().into()
    }

    #[test]
    fn a_filter_that_is_told_the_changes_has_the_same() {
        let (old, new) = (placement(5, &[1]), placement(6, &[7, 8, 9, 4095]));
        let deltas = between(std::slice::from_ref(&old), std::slice::from_ref(&new)).unwrap();
        assert_eq!(deltas[0].slots.len(), 3);
        let one = between(&[placement(5, &[])], &[placement(6, &[7])]).unwrap();
        assert!(one[0].encoded_len() < 40, "one slot costs {} bytes", one[0].encoded_len());
        let mut filter = Placements::default();
        filter.insert(Placement::clone(&old));
        let update = panko_proto::v1::PlacementUpdate { deltas, ..Default::default() };
        assert_eq!(filter.apply(update).error, "");
        let has = filter.get("default").unwrap();
        assert_eq!((has.slots(), has.version()), (new.slots(), new.version()));
    }

    #[test]
    fn what_is_more_than_slots_is_told_whole() {
        let old = placement(5, &[]);
        assert_eq!(between(std::slice::from_ref(&old), &[]), None);
        let locate = Placement::clone(&placement(6, &[])).with_locate_before_start(true);
        assert_eq!(between(std::slice::from_ref(&old), &[locate.into()]), None);
        assert_eq!(between(std::slice::from_ref(&old), &[placement(5, &[])]), Some(vec![]));
    }
}
