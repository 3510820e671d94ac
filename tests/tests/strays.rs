//! What lives away from its slot's owner is found, and what lives nowhere is not: on real clusters.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::stream::{StreamExt, TryStreamExt};
use panko_control_server::dev::{Kind, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::http;
use panko_tests::sandbox::{homes, options, start, start_with};
use temporalio_protos::temporal::api::common::v1::{
    Payload, Payloads, WorkflowExecution, WorkflowType,
};
use temporalio_protos::temporal::api::enums::v1::{EventType, WorkflowExecutionStatus};
use temporalio_protos::temporal::api::schedule::v1 as schedule;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tonic::{Code, Status};

const WEIGHTS: [(&str, u32); 2] = [("a", 1), ("b", 1)];
const DEADLINE: Duration = Duration::from_secs(10);

/// Two clusters behind one address, and ids by the cluster that owns their slots.
struct Stage {
    sandbox: Sandbox,
    panko: Client,
    a: Client,
    b: Client,
    /// Ids whose slots belong to `a`.
    ids: std::vec::IntoIter<String>,
}

impl Stage {
    async fn new(kind: Kind) -> Result<Self> {
        Self::on(start(kind, &WEIGHTS).await?)
    }

    fn on(sandbox: Sandbox) -> Result<Self> {
        let addresses = sandbox.addresses();
        let panko = Client::new(addresses.address)?;
        let (a, b) = (
            Client::new(addresses.clusters[0].address)?,
            Client::new(addresses.clusters[1].address)?,
        );
        let ids = homes("stray", 60, &WEIGHTS).remove("a").context("ids of a")?.into_iter();
        Ok(Self { sandbox, panko, a, b, ids })
    }

    fn id(&mut self) -> String {
        self.ids.next().expect("more ids")
    }

    /// A workflow that is open on `b` under an id of `a`'s. A cluster starts children of its own like that.
    async fn stray(&mut self) -> Result<(String, String)> {
        let id = self.id();
        let run = self.b.start(&id, "nobody-polls").await?;
        Ok((id, run))
    }

    async fn metric(&self, name: &str) -> Result<f64> {
        let metrics =
            http::get(self.sandbox.addresses().control_servers[0].http, "/metrics").await?;
        Ok(http::sum(&metrics, name))
    }
}

fn execution(id: &str, run: &str) -> Option<WorkflowExecution> {
    Some(WorkflowExecution { workflow_id: id.to_owned(), run_id: run.to_owned() })
}

async fn signal(client: &Client, id: &str, run: &str, bytes: usize) -> Result<(), Status> {
    let payload = Payload { data: vec![b'x'; bytes], ..Default::default() };
    let request = api::SignalWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution(id, run),
        signal_name: "seen".to_owned(),
        input: Some(Payloads { payloads: vec![payload] }),
        ..Default::default()
    };
    let _: api::SignalWorkflowExecutionResponse =
        client.call("SignalWorkflowExecution", &request, DEADLINE).await?;
    Ok(())
}

async fn terminate(client: &Client, id: &str) -> Result<(), Status> {
    let request = api::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution(id, ""),
        ..Default::default()
    };
    let _: api::TerminateWorkflowExecutionResponse =
        client.call("TerminateWorkflowExecution", &request, DEADLINE).await?;
    Ok(())
}

async fn describe(
    client: &Client,
    id: &str,
    run: &str,
) -> Result<api::DescribeWorkflowExecutionResponse, Status> {
    let request = api::DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: execution(id, run),
    };
    client.call("DescribeWorkflowExecution", &request, DEADLINE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn strays_are_found_on_server_1_29() -> Result<()> {
    strays_are_found(Kind::Cli).await
}

#[tokio::test(flavor = "multi_thread")]
async fn strays_are_found_on_server_1_32() -> Result<()> {
    strays_are_found(Kind::Server).await
}

async fn strays_are_found(kind: Kind) -> Result<()> {
    let mut stage = Stage::new(kind).await?;
    by_every_call(&mut stage).await?;
    an_open_run_goes_before_a_closed_one(&mut stage).await?;
    nowhere_is_what_the_owner_says(&mut stage).await?;
    scheduled_runs_are_found(&mut stage).await?;
    a_flood_of_nowhere_is_bounded(&mut stage).await?;
    while_something_is_down(stage).await
}

/// With the run id and without, also by a large request.
async fn by_every_call(stage: &mut Stage) -> Result<()> {
    let (id, run) = stage.stray().await?;
    for asked in ["", &run] {
        let answer = describe(&stage.panko, &id, asked).await?;
        let info = answer.workflow_execution_info.context("info")?;
        ensure!(info.execution.context("execution")?.run_id == run, "another run");
    }
    signal(&stage.panko, &id, "", 10).await?;
    signal(&stage.panko, &id, &run, 1_900_000).await?;
    let events = stage.panko.events(&id).await?;
    let signals = events.iter().filter(|e| **e == EventType::WorkflowExecutionSignaled).count();
    ensure!(signals == 2, "each signal once: {events:?}");
    let reset = api::ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: execution(&id, &run),
        workflow_task_finish_event_id: 3,
        request_id: "reset".to_owned(),
        ..Default::default()
    };
    let direct: Result<api::ResetWorkflowExecutionResponse, Status> =
        stage.b.call("ResetWorkflowExecution", &reset, DEADLINE).await;
    let through: Result<api::ResetWorkflowExecutionResponse, Status> =
        stage.panko.call("ResetWorkflowExecution", &reset, DEADLINE).await;
    let (direct, through) = (direct.map_err(|e| e.code()), through.map_err(|e| e.code()));
    ensure!(direct.is_ok() == through.is_ok() && direct.err() == through.err(), "reset");
    terminate(&stage.panko, &id).await?;
    let status = stage.panko.status(&id).await?;
    ensure!(status == WorkflowExecutionStatus::Terminated, "{status:?}");
    ensure!(describe(&stage.a, &id, "").await.is_err(), "it is on its id's owner now");
    Ok(())
}

async fn an_open_run_goes_before_a_closed_one(stage: &mut Stage) -> Result<()> {
    let id = stage.id();
    stage.panko.start(&id, "nobody-polls").await?;
    terminate(&stage.panko, &id).await?;
    stage.b.start(&id, "nobody-polls").await?;
    signal(&stage.panko, &id, "", 1).await?;
    let events = stage.b.events(&id).await?;
    ensure!(events.contains(&EventType::WorkflowExecutionSignaled), "{events:?}");
    terminate(&stage.panko, &id).await?;
    let status = stage.b.status(&id).await?;
    ensure!(status == WorkflowExecutionStatus::Terminated, "{status:?}");
    Ok(())
}

async fn nowhere_is_what_the_owner_says(stage: &mut Stage) -> Result<()> {
    let id = stage.id();
    let run = "11111111-2222-4333-8444-555555555555";
    for run in ["", run] {
        let through = describe(&stage.panko, &id, run).await.expect_err("it is nowhere");
        let direct = describe(&stage.a, &id, run).await.expect_err("it is nowhere");
        ensure!(through.code() == direct.code(), "{through:?}");
        ensure!(through.message() == direct.message(), "{through:?}, not {direct:?}");
        ensure!(through.details() == direct.details(), "{through:?}, not {direct:?}");
    }
    Ok(())
}

/// A schedule lives with its own key's owner; the runs that it starts have ids of their own.
async fn scheduled_runs_are_found(stage: &mut Stage) -> Result<()> {
    for n in 0..4 {
        let workflow = NewWorkflowExecutionInfo {
            workflow_id: format!("scheduled-{n}"),
            workflow_type: Some(WorkflowType { name: "bare".to_owned() }),
            task_queue: Some(TaskQueue { name: "nobody-polls".to_owned(), ..Default::default() }),
            ..Default::default()
        };
        let action = schedule::schedule_action::Action::StartWorkflow(workflow);
        let trigger = schedule::TriggerImmediatelyRequest::default();
        let request = api::CreateScheduleRequest {
            namespace: "default".to_owned(),
            schedule_id: format!("schedule-{n}"),
            schedule: Some(schedule::Schedule {
                spec: Some(schedule::ScheduleSpec::default()),
                action: Some(schedule::ScheduleAction { action: Some(action) }),
                ..Default::default()
            }),
            initial_patch: Some(schedule::SchedulePatch {
                trigger_immediately: Some(trigger),
                ..Default::default()
            }),
            request_id: format!("create {n}"),
            ..Default::default()
        };
        let _: api::CreateScheduleResponse =
            stage.panko.call("CreateSchedule", &request, DEADLINE).await?;
        let asked = api::DescribeScheduleRequest {
            namespace: "default".to_owned(),
            schedule_id: format!("schedule-{n}"),
        };
        let mut started = String::new();
        until("the scheduled run", Duration::from_secs(20), async || {
            let answer: Result<api::DescribeScheduleResponse, Status> =
                stage.panko.call("DescribeSchedule", &asked, DEADLINE).await;
            let info = answer.ok().and_then(|answer| answer.info).unwrap_or_default();
            let recent = info.recent_actions.into_iter().find_map(|a| a.start_workflow_result);
            started = recent.map(|execution| execution.workflow_id).unwrap_or_default();
            !started.is_empty()
        })
        .await?;
        let status = stage.panko.status(&started).await.context(started)?;
        ensure!(status == WorkflowExecutionStatus::Running, "{status:?}");
    }
    Ok(())
}

/// Each id that is nowhere costs one question to each other member; the same one again costs none for a
/// moment.
async fn a_flood_of_nowhere_is_bounded(stage: &mut Stage) -> Result<()> {
    const CALLS: usize = 1_000;
    let before = stage.metric("panko_looks_total").await?;
    let panko = &stage.panko;
    let ask = |id: String| async move {
        match describe(panko, &id, "").await {
            Err(status) if status.code() == Code::NotFound => Ok(()),
            other => anyhow::bail!("{other:?}"),
        }
    };
    futures::stream::iter((0..CALLS).map(|n| ask(format!("nowhere-{n}"))))
        .buffer_unordered(64)
        .try_collect::<Vec<_>>()
        .await?;
    let other = stage.metric("panko_looks_total").await?;
    futures::stream::iter((0..CALLS).map(|_| ask("nowhere".to_owned())))
        .buffer_unordered(64)
        .try_collect::<Vec<_>>()
        .await?;
    let same = stage.metric("panko_looks_total").await?;
    println!(
        "{CALLS} calls for as many ids that are nowhere: {} looks; for one such id: {}",
        other - before,
        same - other
    );
    ensure!(other - before <= CALLS as f64, "more looks than ids: {}", other - before);
    ensure!(same - other <= CALLS as f64 / 10.0, "an id is looked for {} times", same - other);
    Ok(())
}

/// A NOT_FOUND that might be false is none.
async fn while_something_is_down(mut stage: Stage) -> Result<()> {
    let (stray, run) = stage.stray().await?;
    let (own, nowhere) = (stage.id(), stage.id());
    stage.panko.start(&own, "nobody-polls").await?;
    describe(&stage.panko, &stray, &run).await?;

    stage.sandbox.stop_part("b").await?;
    let status = describe(&stage.panko, &nowhere, "").await.expect_err("b is down");
    ensure!(status.code() == Code::Unavailable, "{status:?}");
    ensure!(status.message().contains("cluster b"), "{status:?}");
    let status = describe(&stage.panko, &stray, &run).await.expect_err("b is down");
    ensure!(status.code() == Code::Unavailable, "{status:?}");
    describe(&stage.panko, &own, "").await?;

    stage.sandbox.stop_part("control-server").await?;
    describe(&stage.panko, &own, "").await.context("the owner has it, so nobody else is asked")?;
    let status = describe(&stage.panko, &nowhere, "").await.expect_err("nobody can look");
    ensure!(status.code() == Code::Unavailable, "{status:?}");

    stage.sandbox.stop_part("a").await?;
    let status = describe(&stage.panko, &own, "").await.expect_err("a is down");
    ensure!(status.code() == Code::Unavailable, "{status:?}");
    stage.sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_looks_first_sees_what_is_open_elsewhere() -> Result<()> {
    let mut options = options(Kind::Cli, &WEIGHTS)?;
    options.locate_before_start = true;
    let mut stage = Stage::on(start_with(&options).await?)?;
    let (id, _) = stage.stray().await?;
    let status = start_as(&stage.panko, &id, "a caller").await.expect_err("it is open on b");
    ensure!(status.code() == Code::AlreadyExists, "{status:?}");
    ensure!(describe(&stage.a, &id, "").await.is_err(), "it was started on a as well");

    // Many at once, of an id that is nowhere: one of them starts it, on its owner.
    let id = &stage.id();
    let starts = (0..20).map(|n| {
        let panko = &stage.panko;
        async move { start_as(panko, id, &format!("caller {n}")).await.map_err(|e| e.code()) }
    });
    let answers = futures::future::join_all(starts).await;
    ensure!(answers.iter().filter(|answer| answer.is_ok()).count() == 1, "{answers:?}");
    ensure!(describe(&stage.b, id, "").await.is_err(), "it was started on b");
    stage.sandbox.stop_all().await;
    Ok(())
}

/// A start with a request id of its own, so that it is no repetition of another one.
async fn start_as(client: &Client, id: &str, request_id: &str) -> Result<(), Status> {
    let request = api::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "bare".to_owned() }),
        task_queue: Some(TaskQueue { name: "nobody-polls".to_owned(), ..Default::default() }),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    let _: api::StartWorkflowExecutionResponse =
        client.call("StartWorkflowExecution", &request, DEADLINE).await?;
    Ok(())
}
