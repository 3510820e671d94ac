//! Poll sync: the share of tasks for which a poll was open on the cluster, as the clusters see it.

use std::time::Duration;

use clap::Parser;

use super::arrivals::Pattern;
use super::sheet::{Measure, Sheet};
use super::sides::{self, Sides};
use super::stage::Way;
use super::{Programs, at_least_one, seconds};

/// Tasks before those that count.
const WARM_UP: Duration = Duration::from_millis(500);

/// Whole cycles of a burst and what is before it, at the default length.
const PATTERNS: [Pattern; 3] =
    [Pattern::Steady(50.0), Pattern::Steady(2_000.0), Pattern::Bursty(200.0)];

const MEASURES: &[Measure] = &[
    ("poll sync, %", 2),
    ("tasks", 0),
    ("injected to received, ms: p99", 1),
    ("  most", 1),
    ("tasks missing or doubled", 0),
    ("polls failed, or cancelled on clusters", 0),
];

/// The share of tasks that find a waiting poll, as the clusters see it.
#[derive(Debug, Parser)]
pub struct Options {
    #[command(flatten)]
    sides: sides::Options,
    /// The ways that are compared.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "direct,envoy")]
    ways: Vec<Way>,
    /// Rounds: in each, every way has a turn.
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    runs: usize,
    /// How long a turn lasts, in seconds. Bursts come at the end of every fifth.
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
}

/// Measures, and returns the results.
pub async fn run(options: &Options, programs: &Programs) -> anyhow::Result<Sheet> {
    let mut sides = Sides::start(&options.sides, programs, &options.ways).await?;
    let mut sheet = Sheet::new(format!("Poll sync: {}", options.sides.describe()), MEASURES);
    for pattern in PATTERNS {
        let mut runs = vec![Vec::new(); options.ways.len()];
        for run in 0..options.runs {
            eprintln!("sync: {}, run {} of {}", pattern.name(), run + 1, options.runs);
            let length = Duration::from_secs_f64(options.seconds);
            let turns = sides.round(pattern, WARM_UP, length, run as u64).await?;
            for (runs, turn) in runs.iter_mut().zip(turns) {
                let outcome = turn.outcome;
                runs.push(vec![
                    outcome.sync_percent(),
                    outcome.injected as f64,
                    outcome.quantile(0.99),
                    outcome.quantile(1.0),
                    (outcome.missing + outcome.doubled) as f64,
                    turn.faults as f64,
                ]);
            }
        }
        for (way, runs) in options.ways.iter().zip(runs) {
            sheet.add(format!("{} {}", pattern.name(), way.name()), &runs);
        }
    }
    sides.explain();
    Ok(sheet)
}
