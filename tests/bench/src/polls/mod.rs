//! What pooled polls cost: memory and CPU by the number of parked polls, time on a task's way, the
//! share of tasks that find a waiting poll, and what deadlines cost a real cluster.
//!
//! Workers and clusters are this process: raw HTTP/2 streams and null clusters, on loopback.
//! `panko serve` and Envoy are the real ones, in processes of their own.

mod arrivals;
pub(crate) mod client;
mod deadlines;
mod fleet;
mod http;
mod latency;
mod ledger;
pub(crate) mod messages;
mod null;
mod options;
mod scale;
pub(crate) mod sheet;
mod sides;
pub(crate) mod stage;
mod sync;
mod temporal;

use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};

pub use options::{Options, Programs};

use ledger::{Ledger, Outcome};
use options::{Part, defaults};
pub(crate) use options::{at_least_one, seconds};
use sheet::Sheet;

/// What SDKs give a poll.
const SDK_DEADLINE: Duration = Duration::from_secs(70);

/// Runs what was asked for, prints its tables, and ends what it started, also when it is interrupted.
pub async fn run(options: Options) -> anyhow::Result<()> {
    allow_many_connections()?;
    unless_interrupted(run_parts(&options)).await
}

async fn run_parts(options: &Options) -> anyhow::Result<()> {
    let programs = &options.programs;
    let mut results = Map::new();
    let mut show = |name: &str, sheet: Sheet| {
        println!("\n{sheet}");
        results.insert(name.to_owned(), sheet.json());
    };
    match &options.part {
        Part::Scale(options) => show("scale", scale::run(options, programs).await?),
        Part::Latency(options) => show("latency", latency::run(options, programs).await?),
        Part::Sync(options) => show("sync", sync::run(options, programs).await?),
        Part::Deadlines(options) => show("deadlines", deadlines::run(options, programs).await?),
        Part::All => {
            show("scale", scale::run(&defaults()?, programs).await?);
            show("latency", latency::run(&defaults()?, programs).await?);
            show("sync", sync::run(&defaults()?, programs).await?);
            show("deadlines", deadlines::run(&defaults()?, programs).await?);
        }
    }
    match &options.json {
        Some(file) => std::fs::write(file, serde_json::to_vec_pretty(&Value::Object(results))?)
            .with_context(|| format!("cannot write {}", file.display())),
        None => Ok(()),
    }
}

/// Waits until every task from number `from` on has come to a worker, or `patience` is over.
async fn settle(ledger: &Ledger, from: usize, patience: Duration) -> Outcome {
    let end = tokio::time::Instant::now() + patience;
    loop {
        let outcome = ledger.since(from);
        if outcome.missing == 0 || tokio::time::Instant::now() >= end {
            return outcome;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Does this until it is done, or until a signal: then all that it has started ends with it.
pub(crate) async fn unless_interrupted(
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        result = work => result,
        _ = terminate.recv() => anyhow::bail!("terminated"),
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
    }
}

/// Envoy opens a connection for every hundred polls, and children inherit the limit.
pub(crate) fn allow_many_connections() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
        .context("cannot raise the limit of open files")
}
