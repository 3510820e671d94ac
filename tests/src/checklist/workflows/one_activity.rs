//! The workflow of all checks of activities.

use std::pin::pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use temporalio_common::{ActivityDefinition, RetryPolicy};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{
    ActivityCancellationType, ActivityOptions, SyncWorkflowContext, WorkflowContext,
    WorkflowResult, workflows,
};

use super::super::activities::Activities;
use super::super::stage::LIFETIME;

/// The activity id of [`OneActivity`]'s activity.
pub const ACTIVITY_ID: &str = "the-one";

/// How long [`Activities::beat`] may be silent. The SDK sends a heartbeat every 0.8 of this, however
/// often the activity asks for one, and learns of a cancellation from its answer.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Which activity [`OneActivity`] runs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Job {
    Greet,
    Beat,
    FailOnce,
    FailAlways,
    HandOver,
}

/// Runs one activity, cancels it when it is told to, and returns what came of it.
#[workflow]
#[derive(Default)]
pub struct OneActivity {
    told_to_stop: bool,
}

#[workflow_methods]
impl OneActivity {
    #[run]
    pub async fn run(ctx: &mut WorkflowContext<Self>, job: Job) -> WorkflowResult<String> {
        match job {
            Job::Greet => one_activity(ctx, Activities::greet, None).await,
            Job::Beat => one_activity(ctx, Activities::beat, Some(HEARTBEAT)).await,
            Job::FailOnce => one_activity(ctx, Activities::fail_once, None).await,
            Job::FailAlways => one_activity(ctx, Activities::fail_always, None).await,
            Job::HandOver => one_activity(ctx, Activities::hand_over, None).await,
        }
    }

    #[signal]
    pub fn stop(&mut self, _ctx: &mut SyncWorkflowContext<Self>) {
        self.told_to_stop = true;
    }
}

async fn one_activity<A>(
    ctx: &mut WorkflowContext<OneActivity>,
    activity: A,
    heartbeat: Option<Duration>,
) -> WorkflowResult<String>
where
    A: ActivityDefinition<Input = (), Output = String>,
{
    let cancellation = ctx.cancellation_token().child_token();
    let options = ActivityOptions::with_start_to_close_timeout(LIFETIME)
        .activity_id(ACTIVITY_ID.to_owned())
        .maybe_heartbeat_timeout(heartbeat)
        .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
        .cancellation_token(cancellation.clone())
        .retry_policy(RetryPolicy::builder().initial_interval(Duration::from_millis(100)).build())
        .build();
    let mut activity = pin!(ctx.execute_activity(activity, (), options));
    let outcome = workflows::select! {
        outcome = activity => outcome,
        _ = ctx.wait_condition(|me| me.told_to_stop) => {
            cancellation.cancel();
            activity.await
        }
    };
    match outcome {
        Ok(result) => Ok(result),
        Err(error) => match error.as_cancelled() {
            Some(cancelled) => {
                Ok(format!("cancelled: {}", cancelled.details::<String>()?.unwrap_or_default()))
            }
            None => Err(error.into()),
        },
    }
}
