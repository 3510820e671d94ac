//! Slots by weight, placements over the wire, updates of the stream.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use panko_proto::v1;
use panko_routing::placement::assign::assign;
use panko_routing::placement::{MemberIndex, NamespaceUuid, PlacementVersion, Starts};
use panko_routing::{Placement, Placements, SLOTS};
use proptest::prelude::*;
use support::*;

fn count(slots: &[MemberIndex; SLOTS], member: u16) -> usize {
    slots.iter().filter(|owner| owner.0 == member).count()
}

#[test]
fn slots_follow_weights() {
    let slots = assign(&[1, 1, 2], None).unwrap();
    assert_eq!([0, 1, 2].map(|member| count(&slots, member)), [1024, 1024, 2048]);
    let slots = assign(&[1, 1, 1], None).unwrap();
    assert_eq!([0, 1, 2].map(|member| count(&slots, member)), [1366, 1365, 1365]);
    assert!(assign(&[], None).is_none());
    assert!(assign(&[0, 0], None).is_none());
}

#[test]
fn a_fourth_member_takes_its_quarter_and_nothing_moves_between_the_others() {
    let before = assign(&[1, 1, 1], None).unwrap();
    let after = assign(&[1, 1, 1, 1], Some(&before)).unwrap();
    let moved: Vec<_> = before.iter().zip(after.iter()).filter(|(b, a)| a != b).collect();
    assert_eq!(moved.len(), SLOTS / 4);
    assert!(moved.iter().all(|(_, after)| after.0 == 3));
}

proptest! {
    #[test]
    fn shares_are_exact_and_moves_are_the_fewest(
        before in proptest::collection::vec(0u32..10, 1..8),
        after in proptest::collection::vec(0u32..10, 1..8),
    ) {
        let (Some(old), Some(new)) = (assign(&before, None), assign(&after, None)) else {
            return Ok(());
        };
        let moved = assign(&after, Some(&old)).unwrap();
        let mut fewest = 0;
        for member in 0..after.len() as u16 {
            prop_assert_eq!(count(&moved, member), count(&new, member));
            fewest += count(&new, member).saturating_sub(count(&old, member));
        }
        let moves = old.iter().zip(moved.iter()).filter(|(o, m)| o != m).count();
        prop_assert_eq!(moves, fewest);
    }

    #[test]
    fn a_placement_survives_the_wire(weights in proptest::collection::vec(0u32..5, 1..6)) {
        let Some(slots) = assign(&weights, None) else { return Ok(()) };
        let members = (0..weights.len())
            .map(|n| member(&format!("c{n}"), (n % 2 == 0).then_some(UUID_A)))
            .collect();
        let sent = Placement::new("default", PlacementVersion(3), members, slots).unwrap();
        let sent = sent.with_spread([("hot", 8), ("warm", 2)]);
        let received = Placement::try_from(v1::Placement::from(&sent)).unwrap();
        prop_assert_eq!(received, sent);
    }
}

fn update(version: u64, snapshot: bool) -> v1::PlacementUpdate {
    let placements = placements();
    let placement = placements.get("default").unwrap();
    let sent = v1::Placement { version, ..placement.into() };
    v1::PlacementUpdate {
        nonce: version,
        placements: vec![sent],
        removed: vec![],
        snapshot,
        deltas: vec![],
    }
}

#[test]
fn an_older_placement_changes_nothing() {
    let mut placements = Placements::default();
    placements.apply(update(5, true));
    let ack = placements.apply(update(4, false));
    assert!(ack.error.contains("older than 5"), "{}", ack.error);
    assert_eq!(placements.get("default").unwrap().version(), PlacementVersion(5));
}

#[test]
fn a_snapshot_forgets_what_it_does_not_name_and_an_update_does_not() {
    let mut placements = Placements::default();
    assert!(!placements.is_ready());
    placements.apply(update(5, true));
    assert!(placements.is_ready());
    placements.apply(v1::PlacementUpdate::default());
    assert!(placements.get("default").is_some());
    placements.apply(v1::PlacementUpdate { snapshot: true, ..Default::default() });
    assert!(placements.get("default").is_none());
    assert!(placements.is_ready());
}

#[test]
fn an_update_that_is_wrong_is_not_taken_at_all() {
    let mut placements = Placements::default();
    placements.apply(update(5, true));
    for spoil in [
        |sent: &mut v1::Placement| sent.slots.truncate(1),
        |sent: &mut v1::Placement| sent.slots[0].owner = 9,
        |sent: &mut v1::Placement| sent.slots[0].owner = 70_000,
        |sent: &mut v1::Placement| sent.slots[0].length = u32::MAX,
        |sent: &mut v1::Placement| sent.members[0].namespace_uuid = "nobody".into(),
    ] {
        let mut wrong = update(6, true);
        spoil(&mut wrong.placements[0]);
        let ack = placements.apply(wrong);
        assert_eq!(ack.nonce, 6);
        assert!(ack.error.contains("default"), "{:?}", ack.error);
        assert_eq!(placements.get("default").unwrap().version(), PlacementVersion(5));
    }
}

#[test]
fn a_change_of_slots_is_made_to_the_version_that_it_names() {
    let mut placements = Placements::default();
    placements.apply(update(5, true));
    let before = placements.get("default").unwrap().clone();
    let run = v1::SlotRun { length: 2, owner: 1, starts: v1::Starts::Locate.into() };
    let change = |from_version, first, run| v1::PlacementUpdate {
        nonce: 1,
        deltas: vec![v1::PlacementDelta {
            namespace: "default".to_owned(),
            from_version,
            version: 6,
            slots: vec![v1::SlotChange { first, run: Some(run) }],
        }],
        ..Default::default()
    };
    for (from, run) in [(4, run), (5, v1::SlotRun { owner: 9, ..run })] {
        assert!(!placements.apply(change(from, 7, run)).error.is_empty());
        assert_eq!(placements.get("default").unwrap(), &before);
    }
    assert_eq!(placements.apply(change(5, 4095, run)).error, "", "what is past the end is none");
    let mut expected = *before.slots();
    expected[4095] = MemberIndex(1);
    let after = placements.get("default").unwrap();
    assert_eq!((after.slots(), after.version()), (&expected, PlacementVersion(6)));
    let located = after.all_starts().iter().filter(|starts| **starts == Starts::Locate).count();
    assert_eq!(located, 1);
}

#[test]
fn a_namespace_that_is_removed_is_unknown_and_so_are_its_tokens() {
    let mut filter = placements();
    let uuid = NamespaceUuid::parse(UUID_A.as_bytes()).unwrap();
    assert!(filter.get("default").is_some() && filter.home_of(uuid).is_some());
    let removed = vec!["default".to_owned()];
    let update = v1::PlacementUpdate { nonce: 2, removed, ..Default::default() };
    assert_eq!(filter.apply(update).error, "");
    assert!(filter.get("default").is_none() && filter.home_of(uuid).is_none());
}
