//! One workflow of the load: what its client saw, and what its history says.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Why a task had to be handed out again, as `audit.py` writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A workflow task was started and not answered in time: it was lost on its way, or its worker
    /// was.
    StartToClose,
    /// A workflow task of a sticky queue was not started in time.
    ScheduleToStart,
    /// An attempt of a workflow task after its second ended without an answer; histories do not say
    /// whether it timed out or was given back.
    Unrecorded,
    /// A workflow task failed, and not by Panko.
    TaskFailed,
    /// An activity needed another attempt.
    Attempt,
    /// Panko gave a workflow task back.
    GivenBack,
}

impl Fault {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::StartToClose,
        Self::ScheduleToStart,
        Self::Unrecorded,
        Self::TaskFailed,
        Self::Attempt,
        Self::GivenBack,
    ];

    /// For the head of a column.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::StartToClose => "start-to-close",
            Self::ScheduleToStart => "schedule-to-start",
            Self::Unrecorded => "unrecorded",
            Self::TaskFailed => "tasks failed",
            Self::Attempt => "attempts > 1",
            Self::GivenBack => "given back",
        }
    }
}

/// One fault as a history shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// What it is.
    pub kind: Fault,
    /// The event that shows it, and its time as the cluster wrote it.
    pub event: u64,
    pub at: String,
    /// What else the history says of it.
    pub why: String,
}

/// A line of `load.py`.
#[derive(Debug, Deserialize)]
struct Started {
    id: String,
    at: f64,
    seconds: Option<f64>,
    problem: Option<String>,
}

/// A line of `audit.py`.
#[derive(Debug, Deserialize)]
struct Examined {
    id: String,
    clusters: Vec<String>,
    faults: Vec<Found>,
    workflow_waits: Vec<f64>,
    activity_waits: Vec<f64>,
}

/// One workflow of the load.
#[derive(Debug, Clone, Serialize)]
pub struct Workflow {
    pub id: String,
    /// When it was started, in seconds since its round began.
    pub at: f64,
    /// From the start to the result.
    pub seconds: Option<f64>,
    /// What is wrong with it as a whole: it has no result, or is not on exactly one cluster.
    pub problem: Option<String>,
    /// The clusters that have it.
    pub clusters: Vec<String>,
    pub faults: Vec<Found>,
    /// How long its tasks waited until they were started, in seconds.
    pub workflow_waits: Vec<f64>,
    pub activity_waits: Vec<f64>,
}

/// Puts together what both scripts wrote.
pub fn read(load: &Path, audit: &Path) -> Result<Vec<Workflow>> {
    let examined = lines::<Examined>(audit)?.into_iter().map(|line| (line.id.clone(), line));
    let mut examined: HashMap<_, _> = examined.collect();
    let together = lines::<Started>(load)?.into_iter().map(|started| {
        let id = started.id;
        let found = examined.remove(&id).with_context(|| format!("the audit has no {id}"))?;
        let misplaced = (found.clusters.len() != 1)
            .then(|| format!("it is on {} clusters: {:?}", found.clusters.len(), found.clusters));
        Ok(Workflow {
            id,
            at: started.at,
            seconds: started.seconds,
            problem: started.problem.or(misplaced),
            clusters: found.clusters,
            faults: found.faults,
            workflow_waits: found.workflow_waits,
            activity_waits: found.activity_waits,
        })
    });
    together.collect()
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let parsed = text.lines().map(serde_json::from_str).collect::<Result<_, _>>();
    parsed.with_context(|| path.display().to_string())
}
