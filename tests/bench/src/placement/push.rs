//! What filters are sent: all placements when they come, and one slot when it moves.

use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;

use super::filters::Filters;
use super::moves::{Moved, Seen};
use super::stage::{SQLITE, Stage};
use crate::polls::sheet::{Measure, Sheet};
use crate::polls::{Programs, at_least_one};

/// How long a control server is watched while nothing changes.
const IDLE: Duration = Duration::from_secs(2);

/// Between two moves.
const REST: Duration = Duration::from_millis(200);

/// How long all acknowledgements may take.
const PATIENCE: Duration = Duration::from_secs(240);

const MEASURES: &[Measure] = &[
    ("start to all members known, s", 1),
    ("  control server's CPU, s", 1),
    ("all filters come: last has all, s", 2),
    ("  last acknowledgement written, s", 2),
    ("  control server's CPU, s", 2),
    ("  all placements, KB", 1),
    ("one slot moves: operator has the answer, ms", 1),
    ("  last filter is told, ms", 1),
    ("  handover complete, ms", 1),
    ("  last filter has the new owner, ms", 1),
    ("  an update, bytes", 0),
    ("  control server's CPU, ms", 1),
    ("control server without filters, MB", 1),
    ("  with them, MB", 1),
    ("  a filter, KB", 1),
    ("  at most, MB", 1),
    ("idle CPU, % of a core", 1),
    ("streams that broke", 0),
];

/// What filters are sent, by the number of namespaces, members and filters.
#[derive(Debug, Parser)]
pub struct Options {
    /// Virtual namespaces x members of each x filters: a column for each. By default one of the three
    /// changes at a time, and then all are many.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1x8x100,10x8x100,100x8x100,10x2x100,10x64x100,10x8x1,10x8x10,10x8x1000,100x64x1000"
    )]
    sizes: Vec<Size>,
    /// How often a slot moves in each case.
    #[arg(long, default_value_t = 11, value_parser = at_least_one)]
    moves: usize,
}

/// How much of everything there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    namespaces: usize,
    members: usize,
    filters: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('x').map(at_least_one).collect::<Result<_, _>>()?;
        match *parts {
            [_, 1, _] => Err("write at least 2 members: a slot has to have where to go".into()),
            [namespaces, members, filters] => Ok(Self { namespaces, members, filters }),
            _ => Err("write namespaces x members x filters, such as 10x8x100".into()),
        }
    }
}

/// Measures, and returns the results.
pub async fn run(options: &Options, programs: &Programs) -> anyhow::Result<Sheet> {
    let title = format!(
        "Placements to filters, store SQLite: virtual namespaces x members of each x filters; times of a move are medians of {} moves",
        options.moves
    );
    let mut sheet = Sheet::new(title, MEASURES);
    for &size in &options.sizes {
        let Size { namespaces, members, filters } = size;
        let name = format!("{namespaces}x{members}x{filters}");
        eprintln!("push: {name}");
        let numbers = measure(size, options.moves, programs);
        sheet.add(name.clone(), &[numbers.await.with_context(|| format!("push {name}"))?]);
    }
    Ok(sheet)
}

async fn measure(size: Size, moves: usize, programs: &Programs) -> anyhow::Result<Vec<f64>> {
    let names: Vec<_> = (0..size.namespaces).map(|number| format!("ns-{number:03}")).collect();
    let mut stage = Stage::start(programs, names.clone(), size.members, SQLITE).await?;
    let (first, last) = names.first().zip(names.last()).context("no namespace")?;
    tokio::time::sleep(REST).await;
    let before = stage.serve.resident()? as f64;

    let (mut seen, cpu, began) = (Seen::default(), stage.serve.cpu()?, Instant::now());
    let mut filters = Filters::open(stage.grpc, size.filters).await?;
    seen.all_whole(&mut filters, size.filters, size.namespaces).await?;
    let opened = began.elapsed().as_secs_f64();
    // Acknowledgements are written in the order of the namespaces' names.
    stage
        .until(last, "writing acknowledgements", began + PATIENCE, |placement| {
            placement.filters.len() == size.filters
                && placement.filters.iter().all(|filter| filter.version == placement.version)
        })
        .await?;
    let written = began.elapsed().as_secs_f64();
    let opening = (stage.serve.cpu()? - cpu).as_secs_f64();

    let (cpu, began) = (stage.serve.cpu()?, Instant::now());
    tokio::time::sleep(IDLE).await;
    let idle = (stage.serve.cpu()? - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let resident = stage.serve.resident()? as f64;

    let (mut all, mut used) = (Vec::new(), Vec::new());
    for _ in 0..moves {
        let (cpu, began) = (stage.serve.cpu()?, Instant::now());
        all.push(seen.move_one(&mut stage, &mut filters, size.filters, first).await?);
        // What the move leaves behind, the last acknowledgements, is its own.
        tokio::time::sleep(REST).await;
        let spent = (stage.serve.cpu()? - cpu).as_secs_f64();
        used.push(spent - idle * began.elapsed().as_secs_f64());
    }
    if let Some(why) = &seen.why {
        eprintln!("push: the first stream that broke: {why}");
    }
    let median = |which: fn(&Moved) -> f64| middle(all.iter().map(which).collect());
    Ok(vec![
        stage.started.0,
        stage.started.1,
        opened,
        written,
        opening,
        seen.bytes as f64 / 1e3,
        median(|moved| moved.answered),
        median(|moved| moved.told),
        median(|moved| moved.complete),
        median(|moved| moved.everywhere),
        median(|moved| moved.bytes as f64),
        // Shown in ticks of 10 ms, of which few make a move: the mean has what the median has not.
        used.iter().sum::<f64>() * 1e3 / used.len() as f64,
        before / 1e6,
        resident / 1e6,
        (resident - before) / 1e3 / size.filters as f64,
        stage.serve.most_resident()? as f64 / 1e6,
        100.0 * idle,
        seen.broken as f64,
    ])
}

/// The median.
fn middle(numbers: Vec<f64>) -> f64 {
    crate::report::Series::new(numbers).median
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_three_numbers_with_two_members_at_least() {
        let size = Size { namespaces: 10, members: 8, filters: 1000 };
        assert_eq!("10x8x1000".parse(), Ok(size));
        assert!("10x8".parse::<Size>().is_err() && "10x1x1".parse::<Size>().is_err());
    }
}
