//! The one worker, with the SDK's defaults.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::activities::Activities;
use super::report::{ALL, Row, within};
use super::stage::Stage;
use super::workflows::{Chain, Counter, Local, OneActivity, Parent, Sleeper, Stumbler};

/// How long the worker may take to end once it is told to.
const GOODBYE: Duration = Duration::from_secs(30);

pub(super) struct Running {
    stop: Box<dyn Fn() + Send>,
    done: oneshot::Receiver<Result<()>>,
}

/// Starts the worker on the stage's task queue.
pub(super) fn start(stage: &Stage) -> Result<Running> {
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let options = WorkerOptions::new(stage.task_queue.clone())
        .register_activities(Activities { desk: stage.desk.clone() })
        .register_workflow::<Chain>()?
        .register_workflow::<Counter>()?
        .register_workflow::<Local>()?
        .register_workflow::<OneActivity>()?
        .register_workflow::<Parent>()?
        .register_workflow::<Sleeper>()?
        .register_workflow::<Stumbler>()?
        .build();
    let mut worker = Worker::new(&runtime, stage.client.clone(), options)?;
    let stop = Box::new(worker.shutdown_handle());
    // Its future is not `Send`, so it gets a thread of its own. A blocking task of tokio would do,
    // but a worker that does not end would then keep the whole process from ending.
    let tokio = Handle::current();
    let (end, done) = oneshot::channel();
    std::thread::spawn(move || {
        // The SDK's runtime ends with the worker, not before.
        let _runtime = runtime;
        let ended = tokio.block_on(worker.run()).context("the worker");
        // Nobody listens when the run was given up.
        let _ = end.send(ended);
    });
    Ok(Running { stop, done })
}

impl Running {
    /// Waits until the worker ends by itself, which it should not.
    pub(super) async fn ended(&mut self) -> Result<()> {
        (&mut self.done).await?
    }

    /// Ends the worker, as a deployment of users would.
    pub(super) async fn stop(mut self) -> Row {
        let since = Instant::now();
        (self.stop)();
        let outcome = within(GOODBYE, self.ended()).await;
        Row::new("the_worker_ends_when_told_to", ALL, since, outcome)
    }
}
