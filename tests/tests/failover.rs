//! A cluster that is gone is given up, and comes back after a scan.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Options, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::operator::Operator;
use panko_tests::sandbox::{homes, options, start_with};
use serde_json::Value;
use temporalio_protos::temporal::api::common::v1::{WorkflowExecution, WorkflowType};
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus::Running;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tonic::{Code, Status};

const QUEUE: &str = "nobody-polls";
const THREE: [(&str, u32); 3] = [("a", 1), ("b", 1), ("c", 1)];
const SECOND: Duration = Duration::from_secs(1);

/// Far less than a call that ended without a definite answer is waited for.
const AT_ONCE: Duration = Duration::from_secs(20);

async fn sandbox(options: Options) -> Result<Sandbox> {
    start_with(&Options { clusters: 3, ..options }).await
}

/// Starts it as SDKs do, who try again what is UNAVAILABLE.
async fn start(client: &Client, id: &str) -> Result<()> {
    until(&format!("{id} is started"), 20 * SECOND, async || {
        match client.start_as(id, QUEUE, &format!("anew {id}")).await {
            Err(status) if status.code() == Code::Unavailable => false,
            answer => answer.map_err(|status| println!("{id}: {status}")).is_ok(),
        }
    })
    .await
}

/// A start that has a minute, and whose cluster does not tell what became of it.
async fn in_doubt(client: &Client, id: &str) -> Result<()> {
    let request = api::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "bare".to_owned() }),
        task_queue: Some(TaskQueue { name: QUEUE.to_owned(), ..Default::default() }),
        request_id: "in doubt".to_owned(),
        ..Default::default()
    };
    let answer: Result<api::StartWorkflowExecutionResponse, _> =
        client.call("StartWorkflowExecution", &request, 60 * SECOND).await;
    let down = answer.err().context("its cluster is down")?;
    ensure!(down.code() == Code::Unavailable, "{down}");
    Ok(())
}

async fn terminate(client: &Client, id: &str) -> Result<(), Status> {
    let request = api::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: id.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer: Result<api::TerminateWorkflowExecutionResponse, _> =
        client.call("TerminateWorkflowExecution", &request, 10 * SECOND).await;
    answer.map(drop)
}

async fn first(operator: &Operator) -> Result<Value> {
    Ok(operator.run(&["status", "placement"]).await?["members"][0].clone())
}

/// That a call on a workflow which only the fenced cluster has says so, and not that there is none.
fn is_of_the_fenced<T: std::fmt::Debug>(answer: Result<T, Status>) -> Result<()> {
    let told = answer.err().context("it was found on a cluster that is fenced")?;
    ensure!(told.code() == Code::Unavailable, "{told}");
    ensure!(told.message().contains("fenced"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_gone_is_fenced_and_comes_back_after_a_scan() -> Result<()> {
    let mut sandbox = sandbox(options(Kind::Cli, &THREE)?).await?;
    let operator = Operator::of(&sandbox)?;
    let client = Client::new(sandbox.addresses().address)?;
    let on_a = homes("fail", 60, &THREE).remove("a").context("a")?;
    let ([twice, only, doubt, ..], rest) = (on_a.split_at(3).0, on_a.split_at(3).1) else {
        anyhow::bail!("too few ids are a's: {on_a:?}");
    };
    client.start(twice, QUEUE).await?;
    client.start(only, QUEUE).await?;
    let not_fenced = operator.run(&["failback", "a"]).await.expect_err("it is not fenced");
    ensure!(not_fenced.to_string().contains("not fenced"), "{not_fenced}");

    sandbox.kill_part("a").await?;
    in_doubt(&client, doubt).await?;
    let planned = operator.run(&["failover", "a", "--dry-run"]).await?;
    ensure!(planned["what"].to_string().contains("1366 slots"), "{planned}");
    ensure!(first(&operator).await?["fenced"] == false, "a dry run changes nothing");
    let began = Instant::now();
    operator.run(&["failover", "a", "--why", "a test"]).await?;
    let took = began.elapsed();
    println!("failover took {took:?}");
    ensure!(took < AT_ONCE, "{took:?}");
    ensure!(operator.owned().await? == [0, 2048, 2048], "{:?}", operator.owned().await?);

    // New workflows of its slots start elsewhere, also what was in doubt, and what is open there: that is the risk.
    for id in rest.iter().chain([doubt, twice]) {
        start(&client, id).await?;
        ensure!(client.status(id).await? == Running, "{id}");
    }
    is_of_the_fenced(client.status(only).await)?;
    is_of_the_fenced(terminate(&client, only).await)?;
    let list = api::ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        ..Default::default()
    };
    let (_, metadata) = client.call_with_metadata("ListWorkflowExecutions", &list).await?;
    let missing = metadata.get("panko-missing-clusters").and_then(|v| v.to_str().ok());
    ensure!(missing == Some("a"), "{metadata:?}");
    let told = operator.run(&["explain", "--workflow-id", only]).await?;
    ensure!(told["members"][0]["marks"].to_string().contains("fenced"), "{told}");
    let gone = operator.run(&["failback", "a"]).await.expect_err("it is down");
    ensure!(gone.to_string().contains("stays fenced"), "{gone}");
    let given = operator.run(&["move", "--from", "b", "--to", "a", "--slots", "1"]).await;
    ensure!(given.is_err(), "it gets no slots");

    // It is back, and nothing goes there.
    sandbox.start_part("a").await?;
    let a = Client::new(sandbox.addresses().clusters[0].address)?;
    until("it has what it had", 20 * SECOND, async || a.status(only).await.is_ok()).await?;
    is_of_the_fenced(client.status(only).await)?;
    let scanned = operator.run(&["failback", "a", "--dry-run"]).await?;
    let duplicates = scanned["duplicates"].as_array().context("duplicates")?;
    ensure!(scanned["duplicates_in_all"] == 1 && duplicates[0]["id"] == **twice, "{scanned}");
    let refused = operator.run(&["failback", "a"]).await.expect_err("an id is open twice");
    ensure!(refused.to_string().contains("terminate"), "{refused}");
    ensure!(first(&operator).await?["fenced"] == true, "it stays fenced");
    is_of_the_fenced(client.status(only).await)?;

    terminate(&a, twice).await?;
    operator.run(&["failback", "a", "--rebalance"]).await?;
    let back = first(&operator).await?;
    ensure!(back["fenced"] == false && back["owned"].as_u64() > Some(1300), "{back}");
    ensure!(client.status(only).await? == Running && client.status(twice).await? == Running);
    let again = client.start_as(only, QUEUE, "again").await.expect_err("it is open on a");
    ensure!(again.code() == Code::AlreadyExists, "{again}");
    let verified = operator.run(&["verify"]).await?;
    ensure!(verified["duplicates_in_all"] == 0, "{verified}");
    two_come_back_at_once(&sandbox, &operator, &client, only).await?;
    sandbox.stop_all().await;
    Ok(())
}

/// The id is open on the first member. It is started anew on another one, which is fenced then, too.
async fn two_come_back_at_once(
    sandbox: &Sandbox,
    operator: &Operator,
    client: &Client,
    id: &str,
) -> Result<()> {
    operator.run(&["failover", "a"]).await?;
    start(client, id).await?;
    let told = operator.run(&["explain", "--workflow-id", id]).await?;
    let other = if told["owner"] == "b" { 1 } else { 2 };
    let name = THREE[other].0;
    operator.run(&["failover", name]).await?;
    let failback = async |name| operator.run(&["failback", name]).await;
    let both = tokio::join!(failback("a"), failback(name));
    let refused = [both.0.err(), both.1.err()];
    println!("of two at once: {refused:?}");
    ensure!(refused.iter().flatten().any(|why| why.to_string().contains("terminate")));

    terminate(&Client::new(sandbox.addresses().clusters[other].address)?, id).await?;
    for (at, (name, _)) in THREE.iter().enumerate() {
        let placement = operator.run(&["status", "placement"]).await?;
        if placement["members"][at]["fenced"] == true {
            operator.run(&["failback", name]).await?;
        }
    }
    ensure!(client.status(id).await? == Running, "what is left of the two");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_cluster_is_given_up_by_itself_where_the_configuration_says_so() -> Result<()> {
    let three = options(Kind::Cli, &THREE)?;
    let mut sandbox = sandbox(Options { failover_after: Some(10), ..three }).await?;
    let operator = Operator::of(&sandbox)?;
    // With two of three gone nothing moves: it may be Panko that is cut off.
    sandbox.kill_part("a").await?;
    sandbox.kill_part("b").await?;
    tokio::time::sleep(30 * SECOND).await;
    ensure!(first(&operator).await?["fenced"] == false, "two were silent");
    sandbox.start_part("b").await?;
    until("a is given up", 60 * SECOND, async || {
        operator.owned().await.is_ok_and(|owned| owned == [0, 2048, 2048])
    })
    .await?;
    ensure!(first(&operator).await?["fenced"] == true, "a is fenced");
    let history = operator.run(&["history"]).await?;
    ensure!(history.to_string().contains("has not answered for 10 s"), "{history}");
    // At most one.
    sandbox.kill_part("b").await?;
    tokio::time::sleep(20 * SECOND).await;
    ensure!(operator.owned().await? == [0, 2048, 2048], "{:?}", operator.owned().await?);
    sandbox.stop_all().await;
    Ok(())
}
