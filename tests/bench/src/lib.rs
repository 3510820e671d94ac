//! What the filter costs: Envoy's CPU per call, without a filter and with ours, in turn. (What pooled
//! polls cost is in [`polls`], what placements cost in [`placement`].)
//!
//! Two Envoys with one worker each, alike but for the filter, are driven one after the other,
//! A B A B, each with the same calls to a backend that answers at once. One is idle while the other
//! works, so a process's CPU is its side's. Microseconds depend on the machine and its mood; the
//! ratio of two neighbouring rounds much less. Load, backend and control server are this process.

mod backend;
mod case;
mod client;
mod config;
mod connection;
mod control;
mod envoy;
mod frame;
mod options;
pub mod placement;
pub mod polls;
mod process;
mod report;
mod requests;
mod server;
mod side;

use std::time::Duration;

use anyhow::Context;

pub use crate::options::Options;

use crate::case::Case;
use crate::config::Ports;
use crate::report::{Measured, Report};
use crate::side::Side;

/// How long the idle Envoys are watched.
const IDLE: Duration = Duration::from_secs(5);

/// How long one side is driven before it is the other's turn. Short, so that what else the machine
/// does hits both alike: on a busy one, turns of 1.5 s tell two equal sides apart by up to 15 %,
/// these by 1 to 2 %. A round has many turns, because CPU is shown in ticks of 10 ms.
const TURN: Duration = Duration::from_millis(20);

/// Measures every case and prints the table.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let cases = case::all(options.way)?;
    let first = cases.first().context("no case")?;
    let sides = start(&options, first).await?;
    let idle = idle(&sides).await?;

    let mut measured = Vec::new();
    for case in &cases {
        measured.push(measure(&options, &sides, case).await?);
    }
    let report = Report {
        other: match (&options.filter, options.listener_only) {
            (Some(_), _) => Some("filter"),
            (None, true) => None,
            (None, false) => Some("no filter again"),
        },
        seconds: options.seconds,
        streams: options.streams,
        idle,
        cases: measured,
    };
    println!("Envoy's CPU per call in µs: median (least–most) of {} rounds", options.rounds);
    println!("{}", report.table());
    println!("idle: {:.0?} µs per second", report.idle);
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The side without a filter, then the other one, if any.
async fn start(options: &Options, case: &Case) -> anyhow::Result<Vec<Side>> {
    let backend = server::serve(backend::answer).await?;
    let ports = || anyhow::Ok(Ports { listener: envoy::free_port()?, backend });

    let plain = ports()?;
    let config = config::without_filter(&plain);
    let mut sides = vec![Side::start(&options.envoy, &config, plain.listener, true, case).await?];
    if options.listener_only {
        return Ok(sides);
    }
    let other = ports()?;
    let config = match &options.filter {
        Some(wasm) => {
            let control_server = match options.control_server {
                Some(address) => address,
                None => {
                    let way = options.way;
                    server::serve(move |stream| control::answer(way, stream)).await?
                }
            };
            config::with_filter(&other, wasm, control_server)
        }
        None => config::without_filter(&other),
    };
    let names_cluster = options.filter.is_none();
    sides.push(Side::start(&options.envoy, &config, other.listener, names_cluster, case).await?);
    Ok(sides)
}

/// The CPU of each side while nobody calls, in µs per second.
async fn idle(sides: &[Side]) -> anyhow::Result<Vec<f64>> {
    let before = cpu(sides)?;
    tokio::time::sleep(IDLE).await;
    let used = cpu(sides)?.into_iter().zip(before).map(|(after, before)| after - before);
    Ok(used.map(|used| used.as_secs_f64() * 1e6 / IDLE.as_secs_f64()).collect())
}

/// One case: a round that does not count, then those that do.
async fn measure(options: &Options, sides: &[Side], case: &Case) -> anyhow::Result<Measured> {
    let mut per_side = vec![Vec::new(); sides.len()];
    for number in 0..=options.rounds {
        let costs = round(options, sides, case).await?;
        if number > 0 {
            per_side.iter_mut().zip(costs).for_each(|(all, cost)| all.push(cost));
        }
    }
    let mut per_side = per_side.into_iter();
    let no_filter = per_side.next().context("no side")?;
    Ok(Measured::new(case.name, case.body.len(), no_filter, per_side.next()))
}

/// Drives the sides in turn, and returns each one's CPU per call in µs.
async fn round(options: &Options, sides: &[Side], case: &Case) -> anyhow::Result<Vec<f64>> {
    let before = cpu(sides)?;
    let mut calls = vec![0; sides.len()];
    for _ in 0..(options.seconds / TURN.as_secs_f64()).round() as u32 {
        for (side, calls) in sides.iter().zip(&mut calls) {
            *calls += side.drive(case, options.streams, TURN).await?;
        }
    }
    let used = cpu(sides)?.into_iter().zip(before).map(|(after, before)| after - before);
    Ok(used.zip(calls).map(|(used, calls)| used.as_secs_f64() * 1e6 / calls as f64).collect())
}

/// The CPU that each side has used so far.
fn cpu(sides: &[Side]) -> anyhow::Result<Vec<Duration>> {
    sides.iter().map(Side::cpu).collect()
}
