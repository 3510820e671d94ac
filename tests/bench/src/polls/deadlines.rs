//! What a poll's deadline costs a real cluster.
//!
//! A short one costs the server more polls for the same open ones; a long one stays open longer for a
//! worker that is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use tokio::task::JoinSet;

use super::client::Client;
use super::fleet::Plan;
use super::ledger::Ledger;
use super::messages::{self, Kind};
use super::sheet::{Measure, Sheet};
use super::temporal::Temporal;
use super::{Programs, at_least_one, seconds};
use crate::frame;

/// Polls whose time is taken from their beginning to their end.
const PROBES: usize = 20;

/// What the server does for polls that have just begun is over by then.
const WARM_UP: Duration = Duration::from_secs(3);

/// The shortest first deadline: servers refuse less than 2 s, and some is gone when it reaches them.
const SHORTEST: Duration = Duration::from_millis(2_500);

const MEASURES: &[Measure] = &[
    ("server's CPU, % of a core", 1),
    ("  without polls", 1),
    ("CPU of an open poll, µs a second", 0),
    ("CPU of a poll, µs", 0),
    ("polls a second", 1),
    ("a poll stays open, s", 2),
    ("  when its worker goes away, s", 2),
    ("polls that failed", 0),
];

/// The CPU that idle polls cost a Temporal server, by their deadline.
#[derive(Debug, Parser)]
pub struct Options {
    /// Deadlines, in seconds. Servers refuse less than 2, and some is gone when it reaches them.
    #[arg(long, value_delimiter = ',', default_value = "60,20,12,5,2.5", value_parser = seconds)]
    deadlines: Vec<f64>,
    /// Polls that are open all the time. A server allows 1200 of a namespace.
    #[arg(long, default_value_t = 500, value_parser = at_least_one)]
    polls: usize,
    /// Task queues that they share evenly.
    #[arg(long, default_value_t = 100, value_parser = at_least_one)]
    queues: usize,
    /// What is polled for.
    #[arg(long, value_enum, default_value = "activity")]
    kind: Kind,
    /// How long each deadline is watched, in seconds.
    #[arg(long, default_value_t = 20.0, value_parser = seconds)]
    watch: f64,
    /// Rounds: in each, every deadline has a turn.
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    runs: usize,
}

/// Measures the servers that are at hand, and returns the results.
pub async fn run(options: &Options, programs: &Programs) -> anyhow::Result<Sheet> {
    let (cli, server) = (programs.temporal(), programs.temporal_server());
    ensure!(cli.or(server).is_some(), "which server? Say --temporal or --temporal-server");
    let title = format!(
        "{} idle {:?} polls on {} queues, straight to the server",
        options.polls, options.kind, options.queues
    );
    let mut sheet = Sheet::new(title, MEASURES);
    if let Some(program) = cli {
        measure(options, Temporal::cli(program).await?, &mut sheet).await?;
    }
    if let Some(program) = server {
        measure(options, Temporal::server(program).await?, &mut sheet).await?;
    }
    Ok(sheet)
}

async fn measure(options: &Options, mut server: Temporal, sheet: &mut Sheet) -> anyhow::Result<()> {
    let mut runs = vec![Vec::new(); options.deadlines.len()];
    for run in 0..options.runs {
        let mut turns = Vec::new();
        for &deadline in &options.deadlines {
            eprintln!(
                "deadlines: {} {deadline} s, run {} of {}",
                server.name,
                run + 1,
                options.runs
            );
            let deadline = Duration::from_secs_f64(deadline);
            let probes = Probes::start(options.kind, &server, deadline).await?;
            let length = Duration::from_secs_f64(options.watch);
            turns.push((turn(options, &mut server, deadline, length).await?, probes));
        }
        // Without polls, but with queues that have had some, which cost a server something, too.
        tokio::time::sleep(WARM_UP).await;
        let rest = cpu(&mut server, Duration::from_secs_f64(options.watch)).await?;
        for (runs, (turn, probes)) in runs.iter_mut().zip(turns) {
            let used = 1e6 * (turn.cpu - rest);
            let (open, left) = probes.end().await?;
            runs.push(vec![
                100.0 * turn.cpu,
                100.0 * rest,
                used / options.polls as f64,
                used / turn.polls,
                turn.polls,
                open,
                left,
                turn.failed,
            ]);
        }
    }
    for (deadline, runs) in options.deadlines.iter().zip(runs) {
        sheet.add(format!("{} {deadline} s", server.name), &runs);
    }
    Ok(())
}

/// What was seen in one deadline's turn.
struct Turn {
    /// The server's CPU seconds in a second.
    cpu: f64,
    /// Polls that ended in a second.
    polls: f64,
    failed: f64,
}

async fn turn(
    options: &Options,
    server: &mut Temporal,
    deadline: Duration,
    length: Duration,
) -> anyhow::Result<Turn> {
    let plan = Plan {
        kind: options.kind,
        addresses: vec![server.address],
        prefix: "idle".to_owned(),
        queues: options.queues,
        pollers: options.polls,
        deadline,
        first: Some((SHORTEST.min(deadline), deadline)),
    };
    let fleet = plan.start(&Arc::new(Ledger::default())).await?;
    tokio::time::sleep(WARM_UP).await;
    let before = fleet.ended();
    let cpu = cpu(server, length).await?;
    let ended = fleet.ended();
    if let Some(why) = ended.why {
        eprintln!("deadlines: the first poll that failed: {why}");
    }
    let polls = (ended.empty - before.empty) as f64 / length.as_secs_f64();
    Ok(Turn { cpu, polls, failed: ended.failed as f64 })
}

/// The server's CPU seconds in a second.
async fn cpu(server: &mut Temporal, length: Duration) -> anyhow::Result<f64> {
    let (began, before) = (Instant::now(), server.process.cpu()?);
    tokio::time::sleep(length).await;
    server.process.check()?;
    Ok((server.process.cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64())
}

/// Polls that are timed, on a queue of their own. They may last into other deadlines' turns.
struct Probes(JoinSet<anyhow::Result<Duration>>);

impl Probes {
    async fn start(kind: Kind, server: &Temporal, deadline: Duration) -> anyhow::Result<Self> {
        let client = Client::connect(server.address).await?;
        let body = frame::plain(&messages::poll("probe", 0));
        let mut probes = JoinSet::new();
        for _ in 0..PROBES {
            let (mut client, body) = (client.clone(), body.clone());
            probes.spawn(async move {
                let began = Instant::now();
                client.call(kind.method(), body, deadline).await?;
                Ok(began.elapsed())
            });
        }
        Ok(Self(probes))
    }

    /// The mean time, in seconds, that a poll stays open, and that it still does when its worker goes
    /// away at any moment of it.
    async fn end(mut self) -> anyhow::Result<(f64, f64)> {
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        while let Some(probe) = self.0.join_next().await {
            let seconds = probe??.as_secs_f64();
            sum += seconds;
            squares += seconds * seconds;
            count += 1.0;
        }
        Ok((sum / count, squares / (2.0 * sum)))
    }
}
