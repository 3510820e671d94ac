//! Ends that are not results, and ends that are not the end.

use anyhow::{Context, Result, bail, ensure};
use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::grpc::WorkflowService;
use temporalio_client::tonic::IntoRequest;
use temporalio_client::{NamespacedClient, WorkflowCancelOptions, WorkflowTerminateOptions};
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::enums::v1::EventType;
use temporalio_protos::temporal::api::workflowservice::v1::ResetWorkflowExecutionRequest;

use super::super::stage::Stage;
use super::super::workflows::{Chain, Counter};

pub(super) async fn cancel_ends_a_workflow_as_cancelled(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 1).await?;
    handle.cancel(WorkflowCancelOptions::builder().reason("as told").build()).await?;
    match handle.get_result(Default::default()).await {
        Err(WorkflowGetResultError::Cancelled { .. }) => Ok(()),
        other => bail!("it ended otherwise: {other:?}"),
    }
}

pub(super) async fn terminate_ends_a_workflow_at_once(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 1).await?;
    handle.terminate(WorkflowTerminateOptions::builder().reason("as told").build()).await?;
    match handle.get_result(Default::default()).await {
        Err(WorkflowGetResultError::Terminated { .. }) => Ok(()),
        other => bail!("it ended otherwise: {other:?}"),
    }
}

pub(super) async fn continue_as_new_goes_on_to_the_last_run(stage: Stage) -> Result<()> {
    let handle = stage.start(Chain::run, (1, 3)).await?;
    let run = handle.get_result(Default::default()).await?;
    ensure!(run == 3, "it ended in run {run}, not 3");
    Ok(())
}

pub(super) async fn reset_runs_a_closed_workflow_again(stage: Stage) -> Result<()> {
    let first = stage.start(Counter::run, 1).await?;
    first.signal(Counter::add, 1, Default::default()).await?;
    first.get_result(Default::default()).await?;
    let events = first.fetch_history(Default::default()).into_events().await?;
    let point = events
        .iter()
        .find(|event| event.event_type() == EventType::WorkflowTaskCompleted)
        .context("its history has no completed workflow task")?;

    // The SDK has no reset of its own.
    let id = first.info().workflow_id.clone();
    let mut client = stage.client.clone();
    let request = ResetWorkflowExecutionRequest {
        namespace: client.namespace(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: id.clone(),
            run_id: first.run_id().unwrap_or_default().to_owned(),
        }),
        reason: "as told".to_owned(),
        workflow_task_finish_event_id: point.event_id,
        request_id: format!("reset-{id}"),
        ..Default::default()
    };
    let reset = client.reset_workflow_execution(request.into_request()).await?.into_inner();

    let second = client.get_workflow_handle::<Counter>(id);
    let current = second.describe(Default::default()).await?;
    ensure!(current.run_id() == reset.run_id, "the current run is {}", current.run_id());
    ensure!(Some(current.run_id()) != first.run_id(), "the run is the same");
    // A reset applies the old run's signals again.
    let total = second.get_result(Default::default()).await?;
    ensure!(total == 1, "the new run counted {total}, not 1");
    Ok(())
}
