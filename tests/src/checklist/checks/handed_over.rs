//! Activities that end by a call from elsewhere, which names a task token or ids.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::{ActivityIdentifier, AsyncActivityHandle, Client, WorkflowHandle};
use temporalio_common::error::ApplicationFailure;

use super::super::stage::Stage;
use super::super::workflows::{ACTIVITY_ID, Job, OneActivity};

enum By {
    Token,
    Id,
}

pub(super) async fn an_activity_is_completed_by_token(stage: Stage) -> Result<()> {
    complete(stage, By::Token).await
}

pub(super) async fn an_activity_is_completed_by_id(stage: Stage) -> Result<()> {
    complete(stage, By::Id).await
}

pub(super) async fn an_activity_is_failed_by_token(stage: Stage) -> Result<()> {
    fail(stage, By::Token).await
}

pub(super) async fn an_activity_is_failed_by_id(stage: Stage) -> Result<()> {
    fail(stage, By::Id).await
}

pub(super) async fn an_activity_is_kept_alive_by_token(stage: Stage) -> Result<()> {
    heartbeat(stage, By::Token).await
}

pub(super) async fn an_activity_is_kept_alive_by_id(stage: Stage) -> Result<()> {
    heartbeat(stage, By::Id).await
}

pub(super) async fn an_activity_is_cancelled_by_token(stage: Stage) -> Result<()> {
    cancel(stage, By::Token).await
}

pub(super) async fn an_activity_is_cancelled_by_id(stage: Stage) -> Result<()> {
    cancel(stage, By::Id).await
}

async fn complete(stage: Stage, by: By) -> Result<()> {
    let (workflow, activity) = hand_over(&stage, by).await?;
    activity.complete(Some("done elsewhere".to_owned()), Default::default()).await?;
    let result = workflow.get_result(Default::default()).await?;
    ensure!(result == "done elsewhere", "the result is {result:?}");
    Ok(())
}

async fn fail(stage: Stage, by: By) -> Result<()> {
    let (workflow, activity) = hand_over(&stage, by).await?;
    let failure = ApplicationFailure::non_retryable("failed elsewhere");
    activity.fail(failure, None::<String>, Default::default()).await?;
    match workflow.get_result(Default::default()).await {
        Err(error @ WorkflowGetResultError::Failed(_)) => {
            let why = format!("{:#}", anyhow::Error::from(error));
            ensure!(why.contains("failed elsewhere"), "it failed otherwise: {why}");
            Ok(())
        }
        other => bail!("it did not fail: {other:?}"),
    }
}

async fn heartbeat(stage: Stage, by: By) -> Result<()> {
    let (workflow, activity) = hand_over(&stage, by).await?;
    let answer = activity.heartbeat(Some("halfway".to_owned()), Default::default()).await?;
    ensure!(!answer.cancel_requested, "the heartbeat was told to stop");
    let description = workflow.describe(Default::default()).await?;
    let pending = description.raw().pending_activities.first().context("no activity is open")?;
    let details = pending.heartbeat_details.as_ref().and_then(|details| details.payloads.first());
    let details = details.context("the heartbeat carries nothing")?;
    ensure!(serde_json::from_slice::<String>(&details.data)? == "halfway", "it is {details:?}");
    activity.complete(Some(String::new()), Default::default()).await?;
    workflow.get_result(Default::default()).await?;
    Ok(())
}

async fn cancel(stage: Stage, by: By) -> Result<()> {
    let (workflow, activity) = hand_over(&stage, by).await?;
    workflow.signal(OneActivity::stop, (), Default::default()).await?;
    while !activity.heartbeat(None::<String>, Default::default()).await?.cancel_requested {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    activity.report_cancelation(Some("seen".to_owned()), Default::default()).await?;
    let result = workflow.get_result(Default::default()).await?;
    ensure!(result == "cancelled: seen", "the result is {result:?}");
    Ok(())
}

/// Starts a workflow whose activity waits for somebody to end it.
async fn hand_over(
    stage: &Stage,
    by: By,
) -> Result<(WorkflowHandle<Client, OneActivity>, AsyncActivityHandle<Client>)> {
    let id = stage.id()?;
    let token = stage.desk.expect(&id);
    let options = stage.options(id.clone());
    stage.client.start_workflow(OneActivity::run, Job::HandOver, options).await?;
    // Also when it is named by id: before, there is nothing to end.
    let token = token.await?;
    let activity = match by {
        By::Token => ActivityIdentifier::from_task_token(token.into()),
        By::Id => ActivityIdentifier::by_id_workflow(&id, "", ACTIVITY_ID),
    };
    let activity = stage.client.get_async_activity_handle(activity);
    Ok((stage.client.get_workflow_handle(id), activity))
}
