//! The worker's activities, and the desk where one leaves its task token for somebody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use temporalio_macros::activities;
use temporalio_sdk::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::sync::oneshot;

/// Why [`Activities::fail_always`] fails.
pub(super) const FAILURE: &str = "failing as told";

pub struct Activities {
    pub(super) desk: Arc<Desk>,
}

#[activities]
impl Activities {
    #[activity]
    pub async fn greet(_ctx: ActivityContext) -> Result<String, ActivityError> {
        Ok("hello".to_owned())
    }

    /// Heartbeats how often it has done so, until a heartbeat's answer tells it to stop.
    #[activity]
    pub async fn beat(ctx: ActivityContext) -> Result<String, ActivityError> {
        for beats in 1u32.. {
            ctx.record_heartbeat(beats).await?;
            if tokio::time::timeout(Duration::from_millis(100), ctx.cancelled()).await.is_ok() {
                break;
            }
        }
        Err(ActivityError::cancelled_with_details("told by heartbeat".to_owned()))
    }

    #[activity]
    pub async fn fail_once(ctx: ActivityContext) -> Result<String, ActivityError> {
        match ctx.info().attempt {
            1 => Err(ApplicationFailure::new(FAILURE).into()),
            attempt => Ok(format!("attempt {attempt}")),
        }
    }

    #[activity]
    pub async fn fail_always(_ctx: ActivityContext) -> Result<String, ActivityError> {
        Err(ApplicationFailure::non_retryable(FAILURE).into())
    }

    /// Leaves its token on the desk; whoever waits there ends the activity.
    #[activity]
    pub async fn hand_over(self: Arc<Self>, ctx: ActivityContext) -> Result<String, ActivityError> {
        let info = ctx.info();
        self.desk.leave(info.workflow_id.as_deref().unwrap_or_default(), info.task_token.clone());
        Err(ActivityError::WillCompleteAsync)
    }
}

/// Task tokens on their way from an activity to the check that completes it.
#[derive(Default)]
pub(super) struct Desk(Mutex<HashMap<String, oneshot::Sender<Vec<u8>>>>);

impl Desk {
    /// The token of the activity that the workflow `id` is about to start.
    pub(super) fn expect(&self, id: &str) -> oneshot::Receiver<Vec<u8>> {
        let (leave, collect) = oneshot::channel();
        self.waiting().insert(id.to_owned(), leave);
        collect
    }

    fn leave(&self, id: &str, token: Vec<u8>) {
        if let Some(waiting) = self.waiting().remove(id) {
            // Its check may have given up.
            let _ = waiting.send(token);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
