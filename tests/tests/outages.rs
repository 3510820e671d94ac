//! What goes on while a part is gone: rule 5, and the table "When things fail".

use std::time::Duration;

use anyhow::{Result, ensure};
use panko_control_server::dev::Kind;
use panko_tests::bare::{Client, until};
use panko_tests::frames::{Connection, End};
use panko_tests::sandbox::{homes, start};
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tonic::Code;

const QUEUE: &str = "outages";
const EVEN: [(&str, u32); 2] = [("a", 1), ("b", 1)];
const SECOND: Duration = Duration::from_secs(1);

/// All of `ids` end, with a worker at work.
async fn complete(client: &Client, ids: &[String]) -> Result<()> {
    for id in ids {
        until(&format!("{id} completes"), 30 * SECOND, async || {
            client.status(id).await.is_ok_and(|status| status == Status::Completed)
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_control_server_calls_on_workflows_go_on_and_nothing_is_answered_wrongly()
-> Result<()> {
    let mut sandbox = start(Kind::Cli, &EVEN).await?;
    let client = Client::new(sandbox.addresses().address)?;
    let before: Vec<String> = homes("before", 20, &EVEN).into_values().flatten().collect();
    for id in &before {
        client.start(id, QUEUE).await?;
    }

    sandbox.kill_part("control-server").await?;
    let during: Vec<String> = homes("during", 20, &EVEN).into_values().flatten().collect();
    for (old, new) in before.iter().zip(&during) {
        // Each answer is the right one: not one call fails, and none finds less than there is.
        ensure!(client.status(old).await? == Status::Running, "{old}");
        client.start(new, QUEUE).await?;
        ensure!(client.status(new).await? == Status::Running, "{new}");
    }
    // Where the owner does not have it somebody would have to look elsewhere.
    let missing = client.status("never-started").await.expect_err("it was never started");
    ensure!(missing.code() == Code::Unavailable, "{missing}");
    // What needs the control server says so, as something that may be tried again.
    let poll = client.poll(QUEUE, 5 * SECOND).await.expect_err("nobody can answer a poll");
    ensure!(poll.code() == Code::Unavailable, "{poll}");

    sandbox.start_part("control-server").await?;
    let worker = client.clone();
    let worker = tokio::spawn(async move { worker.work(QUEUE, 4).await });
    complete(&client, &before).await?;
    complete(&client, &during).await?;
    worker.abort();
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_restarts_and_work_goes_on_where_it_was() -> Result<()> {
    let mut sandbox = start(Kind::Cli, &EVEN).await?;
    let client = Client::new(sandbox.addresses().address)?;
    let worker = client.clone();
    let worker = tokio::spawn(async move { worker.work(QUEUE, 4).await });
    let ids: Vec<String> = homes("restart", 60, &EVEN).into_values().flatten().collect();
    let (first, second) = ids.split_at(30);
    for id in first {
        client.start(id, QUEUE).await?;
    }
    sandbox.restart_part("envoy").await?;
    for id in second {
        // The connection of before is gone: a client connects again, as SDKs do.
        until("a start after the restart", 10 * SECOND, async || {
            client.start(id, QUEUE).await.is_ok()
        })
        .await?;
    }
    complete(&client, &ids).await?;
    worker.abort();

    // Without a placement it fails closed, says why, and routes as soon as it has one.
    sandbox.stop_part("envoy").await?;
    sandbox.kill_part("control-server").await?;
    let address = sandbox.addresses().address;
    let path = "/temporal.api.workflowservice.v1.WorkflowService/DescribeWorkflowExecution";
    let (mut refused, asking) = (None, async {
        until("a refusal", 20 * SECOND, async || {
            let Ok(connection) = Connection::open(address).await else { return false };
            let answer = connection.send(path, &[], &[b"\0\0\0\0\0"], End::Flag).await;
            answer
                .is_ok_and(|answer| answer.grpc == Some(14) && answer.message.contains("placement"))
        })
        .await
    });
    let outcome = tokio::select! {
        // It is not ready without a placement, so this does not end first.
        started = sandbox.start_part("envoy") => started.map_err(anyhow::Error::from),
        asked = asking => { refused = Some(()); asked }
    };
    outcome?;
    ensure!(refused.is_some(), "Envoy was ready without a placement");
    sandbox.start_part("control-server").await?;
    until("calls are routed", 20 * SECOND, async || client.status(&ids[0]).await.is_ok()).await?;
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cluster_stops_and_the_workflows_of_the_other_go_on() -> Result<()> {
    let mut sandbox = start(Kind::Cli, &EVEN).await?;
    let client = Client::new(sandbox.addresses().address)?;
    let mut homes = homes("stop", 40, &EVEN);
    let (on_a, on_b) =
        (homes.remove("a").unwrap_or_default(), homes.remove("b").unwrap_or_default());
    for id in &on_b {
        client.start(id, QUEUE).await?;
    }
    sandbox.stop_part("b").await?;
    let worker = client.clone();
    let worker = tokio::spawn(async move { worker.work(QUEUE, 2).await });
    for id in &on_a {
        client.start(id, QUEUE).await?;
    }
    complete(&client, &on_a).await?;
    let down = client.status(&on_b[0]).await.expect_err("its cluster is down");
    ensure!(down.code() == Code::Unavailable, "{down}");

    sandbox.start_part("b").await?;
    complete(&client, &on_b).await?;
    worker.abort();
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_hangs_holds_up_nobody_for_long() -> Result<()> {
    let mut sandbox = start(Kind::Cli, &EVEN).await?;
    let client = Client::new(sandbox.addresses().address)?;
    let mut homes = homes("hang", 20, &EVEN);
    let (on_a, on_b) =
        (homes.remove("a").unwrap_or_default(), homes.remove("b").unwrap_or_default());
    client.start(&on_a[0], QUEUE).await?;
    client.start(&on_b[0], QUEUE).await?;
    sandbox.hang_part("b", true)?;

    // What SDKs ask when they connect; some wait no longer than 5 s.
    let nothing = api::GetSystemInfoRequest::default();
    let _: api::GetSystemInfoResponse = client.call("GetSystemInfo", &nothing, 5 * SECOND).await?;
    let namespace = "default".to_owned();
    let named =
        api::DescribeNamespaceRequest { namespace: namespace.clone(), ..Default::default() };
    let _: api::DescribeNamespaceResponse =
        client.call("DescribeNamespace", &named, 5 * SECOND).await?;
    // The other cluster's part, before the caller's deadline, and who is missing.
    let list = api::ListWorkflowExecutionsRequest { namespace, ..Default::default() };
    let (_, metadata) = client.call_with_metadata("ListWorkflowExecutions", &list).await?;
    let missing = metadata.get("panko-missing-clusters").and_then(|v| v.to_str().ok());
    ensure!(missing == Some("b"), "{metadata:?}");
    // The other cluster's workflows as ever; of those that it does not have nobody knows.
    ensure!(client.status(&on_a[0]).await? == Status::Running);
    let unknown = client.status(&on_a[1]).await.expect_err("it was never started");
    ensure!(unknown.code() == Code::Unavailable, "{unknown}");

    sandbox.hang_part("b", false)?;
    let worker = client.clone();
    let worker = tokio::spawn(async move { worker.work(QUEUE, 2).await });
    complete(&client, &[on_a[0].clone(), on_b[0].clone()]).await?;
    worker.abort();
    sandbox.stop_all().await;
    Ok(())
}
