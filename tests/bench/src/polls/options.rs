//! The command line.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use super::{deadlines, latency, scale, sync};

/// Measures what pooled polls cost.
#[derive(Debug, Parser)]
#[command(name = "bench-polls", after_help = EXAMPLES)]
pub struct Options {
    #[command(subcommand)]
    pub(super) part: Part,
    #[command(flatten)]
    pub(super) programs: Programs,
    /// Also write the numbers of every run here.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples (make bench-polls gives the programs; they can also be in PANKO_BIN, PANKO_ENVOY, …):
  bench-polls all                               everything, some ten minutes
  bench-polls scale --polls 10000 --way serve   10,000 parked polls, without Envoy
  bench-polls scale --polls 20000 --queues 1    20,000 workers of one queue
  bench-polls scale --polls 1000 --late 1.5     clusters that answer late: nothing may be cancelled
  bench-polls latency --rates 1000 --runs 15    1,000 tasks a second, with less noise
  bench-polls sync --pollers 80                 fewer workers: four for each queue
  bench-polls deadlines --kind workflow --runs 3";

#[derive(Debug, Subcommand)]
pub(super) enum Part {
    /// Every part with its defaults.
    All,
    Scale(scale::Options),
    Latency(latency::Options),
    Sync(sync::Options),
    Deadlines(deadlines::Options),
}

/// The programs that are measured.
#[derive(Debug, Args)]
pub struct Programs {
    /// The `panko` binary, a release build.
    #[arg(long, global = true, value_name = "PATH", env = "PANKO_BIN")]
    panko: Option<PathBuf>,
    /// The Envoy binary.
    #[arg(long, global = true, value_name = "PATH", env = "PANKO_ENVOY")]
    envoy: Option<PathBuf>,
    /// The filter (.wasm).
    #[arg(long, global = true, value_name = "PATH", env = "PANKO_FILTER")]
    filter: Option<PathBuf>,
    /// The Temporal CLI, for `deadlines`.
    #[arg(long, global = true, value_name = "PATH", env = "PANKO_TEMPORAL")]
    temporal: Option<PathBuf>,
    /// The plain Temporal server, for `deadlines`.
    #[arg(long, global = true, value_name = "PATH", env = "PANKO_TEMPORAL_SERVER")]
    temporal_server: Option<PathBuf>,
}

impl Programs {
    pub(crate) fn panko(&self) -> anyhow::Result<&Path> {
        self.panko.as_deref().context("which panko? Say --panko or PANKO_BIN")
    }

    pub(crate) fn envoy(&self) -> anyhow::Result<&Path> {
        self.envoy.as_deref().context("which Envoy? Say --envoy or PANKO_ENVOY")
    }

    pub(crate) fn filter(&self) -> anyhow::Result<&Path> {
        self.filter.as_deref().context("which filter? Say --filter or PANKO_FILTER")
    }

    pub(super) fn temporal(&self) -> Option<&Path> {
        self.temporal.as_deref()
    }

    pub(super) fn temporal_server(&self) -> Option<&Path> {
        self.temporal_server.as_deref()
    }
}

/// A part's options as they are when nothing is said.
pub(super) fn defaults<T: Parser>() -> anyhow::Result<T> {
    Ok(T::try_parse_from(["bench-polls"])?)
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(seconds),
        _ => Err("write a number between 0.1 and 600".into()),
    }
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("write a whole number, at least 1".into()),
    }
}
