//! Looking at a workflow from outside.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::{WorkflowExecutionStatus, WorkflowFetchHistoryOptions};
use temporalio_protos::temporal::api::enums::v1::EventType;
use temporalio_protos::temporal::api::history::v1::HistoryEvent;

use super::super::stage::Stage;
use super::super::workflows::Counter;

pub(super) async fn describe_shows_an_open_and_a_closed_workflow(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 1).await?;
    let open = handle.describe(Default::default()).await?;
    ensure!(open.status() == WorkflowExecutionStatus::Running, "open, but {:?}", open.status());
    ensure!(open.workflow_type() == "Counter", "it is a {:?}", open.workflow_type());
    ensure!(Some(open.run_id()) == handle.run_id(), "it is the run {}", open.run_id());

    handle.signal(Counter::add, 1, Default::default()).await?;
    handle.get_result(Default::default()).await?;
    let closed = handle.describe(Default::default()).await?;
    let status = closed.status();
    ensure!(status == WorkflowExecutionStatus::Completed, "closed, but {status:?}");
    Ok(())
}

pub(super) async fn an_id_that_does_not_exist_is_not_found(stage: Stage) -> Result<()> {
    let id = stage.unused_id()?;
    let handle = stage.client.get_workflow_handle::<Counter>(id.clone());
    match handle.describe(Default::default()).await {
        Ok(_) => bail!("it exists"),
        Err(WorkflowInteractionError::NotFound(status)) => {
            // Not the namespace, nor anything else that a router might miss.
            ensure!(status.message().contains(&id), "not found: {:?}", status.message());
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn a_closed_history_is_complete(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 1).await?;
    handle.signal(Counter::add, 1, Default::default()).await?;
    handle.get_result(Default::default()).await?;
    let history = handle.fetch_history(Default::default());
    is_complete(&history.into_events().await?)
}

pub(super) async fn an_open_history_can_be_followed(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 1).await?;
    let follow = WorkflowFetchHistoryOptions::builder().wait_new_event(true).build();
    let followed = handle.fetch_history(follow).into_events();
    let signalled = async {
        // By now the follower has read what there is, and waits.
        tokio::time::sleep(Duration::from_millis(500)).await;
        handle.signal(Counter::add, 1, Default::default()).await
    };
    let (events, signalled) = tokio::join!(followed, signalled);
    signalled?;
    is_complete(&events?)
}

/// Says whether these are all events of a [`Counter`] that one signal ended.
fn is_complete(events: &[HistoryEvent]) -> Result<()> {
    let types: Vec<_> = events.iter().map(HistoryEvent::event_type).collect();
    ensure!(
        events.iter().map(|event| event.event_id).eq(1..=events.len() as i64)
            && types.first() == Some(&EventType::WorkflowExecutionStarted)
            && types.contains(&EventType::WorkflowExecutionSignaled)
            && types.last() == Some(&EventType::WorkflowExecutionCompleted),
        "the history is {types:?}"
    );
    Ok(())
}
