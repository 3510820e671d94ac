//! What the tests of this crate share: placements, frames, and calls pushed in pieces.
#![allow(dead_code)]

use std::io::Write;

use panko_routing::call::{Begun, Headers};
use panko_routing::placement::{Member, MemberIndex, NamespaceUuid, PlacementVersion};
use panko_routing::wire::fields::put_bytes;
use panko_routing::{Call, Decision, Placement, Placements, SLOTS};

pub const UUID_A: &str = "01a1fd93-4a99-75a7-ab8d-9874683658b9";
pub const UUID_B: &str = "01a1fd93-4a5f-72d1-8af6-e7f0f0be9a44";
pub const SERVICE: &str = "/temporal.api.workflowservice.v1.WorkflowService/";

pub fn member(cluster: &str, uuid: Option<&str>) -> Member {
    Member {
        cluster: cluster.into(),
        namespace: "default".into(),
        uuid: uuid.map(|uuid| NamespaceUuid::parse(uuid.as_bytes()).unwrap()),
    }
}

/// Namespace `default` on `a` (even slots) and `b` (odd slots).
pub fn placements() -> Placements {
    let mut slots = Box::new([MemberIndex(0); SLOTS]);
    slots.iter_mut().skip(1).step_by(2).for_each(|slot| *slot = MemberIndex(1));
    let members = vec![member("a", Some(UUID_A)), member("b", Some(UUID_B))];
    let placement = Placement::new("default", PlacementVersion(7), members, slots).unwrap();
    let mut placements = Placements::default();
    placements.insert(placement);
    placements.set_ready();
    placements
}

/// One gRPC frame.
pub fn frame(message: &[u8]) -> Vec<u8> {
    framed(0, message)
}

/// One gRPC frame that is compressed.
pub fn gzip_frame(message: &[u8]) -> Vec<u8> {
    framed(1, &gzip(message))
}

pub fn framed(flag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut frame = vec![flag];
    frame.extend((bytes.len() as u32).to_be_bytes());
    frame.extend(bytes);
    frame
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A StartWorkflowExecutionRequest as far as routing looks, with an input of some size.
pub fn start(namespace: &str, workflow_id: &str, input: usize) -> Vec<u8> {
    let mut message = Vec::new();
    put_bytes(&mut message, 1, namespace.as_bytes());
    put_bytes(&mut message, 2, workflow_id.as_bytes());
    put_bytes(&mut message, 5, &vec![b'x'; input]);
    message
}

/// A poll as far as routing looks; its task queue is this field of it.
pub fn poll(namespace: &str, field: u32, queue: &str) -> Vec<u8> {
    let (mut task_queue, mut message) = (Vec::new(), Vec::new());
    put_bytes(&mut task_queue, 1, queue.as_bytes());
    put_bytes(&mut message, 1, namespace.as_bytes());
    put_bytes(&mut message, field, &task_queue);
    message
}

pub fn headers<'a>(path: &'a str, encoding: &'a str) -> Headers<'a> {
    Headers { path, content_type: "application/grpc", encoding }
}

/// Pushes a body in pieces that end at `cuts`, passing over what the call does not want to see.
pub fn decide_in_pieces(method: &str, encoding: &str, body: &[u8], cuts: &[usize]) -> Decision {
    let placements = placements();
    let path = format!("{SERVICE}{method}");
    let mut call = match Call::begin(headers(&path, encoding), &placements) {
        Begun::Reading(call) => call,
        Begun::Decided(_, decision) => return decision,
        Begun::Unknown(refusal) => return Decision::Refuse(refusal),
    };
    let mut cuts: Vec<usize> = cuts.iter().map(|&cut| cut.min(body.len())).collect();
    cuts.push(body.len());
    cuts.sort_unstable();
    let mut at = 0;
    for (n, &cut) in cuts.iter().enumerate() {
        let piece = &body[at..cut];
        at = cut;
        let unseen = (call.indifferent() as usize).min(piece.len());
        call.skip(unseen as u64);
        let end = n + 1 == cuts.len();
        if let Some(decision) = call.push(&piece[unseen..], end, &placements) {
            return decision;
        }
    }
    panic!("the body has ended and nothing is decided");
}

pub fn decide(method: &str, encoding: &str, body: &[u8]) -> Decision {
    decide_in_pieces(method, encoding, body, &[])
}

/// Where a call goes that acts on `default`'s key of this workflow id.
pub fn chain(workflow_id: &str) -> Decision {
    let Decision::Cluster(cluster) = home(workflow_id) else { panic!("no cluster") };
    let chain = format!("panko-chain-{cluster}").into();
    Decision::Chain { cluster, chain }
}

/// Where `default`'s key of this workflow id lives in [`placements`].
pub fn home(workflow_id: &str) -> Decision {
    let key = panko_routing::Key { kind: "workflow", id: workflow_id.as_bytes() };
    Decision::Cluster(if key.slot().index().is_multiple_of(2) { "a" } else { "b" }.into())
}
