//! A worker, as a process of its own.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::options::{Options, Sdk};
use crate::script;

/// How long a worker may take until it polls, on a machine that is busy with a load.
const START: Duration = Duration::from_secs(60);
/// How long a worker may take to end when it is told to: it waits for its activities, and some SDKs
/// for their polls.
const END: Duration = Duration::from_secs(90);

/// How a worker differs from its SDK's defaults. 0 leaves a choice to the SDK.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shape {
    /// Activities at the same time.
    pub activity_slots: u32,
    pub activity_pollers: u32,
    /// With 1 there is no sticky queue: SDKs want a second poller for it.
    pub workflow_pollers: u32,
}

/// What all workers of a turn have in common.
#[derive(Debug, Clone)]
pub struct Job {
    pub sdk: Sdk,
    pub address: String,
    pub task_queue: String,
    pub shape: Shape,
    /// The share of activities that are forgotten, in percent.
    pub forget: f64,
    /// For their logs.
    pub folder: PathBuf,
}

/// A running worker. It ends with the value.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    log: PathBuf,
    /// Held apart, since waiting for a child closes the one that it has.
    _stdin: Option<ChildStdin>,
}

impl Worker {
    /// Starts a worker under a name that nobody had before, and waits until it polls.
    pub async fn start(options: &Options, job: &Job, name: &str) -> Result<Self> {
        let log = job.folder.join(format!("{name}.log"));
        let ready = job.folder.join(format!("{name}.ready"));
        // In a folder that is kept, it may be an earlier run's.
        if ready.exists() {
            std::fs::remove_file(&ready)?;
        }
        let mut command = program(options, job.sdk);
        command.args(["--address", &job.address, "--task-queue", &job.task_queue]);
        command.args(["--identity", name]).arg("--ready").arg(&ready);
        for (option, value) in [
            ("--activity-slots", job.shape.activity_slots),
            ("--activity-pollers", job.shape.activity_pollers),
            ("--workflow-pollers", job.shape.workflow_pollers),
        ] {
            command.args([option, &value.to_string()]);
        }
        command.args(["--forget", &job.forget.to_string()]);
        script::log_to(&mut command, &log)?;
        // It ends with its standard input, which this process holds, however this process ends.
        let child = command.stdin(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.with_context(|| format!("cannot start worker {name}"))?;
        let _stdin = child.stdin.take();
        let mut worker = Self { child, log, _stdin };
        worker.polls(&ready).await?;
        Ok(worker)
    }

    async fn polls(&mut self, ready: &Path) -> Result<()> {
        let end = Instant::now() + START;
        while !ready.exists() {
            self.check()?;
            ensure!(Instant::now() < end, "{} is not ready after {START:?}", self.log.display());
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Fails when it has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                bail!("{} ended with {status}:\n{}", self.log.display(), script::tail(&self.log))
            }
        }
    }

    /// Ends it as an operator does.
    pub async fn tell(mut self) -> Result<()> {
        self.check()?;
        self.note("is told to end")?;
        let id = self.child.id().context("it has ended")?;
        kill(Pid::from_raw(i32::try_from(id)?), Signal::SIGTERM)?;
        let ended = timeout(END, self.child.wait()).await;
        let status = ended.with_context(|| {
            format!("{} still runs {END:?} after it was told to end", self.log.display())
        })??;
        ensure!(status.success(), "{} ended with {status}", self.log.display());
        self.note("has ended")
    }

    /// Ends it as a crash does.
    pub async fn kill(mut self) -> Result<()> {
        self.check()?;
        self.note("is killed")?;
        Ok(self.child.kill().await?)
    }

    /// Writes into the worker's log what happens to it and when, to be held against histories.
    fn note(&self, what: &str) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
        let mut log = File::options().append(true).open(&self.log)?;
        Ok(writeln!(log, "loss: {now:.3}: it {what}")?)
    }
}

fn program(options: &Options, sdk: Sdk) -> Command {
    match (sdk, &options.go_worker) {
        (Sdk::Go, Some(program)) => Command::new(program),
        _ => script::command(options, "worker.py"),
    }
}
