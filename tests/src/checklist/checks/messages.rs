//! Signals, queries and updates.

use anyhow::{Result, bail, ensure};
use temporalio_client::errors::WorkflowUpdateError;

use super::super::stage::Stage;
use super::super::workflows::Counter;

pub(super) async fn a_signal_arrives(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 5).await?;
    for amount in [1, 4] {
        handle.signal(Counter::add, amount, Default::default()).await?;
    }
    let total = handle.get_result(Default::default()).await?;
    ensure!(total == 5, "the signals add up to {total}, not 5");
    Ok(())
}

pub(super) async fn a_query_is_answered_by_an_open_workflow(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 6).await?;
    for (amount, expected) in [(2, 2), (3, 5)] {
        handle.signal(Counter::add, amount, Default::default()).await?;
        let total = handle.query(Counter::total, (), Default::default()).await?;
        ensure!(total == expected, "the query answered {total}, not {expected}");
    }
    handle.signal(Counter::add, 1, Default::default()).await?;
    handle.get_result(Default::default()).await?;
    Ok(())
}

pub(super) async fn a_query_is_answered_by_a_closed_workflow(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 1).await?;
    handle.signal(Counter::add, 1, Default::default()).await?;
    handle.get_result(Default::default()).await?;
    let total = handle.query(Counter::total, (), Default::default()).await?;
    ensure!(total == 1, "the query answered {total}, not 1");
    Ok(())
}

pub(super) async fn an_update_returns_its_value(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 5).await?;
    for (amount, expected) in [(2, 2), (3, 5)] {
        let update = Counter::add_and_tell;
        let total = handle.execute_update(update, amount, Default::default()).await?;
        ensure!(total == expected, "the update answered {total}, not {expected}");
    }
    handle.get_result(Default::default()).await?;
    Ok(())
}

pub(super) async fn an_update_is_rejected_by_its_validator(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 1).await?;
    match handle.execute_update(Counter::add_and_tell, -1, Default::default()).await {
        Ok(total) => bail!("the update was taken and answered {total}"),
        Err(WorkflowUpdateError::Failed(failure)) => {
            let message = failure.message;
            ensure!(message.contains("only upwards"), "the update failed with {message:?}");
        }
        Err(error) => return Err(error.into()),
    }
    handle.signal(Counter::add, 1, Default::default()).await?;
    handle.get_result(Default::default()).await?;
    Ok(())
}

pub(super) async fn an_accepted_update_can_be_waited_for(stage: Stage) -> Result<()> {
    let handle = stage.start(Counter::run, 5).await?;
    let update = handle.start_update(Counter::tell_when, 3, Default::default()).await?;
    let (total, signalled) = tokio::join!(
        update.get_result(Default::default()),
        handle.signal(Counter::add, 3, Default::default()),
    );
    signalled?;
    let total = total?;
    ensure!(total == 3, "the update answered {total}, not 3");
    handle.signal(Counter::add, 2, Default::default()).await?;
    handle.get_result(Default::default()).await?;
    Ok(())
}
