//! The workflow that most checks talk to.

use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{SyncWorkflowContext, WorkflowContext, WorkflowContextView, WorkflowResult};

/// Counts up to a goal, by signals and updates, and returns where it got.
#[workflow]
#[derive(Default)]
pub struct Counter {
    total: i32,
}

#[workflow_methods]
impl Counter {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, goal: i32) -> WorkflowResult<i32> {
        ctx.wait_condition(|counter| counter.total >= goal).await?;
        Ok(ctx.state(|counter| counter.total))
    }

    #[signal]
    pub fn add(&mut self, _ctx: &mut SyncWorkflowContext<Self>, amount: i32) {
        self.total += amount;
    }

    #[query]
    pub fn total(&self, _ctx: &WorkflowContextView) -> i32 {
        self.total
    }

    #[update]
    pub fn add_and_tell(&mut self, _ctx: &mut SyncWorkflowContext<Self>, amount: i32) -> i32 {
        self.total += amount;
        self.total
    }

    #[update_validator(add_and_tell)]
    fn only_upwards(
        &self,
        _ctx: &WorkflowContextView,
        amount: &i32,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if *amount > 0 { Ok(()) } else { Err("only upwards".into()) }
    }

    /// Answers once the total is at least `total`.
    #[update]
    pub async fn tell_when(ctx: &mut WorkflowContext<Self>, total: i32) -> i32 {
        // A cancelled wait ends the workflow itself: nobody reads the answer then.
        let _ = ctx.wait_condition(|counter| counter.total >= total).await;
        ctx.state(|counter| counter.total)
    }
}
