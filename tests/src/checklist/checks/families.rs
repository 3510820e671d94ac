//! What a workflow does by itself: children, timers, second tries.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_protos::temporal::api::enums::v1::EventType;

use super::super::stage::Stage;
use super::super::workflows::{Counter, Parent, Sleeper, Stumbler};

pub(super) async fn a_child_gives_its_result_to_its_parent(stage: Stage) -> Result<()> {
    let child = stage.id()?;
    a_child_counts_to_one(stage, child).await
}

/// Its id hashes to another cluster than its parent's, where it lives.
pub(super) async fn a_child_is_found_under_its_own_id(stage: Stage) -> Result<()> {
    let child = stage.stray_id()?;
    a_child_counts_to_one(stage, child).await
}

async fn a_child_counts_to_one(stage: Stage, id: String) -> Result<()> {
    let parent = stage.start(Parent::run, id.clone()).await?;
    let child = stage.client.get_workflow_handle::<Counter>(id);
    loop {
        match child.describe(Default::default()).await {
            Ok(_) => break,
            // The parent has not started it yet.
            Err(WorkflowInteractionError::NotFound(_)) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error).context("describe the child"),
        }
    }
    child.signal(Counter::add, 1, Default::default()).await?;
    let total = child.get_result(Default::default()).await?;
    ensure!(total == 1, "the child counted {total}, not 1");
    let total = parent.get_result(Default::default()).await?;
    ensure!(total == 1, "the parent was told {total}, not 1");
    Ok(())
}

pub(super) async fn a_timer_fires(stage: Stage) -> Result<()> {
    let since = Instant::now();
    let handle = stage.start(Sleeper::run, 500).await?;
    handle.get_result(Default::default()).await?;
    let slept = since.elapsed();
    ensure!(slept >= Duration::from_millis(500), "it fired after {slept:?}, not 500 ms");
    Ok(())
}

pub(super) async fn a_failed_workflow_task_is_tried_again(stage: Stage) -> Result<()> {
    let handle = stage.start(Stumbler::run, ()).await?;
    let result = handle.get_result(Default::default()).await?;
    ensure!(result == "got up", "the result is {result:?}");
    let events = handle.fetch_history(Default::default()).into_events().await?;
    let types: Vec<_> = events.iter().map(|event| event.event_type()).collect();
    ensure!(types.contains(&EventType::WorkflowTaskFailed), "no task failed: {types:?}");
    Ok(())
}
