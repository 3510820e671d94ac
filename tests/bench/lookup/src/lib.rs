//! What a filter's own work with placements costs: a look-up by key, one by token, an update of one slot, and
//! all placements at once.

use std::hint::black_box;
use std::time::Instant;

use panko_proto::v1;
use panko_routing::placement::{NamespaceUuid, Starts};
use panko_routing::{Key, Placements, SLOTS};

/// Look-ups that are timed together.
const LOOK_UPS: usize = 400_000;

/// Updates that are.
const UPDATES: u64 = 2_000;

/// Keys that are looked up in turn, so that none is a constant.
const KEYS: usize = 1_024;

/// With so many namespaces of so many members: nanoseconds for a look-up by a workflow's id, nanoseconds for one by
/// a token's UUID, microseconds to take an update of one slot, and milliseconds to take all placements.
#[must_use]
pub fn measure(namespaces: usize, members: usize) -> [f64; 4] {
    let mut placements = Placements::default();
    let began = Instant::now();
    let error = placements.apply(snapshot(namespaces, members)).error;
    let whole = began.elapsed().as_secs_f64() * 1e3;
    assert!(error.is_empty(), "{error}");

    let names: Vec<_> = (0..namespaces).map(name).collect();
    let keys: Vec<_> = (0..KEYS).map(|number| format!("order-{number:012}")).collect();
    let began = Instant::now();
    for (key, namespace) in keys.iter().cycle().zip(names.iter().cycle()).take(LOOK_UPS) {
        assert!(owner(&placements, namespace, key.as_bytes()), "no owner");
    }
    let by_key = began.elapsed().as_secs_f64() * 1e9 / LOOK_UPS as f64;

    let uuids = (0..KEYS).map(|number| uuid(number % namespaces, number % members));
    let uuids: Vec<_> = uuids.filter_map(|uuid| NamespaceUuid::parse(uuid.as_bytes())).collect();
    let began = Instant::now();
    for uuid in uuids.iter().cycle().take(LOOK_UPS) {
        assert!(placements.home_of(black_box(*uuid)).is_some(), "no home");
    }
    let by_token = began.elapsed().as_secs_f64() * 1e9 / LOOK_UPS as f64;

    let updates: Vec<_> = (1..=UPDATES).map(one_slot).collect();
    let began = Instant::now();
    for update in updates {
        let error = placements.apply(update).error;
        assert!(error.is_empty(), "{error}");
    }
    let one = began.elapsed().as_secs_f64() * 1e6 / UPDATES as f64;
    [by_key, by_token, one, whole]
}

/// All that the filter asks of a placement to send a start on its way.
fn owner(placements: &Placements, namespace: &str, id: &[u8]) -> bool {
    let Some(placement) = placements.get(black_box(namespace)) else { return false };
    let key = Key { kind: "workflow", id: black_box(id) };
    let direct = placement.starts(key.slot()) == Starts::Direct;
    let (Some(member), Some(owner)) = (placement.owner_index(&key), placement.owner(&key)) else {
        return false;
    };
    black_box((direct, &owner.cluster, placement.dialect(member), placement.chain(member)));
    true
}

fn name(namespace: usize) -> String {
    format!("ns-{namespace:03}")
}

fn uuid(namespace: usize, member: usize) -> String {
    format!("5ca1ab1e-{member:04x}-4000-8000-{namespace:012x}")
}

fn snapshot(namespaces: usize, members: usize) -> v1::PlacementUpdate {
    let placement = |namespace| v1::Placement {
        namespace: name(namespace),
        version: 1,
        members: (0..members)
            .map(|member| v1::Member {
                cluster: format!("cluster-{member}"),
                namespace: name(namespace),
                namespace_uuid: uuid(namespace, member),
            })
            .collect(),
        slots: (0..members)
            .map(|member| v1::SlotRun {
                length: (SLOTS * (member + 1) / members - SLOTS * member / members) as u32,
                owner: member as u32,
                starts: 0,
            })
            .collect(),
        spread: Vec::new(),
        locate_before_start: false,
    };
    let placements = (0..namespaces).map(placement).collect();
    v1::PlacementUpdate { nonce: 1, placements, snapshot: true, ..Default::default() }
}

/// The first namespace's version after `from`, with one slot changed.
fn one_slot(from: u64) -> v1::PlacementUpdate {
    let starts = v1::Starts::from(Starts::Locate) as i32;
    let run = v1::SlotRun { length: 1, owner: (from % 2) as u32, starts };
    let first = (from % SLOTS as u64) as u32;
    let slots = vec![v1::SlotChange { first, run: Some(run) }];
    let delta =
        v1::PlacementDelta { namespace: name(0), from_version: from, version: from + 1, slots };
    v1::PlacementUpdate { nonce: from + 1, deltas: vec![delta], ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_measured_is_found() {
        assert!(measure(3, 2).iter().all(|number| *number > 0.0));
    }
}
