//! The worker's workflows. What is less than a page stands here.

mod counter;
mod one_activity;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{
    ChildWorkflowOptions, ContinueAsNewOptions, LocalActivityOptions, WorkflowContext,
    WorkflowResult,
};

use super::activities::Activities;
use super::stage::LIFETIME;

pub(super) use counter::Counter;
pub(super) use one_activity::{ACTIVITY_ID, Job, OneActivity};

/// Runs an activity inside its own workflow task.
#[workflow]
#[derive(Default)]
pub struct Local;

#[workflow_methods]
impl Local {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<String> {
        let options = LocalActivityOptions::builder().start_to_close_timeout(LIFETIME).build();
        Ok(ctx.execute_local_activity(Activities::greet, (), options).await?)
    }
}

/// Sleeps as many milliseconds as it is told.
#[workflow]
#[derive(Default)]
pub struct Sleeper;

#[workflow_methods]
impl Sleeper {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, ms: u64) -> WorkflowResult<()> {
        ctx.timer(Duration::from_millis(ms)).await;
        Ok(())
    }
}

/// Starts a [`Counter`] with the goal 1 under the id that it is told, and returns its result.
#[workflow]
#[derive(Default)]
pub struct Parent;

#[workflow_methods]
impl Parent {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, child: String) -> WorkflowResult<i32> {
        let options = ChildWorkflowOptions::workflow_id(child);
        Ok(ctx.start_child_workflow(Counter::run, 1, options).await?.result().await?)
    }
}

/// Continues as new as often as it is told, then returns which run it is.
#[workflow]
#[derive(Default)]
pub struct Chain;

#[workflow_methods]
impl Chain {
    #[run]
    pub async fn run(
        ctx: &mut WorkflowContext<Self>,
        (run, last): (u32, u32),
    ) -> WorkflowResult<u32> {
        if run < last {
            ctx.continue_as_new((run + 1, last), ContinueAsNewOptions::default())?;
        }
        Ok(run)
    }
}

/// Fails its first workflow task, and completes in the second.
#[workflow]
#[derive(Default)]
pub struct Stumbler;

#[workflow_methods]
impl Stumbler {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<String> {
        // Knowledge from outside its history is what makes a workflow fail once and not for ever.
        static STUMBLED: Mutex<Option<HashSet<String>>> = Mutex::new(None);
        let mut stumbled = STUMBLED.lock().unwrap_or_else(PoisonError::into_inner);
        if stumbled.get_or_insert_default().insert(ctx.run_id().to_owned()) {
            ctx.force_task_fail("stumbling once, as told");
        }
        Ok("got up".to_owned())
    }
}
