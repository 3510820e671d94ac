//! What the pool adds to a task's way.

use std::time::Duration;

use clap::Parser;

use super::arrivals::Pattern;
use super::sheet::{Measure, Sheet};
use super::sides::{self, Sides, Turn};
use super::stage::Way;
use super::{Programs, at_least_one, seconds};

/// Tasks before those that count.
const WARM_UP: Duration = Duration::from_millis(500);

const MEASURES: &[Measure] = &[
    ("injected to received, ms: p50", 2),
    ("  p99", 2),
    ("  most", 2),
    ("added to direct, ms: p50", 2),
    ("  p99", 2),
    ("control server's CPU a task, µs", 0),
    ("Envoy's CPU a task, µs", 0),
    ("poll sync, %", 1),
    ("tasks missing or doubled", 0),
    ("polls failed, or cancelled on clusters", 0),
];

/// What the pool adds to a task's way, against workers that poll the clusters themselves.
#[derive(Debug, Parser)]
pub struct Options {
    #[command(flatten)]
    sides: sides::Options,
    /// Tasks a second: a table's part for each.
    #[arg(long, value_delimiter = ',', default_value = "200,2000")]
    rates: Vec<f64>,
    /// Rounds: in each, every way has a turn.
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    runs: usize,
    /// How long a turn lasts, in seconds.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
}

/// Measures, and returns the results.
pub async fn run(options: &Options, programs: &Programs) -> anyhow::Result<Sheet> {
    let ways = [Way::Direct, Way::Serve, Way::Envoy];
    let mut sides = Sides::start(&options.sides, programs, &ways).await?;
    let mut sheet = Sheet::new(format!("A task's way: {}", options.sides.describe()), MEASURES);
    for &rate in &options.rates {
        let mut runs = ways.map(|_| Vec::new());
        for run in 0..options.runs {
            eprintln!("latency: {rate} tasks a second, run {} of {}", run + 1, options.runs);
            let length = Duration::from_secs_f64(options.seconds);
            let turns = sides.round(Pattern::Steady(rate), WARM_UP, length, run as u64).await?;
            let direct = turns.first().map(quantiles).unwrap_or_default();
            for ((way, runs), turn) in ways.iter().zip(&mut runs).zip(&turns) {
                runs.push(numbers(*way, turn, direct));
            }
        }
        for (way, runs) in ways.iter().zip(runs) {
            sheet.add(format!("{} {}", Pattern::Steady(rate).name(), way.name()), &runs);
        }
    }
    sides.explain();
    Ok(sheet)
}

fn quantiles(turn: &Turn) -> (f64, f64) {
    (turn.outcome.quantile(0.5), turn.outcome.quantile(0.99))
}

fn numbers(way: Way, turn: &Turn, direct: (f64, f64)) -> Vec<f64> {
    let (p50, p99) = quantiles(turn);
    // What the programs do while it is another way's turn has nothing to do with it.
    let of = |ways: &[Way], number: f64| if ways.contains(&way) { number } else { f64::NAN };
    vec![
        p50,
        p99,
        turn.outcome.quantile(1.0),
        of(&[Way::Serve, Way::Envoy], p50 - direct.0),
        of(&[Way::Serve, Way::Envoy], p99 - direct.1),
        of(&[Way::Serve, Way::Envoy], turn.cpu.0),
        of(&[Way::Envoy], turn.cpu.1),
        turn.outcome.sync_percent(),
        (turn.outcome.missing + turn.outcome.doubled) as f64,
        turn.faults as f64,
    ]
}
