//! A task that comes with nobody waiting is held for the next poll, and given back in time when there
//! is none: rule 2, on both server versions.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::http;
use panko_tests::sandbox::{homes, start};
use temporalio_protos::temporal::api::enums::v1::EventType;
use temporalio_protos::temporal::api::workflowservice::v1 as api;

const EVEN: [(&str, u32); 2] = [("a", 1), ("b", 1)];
const POLL: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_nobody_takes_is_given_back_on_server_1_29() -> Result<()> {
    one_worker_and_two_tasks(Kind::Cli).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_nobody_takes_is_given_back_on_server_1_32() -> Result<()> {
    one_worker_and_two_tasks(Kind::Server).await
}

async fn one_worker_and_two_tasks(kind: Kind) -> Result<()> {
    let mut sandbox = start(kind, &EVEN).await?;
    let client = Client::new(sandbox.addresses().address)?;

    // While one poll waits, one is open on each cluster; each gets a task, and one is left over.
    let taken = two_tasks_for_one_poll(&client, &sandbox, "soon").await?;
    // The next poll takes it at once: it need not come from a cluster.
    let held = client.poll("soon", POLL).await?.context("the task that was held")?;
    client.complete(taken).await?;
    client.complete(held).await?;

    let taken = two_tasks_for_one_poll(&client, &sandbox, "never").await?;
    let left = left_over(&taken, "never");
    client.complete(taken).await?;
    until("the task is given back", Duration::from_secs(8), async || {
        client
            .events(&left)
            .await
            .is_ok_and(|events| events.contains(&EventType::WorkflowTaskFailed))
    })
    .await?;
    let again = client.poll("never", POLL).await?.context("the task, again")?;
    client.complete(again).await?;
    let events = client.events(&left).await?;
    ensure!(!events.contains(&EventType::WorkflowTaskTimedOut), "{left}: {events:?}");
    ensure!(events.contains(&EventType::WorkflowExecutionCompleted), "{left}: {events:?}");
    sandbox.stop_all().await;
    Ok(())
}

/// Starts a workflow on each cluster while one poll waits. Returns what that poll got, once the
/// other task is held.
async fn two_tasks_for_one_poll(
    client: &Client,
    sandbox: &Sandbox,
    queue: &'static str,
) -> Result<api::PollWorkflowTaskQueueResponse> {
    let metrics = sandbox.addresses().control_servers[0].http;
    let metric = async |name: &str| -> f64 {
        http::get(metrics, "/metrics").await.map_or(f64::NAN, |metrics| http::sum(&metrics, name))
    };
    let worker = client.clone();
    let poll = tokio::spawn(async move { worker.poll(queue, POLL).await });
    until("a poll is open on each cluster", POLL, async || metric("panko_open_polls").await == 2.0)
        .await?;
    for ids in homes(queue, 10, &EVEN).into_values() {
        client.start(&ids[0], queue).await?;
    }
    let taken = poll.await??.context("a task")?;
    until("the other task is held", POLL, async || metric("panko_held_tasks").await == 1.0).await?;
    Ok(taken)
}

/// The workflow whose task the poll did not get.
fn left_over(taken: &api::PollWorkflowTaskQueueResponse, queue: &str) -> String {
    let taken = taken.workflow_execution.clone().unwrap_or_default().workflow_id;
    let mut firsts = homes(queue, 10, &EVEN).into_values().map(|ids| ids[0].clone());
    firsts.find(|id| *id != taken).unwrap_or_default()
}
