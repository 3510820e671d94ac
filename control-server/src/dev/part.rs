//! One thing that a sandbox runs, and can stop and start again.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;

use super::error::{Error, While};
use super::guard::Guard;
use super::log::Log;
use super::process::Process;
use super::ready::{PATIENCE, Ready};

/// When a part is started. Stopping goes the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The clusters, all at once.
    Clusters,
    /// The control servers, which look at the clusters.
    ControlServers,
    /// Envoy, whose filter asks a control server.
    Envoy,
}

impl Stage {
    /// How long a part has to end by itself when it is asked to.
    fn grace(self) -> Duration {
        match self {
            // It brings home the tasks of the polls that it has open first, for up to 30 s.
            Self::ControlServers => Duration::from_secs(35),
            Self::Clusters | Self::Envoy => Duration::from_secs(6),
        }
    }
}

/// All stages in order.
pub const STAGES: [Stage; 3] = [Stage::Clusters, Stage::ControlServers, Stage::Envoy];

/// One thing that a sandbox runs.
#[derive(Debug)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// When it is started.
    pub stage: Stage,
    /// What starts it.
    pub command: Command,
    /// What shows that it can be used.
    pub ready: Ready,
    /// Its log, over all its starts.
    pub log: Arc<Log>,
    /// It, while it runs.
    pub process: Option<Process>,
}

impl Part {
    /// Starts it, unless it runs, and waits until it can be used.
    pub async fn start(&mut self, guard: &Arc<Guard>) -> Result<(), Error> {
        if self.process.is_some() {
            return Ok(());
        }
        let spawned = Process::spawn(&mut self.command, &self.log, guard);
        let process = self.process.insert(spawned.doing(|| format!("cannot start {}", self.name))?);
        let problem = tokio::select! {
            status = process.ended() => return Err(self.has_ended(status)),
            ready = self.ready.wait() => match ready {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            },
        };
        Err(Error::NotReady {
            part: self.name.clone(),
            after: PATIENCE,
            problem,
            log: self.log.tail(),
        })
    }

    /// Stops it, unless it does not run.
    pub async fn stop(&mut self) {
        if let Some(process) = &self.process {
            process.stop(self.stage.grace()).await;
            self.process = None;
        }
    }

    /// Kills it, as a crash would.
    pub async fn kill(&mut self) {
        if let Some(process) = &self.process {
            process.kill().await;
            self.process = None;
        }
    }

    /// Has it hang, or go on.
    pub fn hang(&self, does: bool) {
        match &self.process {
            Some(process) if does => process.hang(),
            Some(process) => process.go_on(),
            None => {}
        }
    }

    /// Waits until it ends by itself; for ever when it does not run.
    pub async fn ended(&self) -> Error {
        match &self.process {
            Some(process) => self.has_ended(process.ended().await),
            None => std::future::pending().await,
        }
    }

    fn has_ended(&self, status: ExitStatus) -> Error {
        Error::Ended { part: self.name.clone(), status, log: self.log.tail() }
    }
}
