//! Where the clusters call the namespace otherwise, callers see their own name, and only that: also of what
//! lives away from its owner, of large requests and of compressed ones.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use panko_control_server::dev::Kind;
use panko_tests::bare::{Client, until};
use panko_tests::frames::{Connection, End, frame};
use panko_tests::sandbox::{homes, options, start_with};
use prost::Message;
use temporalio_protos::temporal::api::command::v1::command::Attributes;
use temporalio_protos::temporal::api::command::v1::{
    Command, StartChildWorkflowExecutionCommandAttributes,
};
use temporalio_protos::temporal::api::common::v1::{
    Payload, Payloads, WorkflowExecution, WorkflowType,
};
use temporalio_protos::temporal::api::enums::v1::{CommandType, WorkflowExecutionStatus};
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tonic::Code;

const WEIGHTS: [(&str, u32); 2] = [("a", 1), ("b", 1)];
const DEADLINE: Duration = Duration::from_secs(20);

/// Whether bytes have a name in them that only clusters say.
fn leaks(bytes: &[u8]) -> bool {
    [&b"default-a"[..], b"default-b"]
        .iter()
        .any(|name| bytes.windows(name.len()).any(|w| w == *name))
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_see_their_own_names_on_server_1_29() -> Result<()> {
    callers_see_their_own_names(Kind::Cli).await
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_see_their_own_names_on_server_1_32() -> Result<()> {
    callers_see_their_own_names(Kind::Server).await
}

async fn callers_see_their_own_names(kind: Kind) -> Result<()> {
    let mut options = options(kind, &WEIGHTS)?;
    options.rename = true;
    let mut sandbox = start_with(&options).await?;
    let addresses = sandbox.addresses().clone();
    let panko = Client::new(addresses.address)?;
    let clusters = [
        Client::new(addresses.clusters[0].address)?.with_namespace("default-a"),
        Client::new(addresses.clusters[1].address)?.with_namespace("default-b"),
    ];
    let mut ids = homes("named", 60, &WEIGHTS);
    for (at, name) in ["a", "b"].into_iter().enumerate() {
        let ids = ids.remove(name).context("ids")?;
        parents_and_children(&panko, &ids[0]).await?;
        strays(&panko, &clusters[1 - at], &ids[1]).await?;
        large_and_compressed(&panko, addresses.address, &ids[2]).await?;
    }
    lists(&panko).await?;
    sandbox.stop_all().await;
    Ok(())
}

/// A child's events name the parent's namespace, and the parent's its own.
async fn parents_and_children(panko: &Client, id: &str) -> Result<()> {
    let queue = format!("queue-{id}");
    panko.start(id, &queue).await?;
    let task = panko.poll(&queue, DEADLINE).await?.context("a task")?;
    ensure!(!leaks(&task.encode_to_vec()), "a task");
    // Deprecated, and what every SDK still fills.
    #[allow(deprecated)]
    let child = StartChildWorkflowExecutionCommandAttributes {
        namespace: "default".to_owned(),
        workflow_id: format!("{id}-child"),
        workflow_type: Some(WorkflowType { name: "bare".to_owned() }),
        task_queue: Some(TaskQueue { name: queue.clone(), ..Default::default() }),
        ..Default::default()
    };
    let command = Command {
        command_type: CommandType::StartChildWorkflowExecution.into(),
        attributes: Some(Attributes::StartChildWorkflowExecutionCommandAttributes(child)),
        ..Default::default()
    };
    let request = api::RespondWorkflowTaskCompletedRequest {
        task_token: task.task_token,
        commands: vec![command],
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let _: api::RespondWorkflowTaskCompletedResponse =
        panko.call("RespondWorkflowTaskCompleted", &request, DEADLINE).await?;
    until("the child", DEADLINE, async || panko.status(&format!("{id}-child")).await.is_ok())
        .await?;
    for id in [id.to_owned(), format!("{id}-child")] {
        let request = api::GetWorkflowExecutionHistoryRequest {
            namespace: "default".to_owned(),
            execution: Some(WorkflowExecution { workflow_id: id, ..Default::default() }),
            ..Default::default()
        };
        let history: api::GetWorkflowExecutionHistoryResponse =
            panko.call("GetWorkflowExecutionHistory", &request, DEADLINE).await?;
        let history = history.encode_to_vec();
        ensure!(!leaks(&history), "a history");
        ensure!(history.windows(7).any(|w| w == b"default"), "it names no namespace at all");
    }
    Ok(())
}

/// What one cluster runs under an id of another's: sent to the owner in the owner's words, then to the other
/// in its own.
async fn strays(panko: &Client, elsewhere: &Client, id: &str) -> Result<()> {
    elsewhere.start(id, "nobody-polls").await?;
    ensure!(panko.status(id).await? == WorkflowExecutionStatus::Running, "the stray");
    let answer = panko.status(&format!("{id}-nowhere")).await.expect_err("it is nowhere");
    ensure!(answer.code() == Code::NotFound, "{answer:?}");
    Ok(())
}

/// A request near the largest, plain and compressed, and its event back.
async fn large_and_compressed(
    panko: &Client,
    address: std::net::SocketAddr,
    id: &str,
) -> Result<()> {
    const BYTES: usize = 1_900_000;
    panko.start(id, "nobody-polls").await?;
    let connection = Connection::open(address).await?;
    for compressed in [false, true] {
        let payload = Payload { data: noise(BYTES), ..Default::default() };
        let request = api::SignalWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: id.to_owned(),
                ..Default::default()
            }),
            signal_name: "large".to_owned(),
            input: Some(Payloads { payloads: vec![payload] }),
            ..Default::default()
        };
        let message = request.encode_to_vec();
        let path = "/temporal.api.workflowservice.v1.WorkflowService/SignalWorkflowExecution";
        let answer = if compressed {
            let body = frame(1, &gzip(&message)?);
            connection.send(path, &[("grpc-encoding", "gzip")], &[&body], End::Flag).await?
        } else {
            let body = frame(0, &message);
            let pieces: Vec<&[u8]> = body.chunks(100_000).collect();
            connection.send(path, &[], &pieces, End::Flag).await?
        };
        ensure!(answer.grpc == Some(0), "compressed {compressed}: {answer:?}");
    }
    let request = api::GetWorkflowExecutionHistoryRequest {
        namespace: "default".to_owned(),
        execution: Some(WorkflowExecution { workflow_id: id.to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let history: api::GetWorkflowExecutionHistoryResponse =
        panko.call("GetWorkflowExecutionHistory", &request, DEADLINE).await?;
    ensure!(history.encoded_len() > 2 * BYTES, "{} bytes of history", history.encoded_len());
    ensure!(!leaks(&history.encode_to_vec()), "a large history");
    Ok(())
}

async fn lists(panko: &Client) -> Result<()> {
    until("all workflows", DEADLINE, async || panko.count("").await.unwrap_or(0) == 8).await?;
    let request =
        api::DescribeNamespaceRequest { namespace: "default".to_owned(), ..Default::default() };
    let described: api::DescribeNamespaceResponse =
        panko.call("DescribeNamespace", &request, DEADLINE).await?;
    ensure!(!leaks(&described.encode_to_vec()), "{described:?}");
    Ok(())
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

fn gzip(bytes: &[u8]) -> Result<Bytes> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}
