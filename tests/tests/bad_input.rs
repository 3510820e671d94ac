//! Bodies that no client sends, through real Envoy with the real filter: a clear gRPC status each
//! time, no hang, and calls of others go on.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, ensure};
use flate2::{Compression, write::GzEncoder};
use panko_control_server::dev::Kind;
use panko_routing::wire::fields::put_bytes;
use panko_tests::bare::{Client, until};
use panko_tests::frames::{Answer, Connection, End, frame};
use panko_tests::http;
use panko_tests::sandbox::start;

const START: &str = "/temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution";
const DESCRIBE: &str = "/temporal.api.workflowservice.v1.WorkflowService/DescribeWorkflowExecution";
const POLL: &str = "/temporal.api.workflowservice.v1.WorkflowService/PollActivityTaskQueue";
const RESPOND: &str =
    "/temporal.api.workflowservice.v1.WorkflowService/RespondWorkflowTaskCompleted";

const OK: i32 = 0;
const INVALID_ARGUMENT: i32 = 3;
const NOT_FOUND: i32 = 5;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNIMPLEMENTED: i32 = 12;
const INTERNAL: i32 = 13;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

fn describe(namespace: &str, workflow_id: &str) -> Vec<u8> {
    let (mut execution, mut request) = (Vec::new(), Vec::new());
    put_bytes(&mut execution, 1, workflow_id.as_bytes());
    put_bytes(&mut request, 1, namespace.as_bytes());
    put_bytes(&mut request, 2, &execution);
    request
}

fn expect(what: &str, answer: &Answer, status: i32, says: &str) -> Result<()> {
    let told = answer.message.replace("%20", " ");
    ensure!(answer.grpc == Some(status) && told.contains(says), "{what}: {answer:?}");
    println!("{what}: {status} {told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_bodies_get_a_clear_status_and_harm_nobody() -> Result<()> {
    let mut sandbox = start(Kind::Cli, &[("a", 1), ("b", 1)]).await?;
    let addresses = sandbox.addresses().clone();
    let client = Client::new(addresses.address)?;
    client.start("good", "nobody-polls").await?;
    let connection = Connection::open(addresses.address).await?;
    let refused = async |what: &str,
                         path: &str,
                         headers: &[(&str, &str)],
                         body: &[u8],
                         status,
                         says: &str| {
        for end in [End::Flag, End::EmptyFrame, End::Trailers] {
            let what = format!("{what} ({end:?})");
            expect(&what, &connection.send(path, headers, &[body], end).await?, status, says)?;
        }
        anyhow::Ok(())
    };

    the_http_api_is_refused_in_words(addresses.address).await?;
    refused("no body", START, &[], b"", INTERNAL, "no gRPC message").await?;
    refused("half a prefix", START, &[], b"\0\0", INTERNAL, "ends before").await?;
    refused(
        "half a message",
        START,
        &[],
        &frame(0, b"\x0a\x07default")[..9],
        INTERNAL,
        "ends before",
    )
    .await?;
    refused("an empty message", START, &[], &frame(0, b""), INVALID_ARGUMENT, "Namespace not set")
        .await?;
    refused("no protobuf", START, &[], &frame(0, &[0xff; 40]), INVALID_ARGUMENT, "varint").await?;
    refused(
        "half a field",
        START,
        &[],
        &frame(0, b"\x0a\x7fdef"),
        INVALID_ARGUMENT,
        "inside a field",
    )
    .await?;
    refused("an invalid flag", START, &[], &frame(7, b""), INVALID_ARGUMENT, "flag").await?;
    refused(
        "another namespace",
        DESCRIBE,
        &[],
        &frame(0, &describe("other", "x")),
        NOT_FOUND,
        "other",
    )
    .await?;
    refused(
        "no id",
        DESCRIBE,
        &[],
        &frame(0, &describe("default", "")),
        INVALID_ARGUMENT,
        "not set",
    )
    .await?;
    refused("a poll of nothing", POLL, &[], &frame(0, b""), INVALID_ARGUMENT, "Namespace not set")
        .await?;
    refused(
        "a poll of no queue",
        POLL,
        &[],
        &frame(0, b"\x0a\x07default\x12\x02\x10\x01"),
        INVALID_ARGUMENT,
        "TaskQueue is not set on request.",
    )
    .await?;
    refused(
        "a poll of another namespace",
        POLL,
        &[],
        &frame(0, &describe("other", "a-queue")),
        NOT_FOUND,
        "other",
    )
    .await?;
    refused(
        "a token of nobody",
        RESPOND,
        &[],
        &frame(0, b"\x0a\x04\x0a\x02no"),
        NOT_FOUND,
        "token",
    )
    .await?;
    refused(
        "an unknown RPC",
        "/temporal.api.workflowservice.v1.WorkflowService/Nope",
        &[],
        &frame(0, b""),
        UNIMPLEMENTED,
        "Nope",
    )
    .await?;
    refused(
        "an unknown encoding",
        START,
        &[("grpc-encoding", "snappy")],
        &frame(1, b"?"),
        UNIMPLEMENTED,
        "Decompressor",
    )
    .await?;
    refused(
        "no gzip",
        START,
        &[("grpc-encoding", "gzip")],
        &frame(1, b"?"),
        INVALID_ARGUMENT,
        "gzip",
    )
    .await?;

    let mut endless = Vec::new();
    put_bytes(&mut endless, 5, &vec![0; 64 << 20]);
    let bomb = frame(1, &gzip(&endless));
    refused(
        "a body that inflates to 64 MiB",
        START,
        &[("grpc-encoding", "gzip")],
        &bomb,
        RESOURCE_EXHAUSTED,
        "not within",
    )
    .await?;
    let mut late = Vec::new();
    put_bytes(&mut late, 5, &vec![1; 6 << 20]);
    late.extend(describe("default", "good"));
    refused(
        "6 MiB before what decides",
        START,
        &[],
        &frame(0, &late),
        RESOURCE_EXHAUSTED,
        "not within",
    )
    .await?;

    let answer = connection.send("/", &[], &[], End::Flag).await?;
    ensure!(answer.grpc == Some(UNIMPLEMENTED), "a path of nobody: {answer:?}");
    let newer = "/temporal.api.workflowservice.v1.WorkflowService/FromTheFuture";
    for _ in 0..3 {
        let answer = connection.send(newer, &[], &[], End::Flag).await?;
        ensure!(answer.grpc == Some(UNIMPLEMENTED), "an RPC of a newer API: {answer:?}");
    }
    let log = sandbox.data_dir().join("logs/envoy.log");
    until("Envoy's log names it", Duration::from_secs(10), async || {
        std::fs::read_to_string(&log)
            .is_ok_and(|log| log.contains(&format!("{newer} is not known")))
    })
    .await?;
    let named = std::fs::read_to_string(&log)?.matches(newer).count();
    // Once for each of Envoy's workers; this is one connection.
    ensure!(named == 1, "it is named {named} times");

    good_bodies_in_any_shape(&connection).await?;
    forged_headers_do_not_steer(&connection).await?;
    of_16_mib_the_cluster_decides(&connection).await?;
    let found = client.status("good").await.is_ok();
    ensure!(found, "an ordinary call beside all this");

    let stats = http::get(addresses.envoy_admin, "/stats/prometheus").await?;
    for reason in
        ["empty", "truncated", "malformed", "unknown_namespace", "unknown_token", "encoding"]
    {
        let label = format!("reason=\"{reason}\"");
        let counted =
            http::series(&stats, "panko_refused_total").any(|(l, v)| l.contains(&label) && v > 0.0);
        ensure!(counted, "{label} is not counted:\n{stats}");
    }
    let reloads = http::sum(&stats, "envoy_wasm_panko_vm_reload_success");
    ensure!(reloads == 0.0, "the filter crashed {reloads} times");
    sandbox.stop_all().await;
    Ok(())
}

async fn good_bodies_in_any_shape(connection: &Connection) -> Result<()> {
    let message = describe("default", "good");
    let plain = frame(0, &message);
    let packed = frame(1, &gzip(&message));
    for (body, encoding) in [(&plain, "identity"), (&packed, "gzip")] {
        let headers = [("grpc-encoding", encoding)];
        for at in 1..body.len() {
            let (head, tail) = body.split_at(at);
            let answer = connection.send(DESCRIBE, &headers, &[head, tail], End::Flag).await?;
            ensure!(answer.grpc == Some(OK), "{encoding} cut at {at}: {answer:?}");
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        let answer = connection.send(DESCRIBE, &headers, &bytes, End::EmptyFrame).await?;
        ensure!(answer.grpc == Some(OK), "{encoding} byte by byte: {answer:?}");
    }
    // Fields the other way round, and one that no API has.
    let (mut execution, mut turned) = (Vec::new(), Vec::new());
    put_bytes(&mut execution, 1, b"good");
    put_bytes(&mut turned, 9000, b"unknown");
    put_bytes(&mut turned, 2, &execution);
    put_bytes(&mut turned, 1, b"default");
    let answer = connection.send(DESCRIBE, &[], &[&frame(0, &turned)], End::Flag).await?;
    ensure!(answer.grpc == Some(OK), "fields in unusual order: {answer:?}");
    // Two messages in a unary call: the first is what the cluster answers, if it answers.
    let mut two = plain.clone();
    two.extend(frame(0, &describe("default", "bad")));
    let answer = connection.send(DESCRIBE, &[], &[&two], End::Flag).await?;
    println!("two frames in one call: {:?} {}", answer.grpc, answer.message);
    ensure!(answer.grpc.is_some_and(|status| status != NOT_FOUND), "two frames: {answer:?}");
    Ok(())
}

async fn forged_headers_do_not_steer(connection: &Connection) -> Result<()> {
    let body = frame(0, &describe("default", "good"));
    for cluster in ["a", "b", "panko-control-server", "nowhere"] {
        let headers = [("panko-cluster", cluster), ("temporal-namespace", "other")];
        let answer = connection.send(DESCRIBE, &headers, &[&body], End::Flag).await?;
        ensure!(answer.grpc == Some(OK), "panko-cluster: {cluster} from a client: {answer:?}");
    }
    Ok(())
}

async fn of_16_mib_the_cluster_decides(connection: &Connection) -> Result<()> {
    let mut message = Vec::new();
    put_bytes(&mut message, 1, b"default");
    put_bytes(&mut message, 2, b"large");
    put_bytes(&mut message, 5, &vec![1; 16 << 20]);
    let answer = connection.send(START, &[], &[&frame(0, &message)], End::Flag).await?;
    // grpc-go's own words: the body went on to the cluster, which takes 4 MiB.
    expect("16 MiB", &answer, RESOURCE_EXHAUSTED, "larger than max")
}

/// By HTTP/1.1, as `curl` asks, and by HTTP/2.
async fn the_http_api_is_refused_in_words(address: std::net::SocketAddr) -> Result<()> {
    for path in ["/api/v1/namespaces", "/cluster-info", "/"] {
        let told = http::get(address, path).await.expect_err("it is not served").to_string();
        ensure!(told.contains("HTTP/1.1 415") && told.contains("gRPC"), "{path}: {told}");
    }
    let connection = Connection::open(address).await?;
    let headers = [("content-type", "application/json")];
    let answer = connection.send("/api/v1/namespaces", &headers, &[b"{}"], End::Flag).await?;
    ensure!(answer.http == 415, "{answer:?}");
    Ok(())
}
