//! What a filter's own work with placements costs: a look-up, a whole decision by key and by token, an update of one
//! slot, and all placements at once.

use std::hint::black_box;
use std::time::Instant;

use panko_proto::v1;
use panko_routing::call::{Begun, Headers};
use panko_routing::placement::Starts;
use panko_routing::wire::fields::put_bytes;
use panko_routing::{Call, Decision, Key, Placements, SLOTS};

/// Look-ups, and decisions, that are timed together.
const LOOK_UPS: usize = 200_000;

const SERVICE: &str = "/temporal.api.workflowservice.v1.WorkflowService/";

/// Updates that are.
const UPDATES: u64 = 2_000;

/// Keys that are looked up in turn, so that none is a constant.
const KEYS: usize = 1_024;

/// With so many namespaces of so many members: nanoseconds for a look-up by a workflow's id, for all that is decided of
/// a start from its headers and its first bytes, and the same of a task's completion, which has a token; microseconds
/// to take an update of one slot; and milliseconds to take all placements.
#[must_use]
pub fn measure(namespaces: usize, members: usize) -> [f64; 5] {
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
    let look_up = began.elapsed().as_secs_f64() * 1e9 / LOOK_UPS as f64;

    let starts = keys.iter().zip(names.iter().cycle()).map(|(key, name)| start(name, key));
    let by_key = decisions(&placements, "StartWorkflowExecution", &starts.collect::<Vec<_>>());
    let uuids = (0..KEYS).map(|number| uuid(number % namespaces, number % members));
    let tokens: Vec<_> = uuids.map(|uuid| completion(&uuid)).collect();
    let by_token = decisions(&placements, "RespondActivityTaskCompleted", &tokens);

    let updates: Vec<_> = (1..=UPDATES).map(one_slot).collect();
    let began = Instant::now();
    for update in updates {
        let error = placements.apply(update).error;
        assert!(error.is_empty(), "{error}");
    }
    let one = began.elapsed().as_secs_f64() * 1e6 / UPDATES as f64;
    [look_up, by_key, by_token, one, whole]
}

/// All that the filter asks of a placement to send a start on its way.
fn owner(placements: &Placements, namespace: &str, id: &[u8]) -> bool {
    let Some(placement) = placements.get(black_box(namespace)) else { return false };
    let slot = Key { kind: "workflow", id: black_box(id) }.slot();
    let Some(index) = placement.slot_owner_index(slot) else { return false };
    let Some(owner) = placement.members().get(index) else { return false };
    let direct = placement.starts(slot) == Starts::Direct;
    black_box((direct, &owner.cluster, placement.dialect(index), placement.chain(index)));
    true
}

/// Nanoseconds to decide where one of these calls goes.
fn decisions(placements: &Placements, method: &str, bodies: &[Vec<u8>]) -> f64 {
    let path = format!("{SERVICE}{method}");
    let began = Instant::now();
    for body in bodies.iter().cycle().take(LOOK_UPS) {
        let headers =
            Headers { path: black_box(&path), content_type: "application/grpc", encoding: "" };
        let decided = match Call::begin(headers, placements) {
            Begun::Reading(mut call) => call.push(black_box(body), true, placements),
            Begun::Decided(_, decision) => Some(decision),
            Begun::Unknown(_) => None,
        };
        assert!(matches!(decided, Some(Decision::Cluster(_))), "{decided:?}");
    }
    began.elapsed().as_secs_f64() * 1e9 / LOOK_UPS as f64
}

/// A StartWorkflowExecutionRequest on the wire, as far as it is read, with an input.
fn start(namespace: &str, id: &str) -> Vec<u8> {
    let mut message = Vec::new();
    put_bytes(&mut message, 1, namespace.as_bytes());
    put_bytes(&mut message, 2, id.as_bytes());
    put_bytes(&mut message, 5, &[0x2a; 200]);
    framed(&message)
}

/// A RespondActivityTaskCompletedRequest on the wire: its token begins with the namespace's UUID.
fn completion(uuid: &str) -> Vec<u8> {
    let (mut token, mut message) = (Vec::new(), Vec::new());
    put_bytes(&mut token, 1, uuid.as_bytes());
    put_bytes(&mut token, 2, b"order-5e0c2a4e");
    put_bytes(&mut message, 1, &token);
    put_bytes(&mut message, 2, &[0x2a; 200]);
    framed(&message)
}

/// A message as gRPC frames it.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
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
