//! Namespace names on the wire: replaced wherever the API has them, and nothing else.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use panko_proto::rpc::{METHODS, Method};
use panko_routing::Dialect;
use panko_routing::wire::fields::{put_bytes, put_uint};
use panko_routing::wire::frame::Encoding;
use panko_routing::wire::{Error, names, whole};
use proptest::prelude::*;

const ALL: [(&str, &str, &str); 3] =
    [("orders", "a", "orders-a"), ("orders", "b", "orders-b"), ("bills", "a", "bills")];

fn method(name: &str) -> &'static Method {
    METHODS.iter().find(|method| method.name == name).unwrap()
}

fn dialect(cluster: &str) -> Option<Arc<Dialect>> {
    let own = ALL.iter().find(|(name, at, _)| *name == "orders" && *at == cluster).copied();
    Dialect::of(cluster, own, ALL.into_iter())
}

fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    fields.iter().for_each(|(number, bytes)| put_bytes(&mut message, *number, bytes));
    message
}

/// A `RespondWorkflowTaskCompletedRequest` in `namespace` that starts a child in `child`, with a field that
/// nobody knows.
fn completed(namespace: &str, child: &str) -> Vec<u8> {
    let start_child = message(&[(1, child.as_bytes()), (2, b"orders")]);
    let command = message(&[(12, &start_child), (999, b"orders")]);
    message(&[(1, b"token"), (2, &command), (9, namespace.as_bytes())])
}

#[test]
fn names_are_replaced_where_they_are_and_nothing_else_is() {
    let a = dialect("a").unwrap();
    let complete = method("RespondWorkflowTaskCompleted");
    let sent = a.request(complete, &completed("orders", "orders")).unwrap().unwrap();
    assert_eq!(sent, completed("orders-a", "orders-a"));
    // Another namespace's names are its own; what has no other name stays.
    let sent = a.request(complete, &completed("orders", "bills")).unwrap().unwrap();
    assert_eq!(sent, completed("orders-a", "bills"));
    assert_eq!(a.request(complete, &completed("elsewhere", "bills")).unwrap(), None);
    let back = a.request_back(complete, &completed("orders-a", "orders-a")).unwrap().unwrap();
    assert_eq!(back, completed("orders", "orders"));
}

#[test]
fn a_link_names_its_namespace_in_its_url() {
    let a = dialect("a").unwrap();
    let poll = |namespace: &str| {
        let url = format!("temporal:///namespaces/{namespace}/workflows/w/r/history?eventID=1");
        let link = message(&[(1, url.as_bytes()), (2, b"type")]);
        message(&[(2, &message(&[(3, &message(&[(4, b"callback"), (7, &link)]))]))])
    };
    let answer = a.answer(method("PollNexusTaskQueue"), &poll("orders-a")).unwrap().unwrap();
    assert_eq!(answer, poll("orders"));
}

#[test]
fn a_cluster_whose_names_are_all_the_callers_has_no_dialect() {
    let same = [("orders", "c", "orders"), ("bills", "c", "bills"), ("orders", "a", "x")];
    assert_eq!(Dialect::of("c", Some(same[0]), same.into_iter()), None);
    // One other name on it is enough: namespaces name each other.
    let other = [("orders", "c", "orders"), ("bills", "c", "bills-c")];
    assert!(Dialect::of("c", Some(other[0]), other.into_iter()).is_some());
}

#[test]
fn two_namespaces_may_have_each_others_names() {
    let swapped = [("x", "a", "y"), ("y", "a", "x")];
    let a = Dialect::of("a", Some(swapped[0]), swapped.into_iter()).unwrap();
    let complete = method("RespondWorkflowTaskCompleted");
    let sent = a.request(complete, &completed("x", "y")).unwrap().unwrap();
    assert_eq!(sent, completed("y", "x"));
    assert_eq!(a.request_back(complete, &sent).unwrap().unwrap(), completed("x", "y"));
}

#[test]
fn messages_that_are_too_deep_are_refused() {
    let history = method("GetWorkflowExecutionHistory").names_in_answer.unwrap();
    let mut failure = message(&[(12, &message(&[(1, b"orders-a")]))]);
    for _ in 0..120 {
        failure = message(&[(4, &failure)]);
    }
    let started = message(&[(12, &failure)]);
    let answer = message(&[(1, &message(&[(1, &message(&[(6, &started)]))]))]);
    let any = |_: &[u8]| Some(&b"x"[..]);
    assert_eq!(names::replaced(&answer, history, &any), Err(Error::TooDeep));
}

proptest! {
    /// The way there and back is the identity, whatever else is in the message.
    #[test]
    fn back_again_is_what_was(
        child in prop_oneof![Just("orders"), Just("bills"), Just("else")],
        extra in proptest::collection::vec((20u32..2000, proptest::collection::vec(any::<u8>(), 0..30)), 0..8),
        number: u64,
    ) {
        let a = dialect("a").unwrap();
        let mut request = completed("orders", child);
        extra.iter().for_each(|(field, bytes)| put_bytes(&mut request, *field + 100, bytes));
        put_uint(&mut request, 5000, number);
        let complete = method("RespondWorkflowTaskCompleted");
        let sent = a.request(complete, &request).unwrap().unwrap();
        prop_assert_eq!(a.request_back(complete, &sent).unwrap().unwrap(), request);
    }
}

/// Fuzzing, for a fixed number of inputs: no bytes panic, in any message, and what is not changed is not
/// touched.
#[test]
fn fuzz_wire_editor() {
    bolero::check!().with_iterations(20_000).for_each(|bytes: &[u8]| {
        let (Some(first), rest) = (bytes.first(), bytes.get(1..).unwrap_or_default()) else {
            return;
        };
        let node = u16::from(*first) % panko_proto::names::NODES.len() as u16;
        let nothing = names::replaced(rest, node, &|_: &[u8]| None);
        assert!(nothing.is_err() || nothing == Ok(None));
        if let Ok(Some(edited)) = names::replaced(rest, node, &|_: &[u8]| Some(&b"other"[..])) {
            let again = names::replaced(&edited, node, &|_: &[u8]| Some(&b"other"[..]));
            assert_eq!(again, Ok(Some(edited)));
        }
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Unknown] {
            if let Ok(message) = whole::message(bytes, encoding, 1 << 20) {
                assert!(message.len() <= 1 << 20);
            }
        }
    });
}
