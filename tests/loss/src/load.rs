//! What is started, and what each workflow does.

use std::path::Path;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::options::Options;
use crate::script;

/// How long a client waits for a result at most: a loss costs a timeout of [`Work::SHORT`], and may
/// come several times.
const PATIENCE: f64 = 120.0;

/// How workflows are started.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    /// So many a second, whatever becomes of those before.
    Rate { per_second: f64, workflows: u32 },
    /// So that a number of them is always under way, for some time.
    InFlight { workflows: u32, seconds: f64 },
}

/// What a workflow is told, as `work.py` and `work.go` read it. Times are in seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Work {
    /// How long its activity takes.
    pub seconds: f64,
    /// The activity's start-to-close timeout.
    pub timeout: f64,
    /// Its heartbeat timeout; 0 for none.
    pub heartbeat: f64,
}

impl Work {
    /// Long enough that a killed worker takes some with it.
    pub const SHORT: Self = Self { seconds: 0.05, timeout: 10.0, heartbeat: 0.0 };

    /// An activity that outlives polls, with a heartbeat timeout that is over before it could be
    /// held until its worker is free again.
    #[must_use]
    pub fn long(seconds: u32) -> Self {
        let seconds = f64::from(seconds);
        Self { seconds, timeout: 2.0 * seconds + 30.0, heartbeat: (seconds / 2.0).min(10.0) }
    }
}

/// Where a load goes.
#[derive(Debug, Clone, Copy)]
pub struct To<'a> {
    pub address: &'a str,
    pub task_queue: &'a str,
}

impl Load {
    /// Starts everything and waits for all results. What came of it is in `out`.
    pub async fn run(
        &self,
        options: &Options,
        work: &Work,
        to: To<'_>,
        folder: &Path,
        out: &Path,
    ) -> Result<()> {
        let mut command = script::command(options, "load.py");
        command.args(["--address", to.address, "--task-queue", to.task_queue]);
        command.args(["--prefix", to.task_queue, "--work", &serde_json::to_string(work)?]);
        command.args(["--patience", &self.patience(work).to_string()]).arg("--out").arg(out);
        match self {
            Self::Rate { per_second, workflows } => command.args([
                "--rate",
                &per_second.to_string(),
                "--workflows",
                &workflows.to_string(),
            ]),
            Self::InFlight { workflows, seconds } => command.args([
                "--in-flight",
                &workflows.to_string(),
                "--seconds",
                &seconds.to_string(),
            ]),
        };
        script::run(command, &folder.join("load.log")).await?;
        ensure!(out.is_file(), "the load wrote nothing; see {}", folder.display());
        Ok(())
    }

    /// For how long workflows are started.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Rate { per_second, workflows } => f64::from(*workflows) / per_second,
            Self::InFlight { seconds, .. } => *seconds,
        }
    }

    /// One part of so many that together are this load.
    #[must_use]
    pub fn divided(self, parts: u8) -> Self {
        let parts = parts.max(1);
        match self {
            Self::Rate { per_second, workflows } => Self::Rate {
                per_second: per_second / f64::from(parts),
                workflows: workflows / u32::from(parts),
            },
            Self::InFlight { workflows, seconds } => {
                Self::InFlight { workflows: workflows / u32::from(parts), seconds }
            }
        }
    }

    /// A backlog of long activities has to be waited for too.
    fn patience(&self, work: &Work) -> f64 {
        match self {
            Self::Rate { workflows, .. } if work.heartbeat > 0.0 => {
                PATIENCE + work.timeout * f64::from(*workflows)
            }
            _ => PATIENCE,
        }
    }
}
