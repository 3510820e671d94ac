//! Does Panko lose tasks? The same load through it and past it, in turn, on real servers with
//! unchanged SDKs; then the histories are read from the clusters and what was lost is counted.
//!
//! # What is measured
//!
//! A workflow runs one activity. In a **round** each side has a **turn**: first one cluster by its own
//! address (`direct`), then all of them through Panko, each time with workers and a task queue of its
//! own. During a turn something goes wrong, as the scenario says ([`scenario`], [`disturbance`]): the
//! same on both sides. Afterwards every workflow's history is read from its cluster:
//!
//! * **start-to-close**: a workflow task was started, and its timeout ended it. It was lost on its way to
//!   a worker, or its worker was. The same for **attempts > 1** of an activity.
//! * **schedule-to-start**: a task of a sticky queue was not started in time. A worker that went away
//!   causes it without any loss.
//! * **unrecorded**: histories have the first failure or timeout of a workflow task only. An attempt
//!   between the second and the last ended without an answer, too, but how is written nowhere.
//! * **tasks failed**: a worker failed a workflow task. **given back**: Panko did, since nobody came for
//!   it; the cluster hands it out again at once, so this is no loss.
//! * **no result**: the client waited in vain, or the workflow is not on exactly one cluster.
//! * **waits**: from the scheduling of a task to its start, its first attempt only.
//!
//! Three numbers with slashes are p50, p95 and p99.
//!
//! # How to read it
//!
//! `zero` means that nothing was lost on Panko's side where nothing may be. `no worse (p = …)` means that
//! it lost no more than the direct side, or so little more that it may be chance: p is the least of the
//! columns' probabilities ([`exact`]), and under 0.05 the verdict is FAILED. Two equal sides fail in one
//! run of twenty and column at the most: then more rounds tell. Latencies are not judged.
//!
//! A verdict that fails prints examples: look for them in `--keep`'s folder, where the control server's
//! log and the workers' are, with `RUST_LOG=debug` if need be.

mod crew;
pub mod disturbance;
pub mod exact;
mod load;
mod options;
mod play;
mod promise;
mod report;
pub mod scenario;
mod script;
mod stage;
mod tally;
mod verdict;
mod worker;
mod workflow;

use std::path::Path;

use anyhow::{Context, Result};

pub use crate::options::{Options, Sdk};

use crate::play::Play;
use crate::report::Report;
use crate::stage::Stage;

/// Plays all that is asked for and prints the tables; true if every promise was kept, or every one
/// was broken where workers forget.
pub async fn run(options: Options) -> Result<bool> {
    let temporary = tempfile::tempdir()?;
    let folder = options.keep.as_deref().unwrap_or(temporary.path());
    let folder = std::path::absolute(folder)?;
    let (mut reports, mut all_good) = (Vec::new(), true);
    for play in Play::all(&options) {
        match perform(&options, play, &folder).await {
            Ok(report) => {
                println!("{report}");
                all_good &= report.is_good() == (options.forget == 0.0);
                reports.push(report);
            }
            // The others are played all the same: together they take hours.
            Err(error) => {
                eprintln!("loss: {play}: {error:#}");
                all_good = false;
            }
        }
    }
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&reports)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(all_good)
}

async fn perform(options: &Options, play: Play, folder: &Path) -> Result<Report> {
    let scenario = play.scenario.scenario(options.workflows, options.activity_seconds);
    let stage = Stage::start(options, &play, &scenario, folder).await?;
    Ok(Report::new(play, &scenario, stage.play().await?))
}
