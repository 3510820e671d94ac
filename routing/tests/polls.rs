//! Which control server a poll goes to: one for each task queue, unless the queue is spread.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::HashSet;

use panko_routing::call::Begun;
use panko_routing::decision::Code;
use panko_routing::{Call, Decision, Placements, PollHash, Refusal};
use proptest::prelude::*;
use support::*;

const PAGE: &str = include_str!("../../docs/design/replicas.md");

const POLLS: [(&str, &str, u32); 3] = [
    ("PollWorkflowTaskQueue", "workflow", 2),
    ("PollActivityTaskQueue", "activity", 2),
    ("PollNexusTaskQueue", "nexus", 3),
];

/// Rows of the page's table: `| kind | namespace | queue | part | hash |`.
fn vectors() -> Vec<[&'static str; 5]> {
    let row = |line: &'static str| {
        let cells = line.strip_prefix("| `")?.strip_suffix("` |")?.split(" | ");
        let cells: Vec<_> = cells.map(|cell| cell.trim_matches('`')).collect();
        <[&str; 5]>::try_from(cells).ok()
    };
    PAGE.lines().filter_map(row).collect()
}

#[test]
fn published_vectors_hold() {
    let vectors = vectors();
    assert!(vectors.len() >= 8, "{} vectors found", vectors.len());
    for [kind, namespace, queue, part, hash] in vectors {
        let computed = PollHash::of(kind, namespace, queue.as_bytes(), part.parse().unwrap());
        assert_eq!(computed.to_string(), hash, "{kind}:{namespace}/{queue}, part {part}");
    }
}

#[test]
fn a_poll_goes_by_its_kind_namespace_and_queue() {
    for (method, kind, field) in POLLS {
        let body = poll("default", field, "orders");
        let expected = Decision::Poll(PollHash::of(kind, "default", b"orders", 0));
        assert_eq!(decide(method, "", &frame(&body)), expected);
        assert_eq!(decide(method, "gzip", &gzip_frame(&body)), expected);
        assert_ne!(decide(method, "", &frame(&poll("default", field, "other"))), expected);
    }
}

#[test]
fn a_poll_of_nothing_known_is_refused() {
    for (method, _, field) in POLLS {
        let refusal = |body: &[u8]| match decide(method, "", &frame(body)) {
            Decision::Refuse(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        };
        let unknown = refusal(&poll("other", field, "orders"));
        assert_eq!(unknown, Refusal::UnknownNamespace { namespace: "other".into() });
        assert_eq!(refusal(&poll("", field, "orders")), Refusal::NamespaceNotSet);
        for without in [poll("default", field, ""), start("default", "", 0)] {
            let refusal = refusal(&without);
            assert_eq!(refusal, Refusal::TaskQueueNotSet);
            assert_eq!(refusal.code(), Code::InvalidArgument);
            assert_eq!(refusal.to_string(), "TaskQueue is not set on request.");
        }
    }
}

/// What `polls` polls of a queue are sent by, where `hot` is spread in `parts`.
fn hashes(queue: &str, parts: u32, polls: usize) -> Vec<PollHash> {
    let placement = placements().get("default").unwrap().clone().with_spread([("hot", parts)]);
    let mut placements = Placements::default();
    placements.insert(placement);
    placements.set_ready();
    let path = format!("{SERVICE}PollActivityTaskQueue");
    let body = frame(&poll("default", 2, queue));
    let hash = || {
        let Begun::Reading(mut call) = Call::begin(headers(&path, ""), &placements) else {
            panic!()
        };
        match call.push(&body, true, &placements) {
            Some(Decision::Poll(hash)) => hash,
            other => panic!("{other:?}"),
        }
    };
    (0..polls).map(|_| hash()).collect()
}

#[test]
fn a_spread_queue_takes_turns_and_the_others_do_not() {
    let hot = hashes("hot", 3, 30);
    assert_eq!(hot.iter().collect::<HashSet<_>>().len(), 3);
    assert!(hot.iter().zip(&hot[3..]).all(|(poll, third_after)| poll == third_after));
    let whole = PollHash::of("activity", "default", b"hot", 0);
    assert!(hot.contains(&whole), "part 0 is the queue's own hash");
    let other = hashes("other", 3, 30);
    assert_eq!(other.iter().collect::<HashSet<_>>().len(), 1);
    assert_eq!(hashes("hot", 1, 30), vec![whole; 30]);
    assert_eq!(hashes("hot", 0, 30), vec![whole; 30], "nonsense from a newer control server");
}

#[test]
fn filters_begin_with_different_parts() {
    let firsts: HashSet<_> = (0..100).map(|_| hashes("hot", 4, 1)[0]).collect();
    assert_eq!(firsts.len(), 4);
}

proptest! {
    #[test]
    fn every_cut_and_order_gives_the_same_hash(
        queue in "[a-zA-Z0-9:/_-]{1,60}",
        before in proptest::collection::vec(any::<u8>(), 0..200),
        turned: bool,
        compressed: bool,
        cuts in proptest::collection::vec(0usize..400, 0..8),
        which in 0..POLLS.len(),
    ) {
        let (method, kind, field) = POLLS[which];
        let mut parts = [named(1, b"default"), named(field, &named(1, queue.as_bytes()))];
        if turned {
            parts.reverse();
        }
        let message = [named(300, &before), parts.concat()].concat();
        let body = if compressed { gzip_frame(&message) } else { frame(&message) };
        let expected = Decision::Poll(PollHash::of(kind, "default", queue.as_bytes(), 0));
        prop_assert_eq!(decide_in_pieces(method, "gzip", &body, &cuts), expected);
    }
}

fn named(field: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    panko_routing::wire::fields::put_bytes(&mut out, field, bytes);
    out
}
