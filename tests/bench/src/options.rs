//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// Measures Envoy's CPU per request, without and with Panko's filter, in turn.
#[derive(Debug, Parser)]
#[command(name = "bench", after_help = EXAMPLES)]
pub struct Options {
    /// The Envoy binary.
    #[arg(long, value_name = "PATH")]
    pub envoy: PathBuf,

    /// The filter (.wasm). Without it both sides run without a filter: the noise of the method.
    #[arg(long, value_name = "PATH")]
    pub filter: Option<PathBuf>,

    /// The control server that the filter asks for its placement. Without it the bench serves one.
    #[arg(long, value_name = "ADDRESS", requires = "filter")]
    pub control_server: Option<SocketAddr>,

    /// What the filter does with the calls.
    #[arg(long, value_enum, default_value_t = Way::Start)]
    pub way: Way,

    /// Measure the listener without a filter and nothing else.
    #[arg(long, conflicts_with = "filter")]
    pub listener_only: bool,

    /// Rounds for each case; one round drives each side once.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,

    /// How long one side is driven in one round, in seconds.
    #[arg(long, default_value_t = 1.5, value_parser = seconds)]
    pub seconds: f64,

    /// Calls in flight at any time, all on one HTTP/2 connection.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub streams: u32,

    /// Also write the numbers of every round here.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// What the filter does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// A start: to the owner's cluster.
    Start,
    /// A signal: to the owner's chain, so that Envoy keeps the request for a second try.
    Chain,
    /// A start in a namespace that the cluster calls otherwise: the request is edited.
    Names,
}

const EXAMPLES: &str = "\
Examples:
  bench --envoy envoy --filter panko_filter.wasm              what the filter costs
  bench --envoy envoy                                         how noisy this machine is
  bench --envoy envoy --filter panko_filter.wasm --rounds 21  the same, with less noise";

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("write a number between 0.1 and 60".into()),
    }
}
