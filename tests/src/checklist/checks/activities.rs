//! Activities that the worker ends itself.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use temporalio_client::errors::WorkflowGetResultError;
use temporalio_client::{Client, WorkflowHandle};
use temporalio_common::HasWorkflowDefinition;
use temporalio_protos::temporal::api::enums::v1::EventType;

use super::super::activities::FAILURE;
use super::super::stage::Stage;
use super::super::workflows::{Job, Local, OneActivity};

pub(super) async fn a_local_activity_runs(stage: Stage) -> Result<()> {
    let handle = stage.start(Local::run, ()).await?;
    let result = handle.get_result(Default::default()).await?;
    ensure!(result == "hello", "the result is {result:?}");
    let events = handle.fetch_history(Default::default()).into_events().await?;
    let types: Vec<_> = events.iter().map(|event| event.event_type()).collect();
    ensure!(types.contains(&EventType::MarkerRecorded), "it was not local: {types:?}");
    Ok(())
}

pub(super) async fn a_failed_activity_is_tried_again(stage: Stage) -> Result<()> {
    let handle = stage.start(OneActivity::run, Job::FailOnce).await?;
    stage.expect_attempts(&handle.info().workflow_id, 2);
    let result = handle.get_result(Default::default()).await?;
    ensure!(result == "attempt 2", "the result is {result:?}");
    Ok(())
}

pub(super) async fn a_failed_activity_fails_its_workflow(stage: Stage) -> Result<()> {
    let handle = stage.start(OneActivity::run, Job::FailAlways).await?;
    match handle.get_result(Default::default()).await {
        Err(error @ WorkflowGetResultError::Failed(_)) => {
            let why = format!("{:#}", anyhow::Error::from(error));
            ensure!(why.contains(FAILURE), "it failed otherwise: {why}");
            Ok(())
        }
        other => bail!("it did not fail: {other:?}"),
    }
}

pub(super) async fn a_heartbeat_shows_how_far_an_activity_is(stage: Stage) -> Result<()> {
    let handle = stage.start(OneActivity::run, Job::Beat).await?;
    is_beating(&handle).await?;
    handle.signal(OneActivity::stop, (), Default::default()).await?;
    handle.get_result(Default::default()).await?;
    Ok(())
}

pub(super) async fn a_heartbeat_tells_an_activity_to_stop(stage: Stage) -> Result<()> {
    let handle = stage.start(OneActivity::run, Job::Beat).await?;
    // An activity that is cancelled before it starts never learns of it.
    is_beating(&handle).await?;
    handle.signal(OneActivity::stop, (), Default::default()).await?;
    let result = handle.get_result(Default::default()).await?;
    ensure!(result == "cancelled: told by heartbeat", "the result is {result:?}");
    Ok(())
}

/// Waits until describe shows the count that a heartbeat carried.
async fn is_beating<W: HasWorkflowDefinition>(handle: &WorkflowHandle<Client, W>) -> Result<()> {
    loop {
        let description = handle.describe(Default::default()).await?;
        let activity = description.raw().pending_activities.first();
        if let Some(details) = activity.and_then(|activity| activity.heartbeat_details.as_ref()) {
            let count = details.payloads.first().context("the heartbeat carries nothing")?;
            serde_json::from_slice::<u32>(&count.data).context("the heartbeat carries no count")?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
