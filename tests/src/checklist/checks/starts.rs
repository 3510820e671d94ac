//! Ways to start a workflow, and one way not to.

use anyhow::{Result, bail, ensure};
use temporalio_client::errors::WorkflowStartError;
use temporalio_client::{WorkflowIdConflictPolicy, WorkflowUpdateWithStartOptions};

use super::super::stage::{LIFETIME, Stage};
use super::super::workflows::{Counter, Job, OneActivity};

pub(super) async fn a_workflow_returns_its_result(stage: Stage) -> Result<()> {
    let handle = stage.start(OneActivity::run, Job::Greet).await?;
    let result = handle.get_result(Default::default()).await?;
    ensure!(result == "hello", "the result is {result:?}");
    Ok(())
}

pub(super) async fn a_second_start_is_refused_while_the_first_runs(stage: Stage) -> Result<()> {
    let first = stage.start(Counter::run, 1).await?;
    let again = stage.options(first.info().workflow_id.clone());
    match stage.client.start_workflow(Counter::run, 1, again).await {
        Ok(_) => bail!("a second run was started"),
        Err(WorkflowStartError::AlreadyStarted { run_id, .. }) => {
            ensure!(run_id.as_deref() == first.run_id(), "refused because of {run_id:?}");
        }
        Err(error) => return Err(error.into()),
    }
    first.signal(Counter::add, 1, Default::default()).await?;
    first.get_result(Default::default()).await?;
    Ok(())
}

pub(super) async fn signal_with_start_starts_and_then_signals(stage: Stage) -> Result<()> {
    let id = stage.id()?;
    let send = |amount| {
        let options = stage.options(id.clone());
        stage.client.signal_with_start_workflow(Counter::run, 5, Counter::add, amount, options)
    };
    let first = send(2).await?;
    let second = send(3).await?;
    ensure!(first.run_id() == second.run_id(), "the second call started another run");
    let total = first.get_result(Default::default()).await?;
    ensure!(total == 5, "the signals add up to {total}, not 5");
    Ok(())
}

pub(super) async fn update_with_start_starts_and_then_updates(stage: Stage) -> Result<()> {
    let id = stage.id()?;
    let send = |amount| {
        let options = WorkflowUpdateWithStartOptions::new(
            stage.task_queue.clone(),
            id.clone(),
            WorkflowIdConflictPolicy::UseExisting,
        )
        .execution_timeout(LIFETIME)
        .build();
        let update = Counter::add_and_tell;
        stage.client.execute_update_with_start_workflow(Counter::run, 5, update, amount, options)
    };
    let totals = (send(2).await?, send(3).await?);
    ensure!(totals == (2, 5), "the updates answered {totals:?}, not 2 and 5");
    let handle = stage.client.get_workflow_handle::<Counter>(id);
    handle.get_result(Default::default()).await?;
    Ok(())
}
