//! However a body is cut, packed and ordered, the decision is the same, and nothing panics.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use panko_routing::wire::fields::{Value, fields, put_bytes, put_uint};
use panko_routing::wire::scanner::Scanner;
use panko_routing::{Decision, Refusal};
use proptest::prelude::*;
use support::*;

/// A field that a request may have beside those that decide.
fn other_field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (3u32..300, any::<u64>()).prop_map(|(number, value)| {
            let mut field = Vec::new();
            put_uint(&mut field, number, value);
            field
        }),
        (3u32..300, proptest::collection::vec(any::<u8>(), 0..200)).prop_map(|(number, bytes)| {
            let mut field = Vec::new();
            put_bytes(&mut field, number, &bytes);
            field
        }),
    ]
}

proptest! {
    #[test]
    fn every_cut_and_order_decides_alike(
        id in "[a-z0-9-]{1,40}",
        mut parts in proptest::collection::vec(other_field(), 0..8),
        (namespace_at, id_at) in (0usize..9, 0usize..9),
        cuts in proptest::collection::vec(0usize..2000, 0..12),
        compressed: bool,
    ) {
        let mut namespace = Vec::new();
        put_bytes(&mut namespace, 1, b"default");
        parts.insert(namespace_at.min(parts.len()), namespace);
        let mut workflow_id = Vec::new();
        put_bytes(&mut workflow_id, 2, id.as_bytes());
        parts.insert(id_at.min(parts.len()), workflow_id);
        let message = parts.concat();
        let body = if compressed { gzip_frame(&message) } else { frame(&message) };
        let decision = decide_in_pieces("StartWorkflowExecution", "gzip", &body, &cuts);
        prop_assert_eq!(decision, home(&id));
    }

    #[test]
    fn the_scanner_agrees_with_reading_the_whole_message(
        message in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in proptest::collection::vec(0usize..300, 0..6),
    ) {
        let mut scanner = Scanner::new([&[1u32] as &[u32], &[2, 1]]);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(message.len())).collect();
        cuts.extend([0, message.len()]);
        cuts.sort_unstable();
        let mut result = Ok(());
        for pair in cuts.windows(2) {
            result = result.and_then(|()| scanner.push(&message[pair[0]..pair[1]]));
        }
        let result = result.and_then(|()| scanner.finish());
        let (first, valid) = first_values(&message);
        if result.is_ok() && valid {
            prop_assert_eq!(scanner.value(0), first[0]);
            prop_assert_eq!(scanner.value(1), first[1]);
        }
    }
}

/// The first non-empty values of field 1 and of field 1 within field 2, read by the other parser.
fn first_values(message: &[u8]) -> ([Option<&[u8]>; 2], bool) {
    let mut first: [Option<&[u8]>; 2] = [None, None];
    let mut valid = true;
    for field in fields(message) {
        match field.map(|field| (field.number, field.value)) {
            Ok((1, Value::Bytes(bytes))) if !bytes.is_empty() => {
                first[0].get_or_insert(bytes);
            }
            Ok((2, Value::Bytes(nested))) if first[1].is_none() => {
                for inner in fields(nested) {
                    match inner.map(|field| (field.number, field.value)) {
                        Ok((1, Value::Bytes(bytes))) if !bytes.is_empty() => {
                            first[1].get_or_insert(bytes);
                        }
                        Ok(_) => {}
                        Err(_) => valid = false,
                    }
                }
            }
            Ok(_) => {}
            Err(_) => valid = false,
        }
    }
    (first, valid)
}

/// The fuzz target of the wire reader: `cargo test` runs it on random inputs for a while;
/// `cargo bolero test` runs it under a coverage-guided fuzzer.
#[test]
fn fuzz_wire_reader() {
    bolero::check!().with_type::<(Vec<u8>, Vec<u8>, bool)>().for_each(|(body, cuts, gzip)| {
        let cuts: Vec<usize> = cuts.iter().map(|&cut| usize::from(cut)).collect();
        let body = if *gzip { gzip_frame(body) } else { body.clone() };
        for method in ["SignalWorkflowExecution", "RespondNexusTaskCompleted", "PollNexusTaskQueue"]
        {
            let whole = decide(method, "gzip", &body);
            let pieces = decide_in_pieces(method, "gzip", &body, &cuts);
            // A body that is wrong twice may be refused for either, by where it is cut.
            match (&whole, &pieces) {
                (Decision::Refuse(a), Decision::Refuse(b)) if a != b => {
                    assert_ne!(a, &Refusal::NoPlacement);
                }
                _ => assert_eq!(whole, pieces),
            }
        }
    });
}
