//! Slots change owners while clients and workers go on: no call fails, nothing that exists is not found, and no
//! id is open on two clusters, by the clusters' own records. What happens when something fails meanwhile is in
//! `faults.rs`.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Options, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::moves::{Clients, records};
use panko_tests::operator::Operator;
use panko_tests::sandbox::{homes, options, start_with};
use serde_json::Value;
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tonic::Code;

const SECOND: Duration = Duration::from_secs(1);

/// Three members, of which the third has nothing yet.
async fn sandbox(kind: Kind) -> Result<Sandbox> {
    let three = options(kind, &[("a", 1), ("b", 1), ("c", 0)])?;
    start_with(&Options { clusters: 3, ..three }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_slots_move_on_server_1_29() -> Result<()> {
    nobody_notices(Kind::Cli).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_slots_move_on_server_1_32() -> Result<()> {
    nobody_notices(Kind::Server).await
}

async fn nobody_notices(kind: Kind) -> Result<()> {
    let mut sandbox = sandbox(kind).await?;
    let operator = Operator::of(&sandbox)?;
    let mut clients = Clients::start(sandbox.addresses().address).await?;
    tokio::time::sleep(4 * SECOND).await;

    clients.during("a third member joins").await?;
    operator.run(&["weight", "c", "1"]).await?;
    ensure!(operator.owned().await? == [1366, 1365, 1365], "{:?}", operator.owned().await?);
    tokio::time::sleep(2 * SECOND).await;

    clients.during("the first is drained").await?;
    operator.run(&["drain", "a", "--why", "a test"]).await?;
    ensure!(operator.owned().await? == [0, 2048, 2048], "{:?}", operator.owned().await?);
    tokio::time::sleep(2 * SECOND).await;

    clients.during("that is reversed").await?;
    operator.run(&["reverse"]).await?;
    ensure!(operator.owned().await? == [1366, 1365, 1365], "{:?}", operator.owned().await?);
    tokio::time::sleep(2 * SECOND).await;

    clients.during("the control server is killed half-way").await?;
    // Without its Envoy the handover is still under way when that happens.
    sandbox.hang_part("envoy", true)?;
    operator.run(&["move", "--from", "b", "--to", "c", "--slots", "500", "--no-wait"]).await?;
    sandbox.kill_part("control-server").await?;
    let killed = SystemTime::now();
    sandbox.hang_part("envoy", false)?;
    sandbox.start_part("control-server").await?;
    until("the handover is completed", 30 * SECOND, async || {
        operator.owned().await.is_ok_and(|owned| owned == [1366, 865, 1865])
    })
    .await?;
    ensure!(operator.completed_after(killed).await?, "it was completed before the kill");
    tokio::time::sleep(2 * SECOND).await;

    let ids = clients.stop().await?;
    records::check(sandbox.addresses(), &ids).await?;
    let verified = operator.run(&["verify"]).await?;
    ensure!(
        verified["open"].as_u64() > Some(0) && verified["duplicates_in_all"] == 0,
        "{verified}"
    );
    let history = operator.run(&["history"]).await?;
    ensure!(history.to_string().contains("a is drained"), "{history}");
    an_id_that_is_open_twice_is_named(&sandbox, &operator).await?;
    sandbox.stop_all().await;
    Ok(())
}

/// What clusters are told past Panko breaks the promise, and is seen.
async fn an_id_that_is_open_twice_is_named(sandbox: &Sandbox, operator: &Operator) -> Result<()> {
    for cluster in &sandbox.addresses().clusters[..2] {
        Client::new(cluster.address)?.start("twice", "nobody-polls").await?;
    }
    until("it is named", 30 * SECOND, async || {
        // It fails as soon as there is one, and says so on standard output all the same.
        operator.run(&["verify"]).await.is_err_and(|error| error.to_string().contains("several"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_that_cannot_be_reached_holds_up_the_change_and_no_call() -> Result<()> {
    let mut sandbox = sandbox(Kind::Cli).await?;
    let operator = Operator::of(&sandbox)?;
    let client = Client::new(sandbox.addresses().address)?;
    let ids = homes("held", 20, &[("a", 1), ("b", 1)]);
    client.start(&ids["a"][0], "held").await?;
    sandbox.hang_part("envoy", true)?;
    operator.run(&["drain", "a", "--no-wait"]).await?;
    tokio::time::sleep(2 * SECOND).await;
    let placement = operator.run(&["status", "placement"]).await?;
    ensure!(placement["handover"] != 0 && placement["members"][0]["owned"] == 2048, "{placement}");
    ensure!(placement["waits_for"].to_string().contains("envoy-1"), "{placement}");
    operator.run(&["cancel"]).await?;
    ensure!(operator.run(&["cancel"]).await.is_err(), "there is nothing to cancel any more");

    // It is forgotten though it lives: what that risks is said, and asked for twice.
    operator.run(&["filters", "--forget", "envoy-1"]).await?;
    operator.run(&["drain", "a"]).await?;
    ensure!(operator.owned().await? == [0, 4096, 0], "{:?}", operator.owned().await?);
    sandbox.hang_part("envoy", false)?;
    until("it routes by the new placement", 30 * SECOND, async || {
        let located = operator.run(&["explain", "--workflow-id", &ids["a"][0]]).await;
        located.is_ok_and(|told| told["owner"] == "b" && told["members"][0]["says"] == "open")
    })
    .await?;
    // What lives at the former owner is found there, and cannot be started anew.
    let status = client.status(&ids["a"][0]).await?;
    ensure!(
        status == temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus::Running
    );
    let again = client.start_as(&ids["a"][0], "held", "another request").await;
    let again = again.expect_err("it is open at the former owner");
    ensure!(again.code() == Code::AlreadyExists, "{again}");
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_restarts_at_once_and_the_store_knows_everything() -> Result<()> {
    let mut sandbox = sandbox(Kind::Cli).await?;
    let operator = Operator::of(&sandbox)?;
    operator.run(&["weight", "c", "2"]).await?;
    operator.run(&["cordon", "b"]).await?;
    let client = Client::new(sandbox.addresses().address)?;
    for id in ["id-1", "id-2"] {
        client.start(id, "nobody-polls").await?;
    }
    let file = tempfile::NamedTempFile::new()?;
    let ids: Vec<String> = (0..10_000).map(|n| format!("id-{n}")).collect();
    std::fs::write(file.path(), ids.join("\n"))?;
    let file = file.path().to_str().context("a path")?;
    let by_placement =
        async || operator.run(&["explain", "--workflow-id-file", file, "--no-look"]).await;
    let by_clusters = async || {
        let ids = ["explain", "--workflow-id", "id-1", "--workflow-id", "id-2"];
        let mut told = operator.run(&ids).await?;
        // Those of the Envoy that has ended are there, too, for a while.
        for one in told.as_array_mut().into_iter().flatten() {
            one.as_object_mut().map(|fields| fields.remove("filters"));
        }
        anyhow::Ok(told)
    };
    let before = (by_placement().await?, by_clusters().await?);
    let placement = operator.run(&["status", "placement"]).await?;
    for part in ["envoy", "control-server", "a", "b", "c"] {
        sandbox.kill_part(part).await?;
    }
    sandbox.start_all().await?;
    let after = (by_placement().await?, by_clusters().await?);
    ensure!(before == after, "not all ids are where they were: {:?}\n{:?}", before.1, after.1);
    let of_all = before.0.as_array().context("a list")?;
    ensure!(of_all.len() == ids.len(), "{} answers", of_all.len());
    ensure!(of_all.iter().zip(&ids).all(|(told, id)| told["id"] == **id), "in their order");
    let found = |told: &Value| told["members"].to_string().matches("open").count() == 1;
    ensure!(after.1.as_array().context("a list")?.iter().all(found), "{}", after.1);
    let again = operator.run(&["status", "placement"]).await?;
    ensure!(again["members"] == placement["members"], "{placement}\n{again}");
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_member_is_a_former_owner_until_it_is_empty() -> Result<()> {
    let two = options(Kind::Cli, &[("a", 1), ("b", 1)])?;
    let mut sandbox = start_with(&Options { scan_every_seconds: 1, ..two }).await?;
    let operator = Operator::of(&sandbox)?;
    let client = Client::new(sandbox.addresses().address)?;
    let ids = homes("drained", 20, &[("a", 1), ("b", 1)]);
    let id = &ids["a"][0];
    client.start(id, "drained").await?;
    operator.run(&["drain", "a"]).await?;
    let former = async || {
        let placement = operator.run(&["status", "placement"]).await?;
        placement["members"][0]["former"].as_u64().context("former")
    };
    until("all slots but that of the workflow are released", 30 * SECOND, async || {
        former().await.is_ok_and(|former| former == 1)
    })
    .await?;
    // It stays, and a start of it is sent there, for as long as it runs.
    tokio::time::sleep(4 * SECOND).await;
    ensure!(former().await? == 1, "it still runs there");
    ensure!(client.start_as(id, "drained", "again").await.is_err(), "it is open");
    client.delete(id).await?;
    until("the last slot is released", 30 * SECOND, async || {
        former().await.is_ok_and(|former| former == 0)
    })
    .await?;
    // Now it starts at the new owner, by itself.
    client.start(id, "drained").await?;
    let told = operator.run(&["explain", "--workflow-id", id]).await?;
    ensure!(told["members"][1]["says"] == "open", "{told}");
    ensure!(told["starts"] == "straight to b", "{told}");
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_runs_the_open_one_is_meant_and_is_opened_no_second_time() -> Result<()> {
    let two = options(Kind::Cli, &[("a", 1), ("b", 1)])?;
    let mut sandbox = start_with(&two).await?;
    let operator = Operator::of(&sandbox)?;
    let client = Client::new(sandbox.addresses().address)?;
    let ids = homes("several", 20, &[("a", 1), ("b", 1)]);
    let id = &ids["a"][0];
    let terminate = api::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: id.clone(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let end = async || {
        let ended: Result<api::TerminateWorkflowExecutionResponse, _> =
            client.call("TerminateWorkflowExecution", &terminate, 10 * SECOND).await;
        ended
    };
    let closed = client.start_as(id, "several", "the first").await?;
    end().await?;
    operator.run(&["drain", "a"]).await?;
    let open = client.start_as(id, "several", "the second").await?;
    let told = operator.run(&["explain", "--workflow-id", id]).await?;
    ensure!(
        told["members"][0]["says"] == "closed" && told["members"][1]["says"] == "open",
        "{told}"
    );
    operator.run(&["reverse"]).await?;

    // Its owner has the closed run again, and a former owner the open one.
    let told = operator.run(&["explain", "--workflow-id", id]).await?;
    ensure!(told["owner"] == "a", "{told}");
    until("filters know", 10 * SECOND, async || {
        let described: Result<api::DescribeWorkflowExecutionResponse, _> = client
            .call(
                "DescribeWorkflowExecution",
                &api::DescribeWorkflowExecutionRequest {
                    namespace: "default".to_owned(),
                    execution: terminate.workflow_execution.clone(),
                },
                10 * SECOND,
            )
            .await;
        described.is_ok_and(|described| {
            let info = described.workflow_execution_info.unwrap_or_default();
            info.execution.unwrap_or_default().run_id == open
        })
    })
    .await?;
    ensure!(
        client.events(id).await?.len() == 2,
        "the history of the open run: started, and a task"
    );
    let reset = api::ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution { workflow_id: id.clone(), run_id: closed }),
        workflow_task_finish_event_id: 3,
        request_id: "reset".to_owned(),
        reason: "a test".to_owned(),
        ..Default::default()
    };
    let opened: Result<api::ResetWorkflowExecutionResponse, _> =
        client.call("ResetWorkflowExecution", &reset, 10 * SECOND).await;
    let refused = opened.err().context("it is open elsewhere")?;
    ensure!(refused.code() == Code::FailedPrecondition, "{refused}");
    ensure!(client.start_as(id, "several", "the third").await.is_err(), "it is open");
    let batch = api::StartBatchOperationRequest {
        namespace: "default".to_owned(),
        job_id: "resets".to_owned(),
        visibility_query: "WorkflowType = 'bare'".to_owned(),
        reason: "a test".to_owned(),
        operation: Some(api::start_batch_operation_request::Operation::ResetOperation(
            Default::default(),
        )),
        ..Default::default()
    };
    let batch: Result<api::StartBatchOperationResponse, _> =
        client.call("StartBatchOperation", &batch, 10 * SECOND).await;
    let refused = batch.err().context("a slot has a former owner")?;
    ensure!(refused.code() == Code::FailedPrecondition, "{refused}");

    end().await?;
    ensure!(end().await.is_err(), "nothing is open any more");
    client.start_as(id, "several", "the fourth").await?;
    let told = operator.run(&["explain", "--workflow-id", id]).await?;
    ensure!(
        told["members"][0]["says"] == "open" && told["members"][1]["says"] == "closed",
        "{told}"
    );
    sandbox.stop_all().await;
    Ok(())
}
