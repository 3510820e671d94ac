//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use panko_control_server::dev::Kind;

use crate::scenario::Name;

/// Repeats one load through Panko and past it, in turn, and counts what was lost.
#[derive(Debug, Clone, Parser)]
#[command(name = "loss", after_help = EXAMPLES)]
pub struct Options {
    /// What happens during the load. May be repeated, or be a list with commas.
    #[arg(long = "scenario", value_enum, value_delimiter = ',', required = true)]
    pub scenarios: Vec<Name>,

    /// Whose workers. With several, every scenario is played with each.
    #[arg(long = "sdk", value_enum, value_delimiter = ',', default_value = "python")]
    pub sdks: Vec<Sdk>,

    /// What the clusters are: cli is server 1.29, server is 1.32. May be several, too.
    #[arg(long = "kind", value_enum, value_delimiter = ',', default_value = "cli")]
    pub kinds: Vec<Kind>,

    /// Each side has its turn once a round.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,

    /// How many workflows a side gets in a round, where 25 start a second.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(50..))]
    pub workflows: u32,

    /// How long the activities of `one-slot` take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..))]
    pub activity_seconds: u32,

    /// Prove that a loss is seen: workers behind Panko forget this share of their activities, and
    /// all is well only if every verdict says so.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    pub forget: f64,

    /// Also write all that was counted here.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Keep databases, logs and what was read from histories here. What the control server logs is
    /// chosen by RUST_LOG.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,

    /// A Python with the packages of tests/sdk/python/requirements.txt: load and audit need it too.
    #[arg(long, value_name = "PATH", env = "PANKO_PYTHON")]
    pub python: PathBuf,

    /// The Go worker (`go build` in tests/loss/go).
    #[arg(long, value_name = "PATH", env = "PANKO_LOSS_GO", required_if_eq("sdks", "go"))]
    pub go_worker: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples (`make loss LOSS='OPTIONS'` knows where the programs are):
  loss --scenario steady --workflows 300 --rounds 1       a quick look
  loss --scenario restarts,kills,in-flight --sdk go       nine turns of 80 s for each side
  loss --scenario steady --workflows 300 --forget 5       proves that losses are seen
  RUST_LOG=debug loss --scenario away --keep /tmp/away    to look for the reason of a loss";

/// Whose workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sdk {
    /// The Python SDK, which has the Rust core.
    Python,
    /// The Go SDK.
    Go,
}
