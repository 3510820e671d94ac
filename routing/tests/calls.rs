//! Where calls go, and what becomes of bad ones.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use panko_routing::call::Begun;
use panko_routing::decision::Code;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{put_bytes, put_uint, put_varint};
use panko_routing::{Call, Decision, Placements, Refusal};
use support::*;

fn refusal(decision: Decision) -> Refusal {
    match decision {
        Decision::Refuse(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn execution(workflow_id: &str) -> Vec<u8> {
    let mut execution = Vec::new();
    put_bytes(&mut execution, 1, workflow_id.as_bytes());
    execution
}

#[test]
fn a_start_goes_to_the_owner_of_its_slot() {
    for n in 0..100 {
        let id = format!("order-{n}");
        let body = frame(&start("default", &id, 300));
        assert_eq!(decide("StartWorkflowExecution", "", &body), home(&id));
    }
}

#[test]
fn a_nested_id_decides_wherever_its_field_stands() {
    let mut message = Vec::new();
    put_bytes(&mut message, 3, b"signal");
    put_bytes(&mut message, 2, &execution("order-1"));
    put_uint(&mut message, 7, 1 << 40);
    put_bytes(&mut message, 1, b"default");
    assert_eq!(decide("SignalWorkflowExecution", "", &frame(&message)), chain("order-1"));
}

#[test]
fn a_multi_operation_goes_where_its_start_goes() {
    let (mut operation, mut message) = (Vec::new(), Vec::new());
    put_bytes(&mut operation, 1, &start("default", "order-9", 50));
    put_bytes(&mut message, 1, b"default");
    put_bytes(&mut message, 2, &operation);
    put_bytes(&mut message, 2, b"");
    assert_eq!(decide("ExecuteMultiOperation", "", &frame(&message)), home("order-9"));
}

#[test]
fn the_first_alternative_that_is_there_is_the_key_in_any_order() {
    let mut message = Vec::new();
    put_bytes(&mut message, 4, b"activity");
    put_bytes(&mut message, 1, b"default");
    put_bytes(&mut message, 2, b"order-3");
    assert_eq!(decide("RespondActivityTaskCompletedById", "", &frame(&message)), chain("order-3"));
}

#[test]
fn a_token_goes_to_the_cluster_that_made_it() {
    for (uuid, cluster) in [(UUID_A, "a"), (UUID_B, "b")] {
        let mut token = Vec::new();
        put_bytes(&mut token, 1, uuid.as_bytes());
        put_bytes(&mut token, 2, b"order-1");
        for (method, field) in [("RespondWorkflowTaskCompleted", 1), ("RespondNexusTaskFailed", 3)]
        {
            let mut message = Vec::new();
            put_bytes(&mut message, field, &token);
            assert_eq!(decide(method, "", &frame(&message)), Decision::Cluster(cluster.into()));
        }
    }
}

#[test]
fn lists_broadcasts_and_local_calls_go_to_the_control_server_unread() {
    for method in ["ListWorkflowExecutions", "ShutdownWorker", "GetSystemInfo"] {
        assert_eq!(decide(method, "", b"not looked at"), Decision::ControlServer);
    }
}

#[test]
fn nothing_is_answered_before_the_first_placement() {
    let path = format!("{SERVICE}StartWorkflowExecution");
    let begun = Call::begin(headers(&path, ""), &Placements::default());
    let Begun::Decided(_, Decision::Refuse(refusal)) = begun else { panic!("{begun:?}") };
    assert_eq!(refusal, Refusal::NoPlacement);
    assert_eq!(refusal.code(), Code::Unavailable);
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let body = frame(&start("other", "order-1", 0));
    let unknown = refusal(decide("StartWorkflowExecution", "", &body));
    assert_eq!(unknown, Refusal::UnknownNamespace { namespace: "other".into() });
    assert_eq!(unknown.code(), Code::NotFound);

    let unknown = refusal(decide("StartWorkflowExecutionTwice", "", b""));
    assert_eq!(unknown.code(), Code::Unimplemented);
    assert!(unknown.to_string().contains("StartWorkflowExecutionTwice"));

    let begun = Call::begin(
        panko_routing::call::Headers { path: "/", content_type: "text/html", encoding: "" },
        &placements(),
    );
    assert!(matches!(begun, Begun::Unknown(Refusal::NotGrpc)));
}

#[test]
fn a_token_of_nobody_is_not_found_unless_a_member_is_yet_to_be_reached() {
    let mut message = Vec::new();
    let mut token = Vec::new();
    put_bytes(&mut token, 1, b"ffffffff-ffff-ffff-ffff-ffffffffffff");
    put_bytes(&mut message, 1, &token);
    let method = "RespondActivityTaskCompleted";
    assert_eq!(refusal(decide(method, "", &frame(&message))), Refusal::UnknownToken);
    assert_eq!(refusal(decide(method, "", &frame(b""))), Refusal::UnknownToken);

    let members = vec![member("a", Some(UUID_A)), member("c", None)];
    let slots = placements().get("default").unwrap().slots().to_owned();
    let version = panko_routing::placement::PlacementVersion(8);
    let mut placements = placements();
    let placement = panko_routing::Placement::new("default", version, members, Box::new(slots));
    placements.insert(placement.unwrap());
    let path = format!("{SERVICE}{method}");
    let Begun::Reading(mut call) = Call::begin(headers(&path, ""), &placements) else { panic!() };
    let decision = call.push(&frame(&message), true, &placements).unwrap();
    assert_eq!(refusal(decision).code(), Code::Unavailable);
}

#[test]
fn a_message_without_what_decides_is_refused() {
    let empty = refusal(decide("StartWorkflowExecution", "", &frame(b"")));
    assert_eq!(empty, Refusal::NamespaceNotSet);
    let no_id = refusal(decide("StartWorkflowExecution", "", &frame(&start("default", "", 9))));
    assert_eq!(no_id, Refusal::KeyNotSet { method: "StartWorkflowExecution", kind: "workflow" });
}

#[test]
fn a_body_that_ends_early_is_refused() {
    let whole = frame(&start("default", "order-1", 0));
    assert_eq!(refusal(decide("StartWorkflowExecution", "", b"")), Refusal::Empty);
    for end in 1..whole.len() {
        let decision = decide("StartWorkflowExecution", "", &whole[..end]);
        // Up to the end of the id nothing is known; the rest of the message is not needed.
        if end < 5 + 2 + 7 + 2 + 7 {
            assert_eq!(refusal(decision), Refusal::Truncated, "after {end} bytes");
        } else {
            assert_eq!(decision, home("order-1"));
        }
    }
}

#[test]
fn a_message_that_is_not_protobuf_is_refused() {
    let malformed =
        |bytes: &[u8]| match refusal(decide("SignalWorkflowExecution", "", &frame(bytes))) {
            Refusal::Malformed { error, .. } => error,
            other => panic!("{other:?}"),
        };
    assert_eq!(malformed(&[0x00]), Error::Tag);
    assert_eq!(malformed(&[0x1b]), Error::Tag, "a group");
    assert_eq!(malformed(&[0xff; 11]), Error::Varint);
    assert_eq!(malformed(&[0x08, 0x01]), Error::WireType, "a namespace that is a number");
    assert_eq!(malformed(&[0x0a, 0x05, b'd']), Error::Truncated);
    assert_eq!(
        malformed(&[0x12, 0x02, 0x0a, 0x05]),
        Error::Overrun,
        "longer than what is around it"
    );
    let mut long = vec![0x0a];
    put_varint(&mut long, 1 << 20);
    assert_eq!(malformed(&long), Error::ValueTooLong);
}

#[test]
fn the_first_occurrence_of_a_field_decides() {
    let mut message = start("default", "order-1", 0);
    put_bytes(&mut message, 2, b"order-2");
    assert_eq!(decide("StartWorkflowExecution", "", &frame(&message)), home("order-1"));
    // An empty one is not an occurrence: protobuf does not write it.
    let mut message = Vec::new();
    put_bytes(&mut message, 2, b"");
    message.extend(start("default", "order-3", 0));
    assert_eq!(decide("StartWorkflowExecution", "", &frame(&message)), home("order-3"));
}

#[test]
fn of_several_frames_the_first_decides() {
    let mut body = frame(&start("default", "order-1", 9));
    body.extend(frame(&start("default", "order-2", 9)));
    assert_eq!(decide("StartWorkflowExecution", "", &body), home("order-1"));
    let mut body = frame(b"");
    body.extend(frame(&start("default", "order-2", 9)));
    assert_eq!(refusal(decide("StartWorkflowExecution", "", &body)), Refusal::NamespaceNotSet);
}

#[test]
fn gzip_is_read_and_other_encodings_are_refused_as_grpc_servers_do() {
    let message = start("default", "order-1", 16_000);
    assert_eq!(decide("StartWorkflowExecution", "gzip", &gzip_frame(&message)), home("order-1"));
    // A frame may be uncompressed all the same.
    assert_eq!(decide("StartWorkflowExecution", "gzip", &frame(&message)), home("order-1"));
    let other = refusal(decide("StartWorkflowExecution", "zstd", &gzip_frame(&message)));
    assert_eq!(other.code(), Code::Unimplemented);
    assert!(other.to_string().contains("Decompressor"), "{other}");
    let none = refusal(decide("StartWorkflowExecution", "", &gzip_frame(&message)));
    assert_eq!(none.code(), Code::Unimplemented, "compressed without saying with what");
    assert!(matches!(
        refusal(decide("StartWorkflowExecution", "gzip", &framed(2, &message))),
        Refusal::Malformed { error: Error::FrameFlag, .. }
    ));
}

#[test]
fn a_corrupt_gzip_stream_is_refused() {
    let whole = gzip(&start("default", "order-1", 100));
    let corrupt =
        |bytes: &[u8]| refusal(decide("StartWorkflowExecution", "gzip", &framed(1, bytes)));
    assert!(matches!(corrupt(b"no gzip"), Refusal::Malformed { error: Error::Gzip, .. }));
    assert!(matches!(corrupt(b""), Refusal::Malformed { error: Error::Gzip, .. }));
    assert!(matches!(corrupt(&whole[..12]), Refusal::Malformed { error: Error::Gzip, .. }));
}

#[test]
fn a_body_that_inflates_without_end_is_given_up_at_the_bound() {
    // 64 MiB of a field that nobody wants, in 64 KiB.
    let mut message = Vec::new();
    put_bytes(&mut message, 5, &vec![0; 64 << 20]);
    let body = gzip_frame(&message);
    assert!(body.len() < 100_000);
    let refusal = refusal(decide("StartWorkflowExecution", "gzip", &body));
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal}");
}

#[test]
fn of_16_mib_only_the_beginning_is_read() {
    let body = frame(&start("default", "order-1", 16 << 20));
    let placements = placements();
    let path = format!("{SERVICE}StartWorkflowExecution");
    let Begun::Reading(mut call) = Call::begin(headers(&path, ""), &placements) else { panic!() };
    assert_eq!(call.push(&body[..64], false, &placements), Some(home("order-1")));

    // What decides comes last: most of the body need not be seen, and there is a bound.
    let mut message = Vec::new();
    put_bytes(&mut message, 5, &vec![b'x'; 16 << 20]);
    message.extend(start("default", "order-1", 0));
    let refusal = refusal(decide("StartWorkflowExecution", "", &frame(&message)));
    assert_eq!(refusal.code(), Code::ResourceExhausted);
}
