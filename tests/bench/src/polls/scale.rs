//! How much parked polls cost: memory, CPU while nothing happens, polls on the clusters; and how
//! soon a task then finds its worker.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;

use super::arrivals::inject;
use super::fleet::{Fleet, Plan};
use super::messages::Kind;
use super::sheet::{Measure, Sheet};
use super::stage::{Stage, Way};
use super::{Programs, SDK_DEADLINE, settle};
use crate::process;

/// How long the programs rest before their memory without polls is read.
const REST: Duration = Duration::from_secs(2);
/// How long parking may take.
const PARKING: Duration = Duration::from_secs(180);
/// Between two looks at memory and open polls.
const LOOK: Duration = Duration::from_secs(1);
/// Between two tasks.
const TASK_EVERY: Duration = Duration::from_millis(25);
/// How long the last task may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first deadlines of workers' polls: see [`Plan::first`].
const FIRST: (Duration, Duration) = (Duration::from_secs(12), Duration::from_secs(57));

const MEASURES: &[Measure] = &[
    ("control server, MB", 0),
    ("  without polls, MB", 0),
    ("  a poll, KB", 1),
    ("Envoy, MB", 0),
    ("  without polls, MB", 0),
    ("  a poll, KB", 1),
    ("polls open on the clusters", 0),
    ("polls opened a second", 0),
    ("control server's CPU, % of a core", 1),
    ("Envoy's CPU, % of a core", 1),
    ("the bench's own CPU, % of a core", 1),
    ("task to worker, ms: p50", 1),
    ("  p99", 1),
    ("  most", 1),
    ("tasks missing or doubled", 0),
    ("workers' polls that failed", 0),
    ("polls cancelled on clusters", 0),
    ("CPU to park a poll, µs: control server", 0),
    ("  Envoy", 0),
];

/// Memory, idle CPU and open polls, by the number of parked polls.
#[derive(Debug, Parser)]
pub struct Options {
    /// How many polls of workers are parked: a run for each.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    polls: Vec<usize>,
    /// Task queues that they share evenly.
    #[arg(long, default_value_t = 1_000, value_parser = super::at_least_one)]
    queues: usize,
    /// Null clusters.
    #[arg(long, default_value_t = 4, value_parser = super::at_least_one)]
    clusters: usize,
    /// What is polled for.
    #[arg(long, value_enum, default_value = "activity")]
    kind: Kind,
    /// The way of the polls: `serve` leaves Envoy out, for diagnosis.
    #[arg(long, value_enum, default_value = "envoy")]
    way: Way,
    /// How many seconds later than a server the null clusters answer polls that found nothing, as busy
    /// ones do. Whatever it is, none may be cancelled.
    #[arg(long, default_value_t = 0.0)]
    late: f64,
    /// Between parking and measuring, in seconds.
    #[arg(long, default_value_t = 15.0, value_parser = super::seconds)]
    settle: f64,
    /// How long idle polls are watched, in seconds.
    #[arg(long, default_value_t = 20.0, value_parser = super::seconds)]
    watch: f64,
    /// Tasks whose way is timed.
    #[arg(long, default_value_t = 200)]
    tasks: usize,
    /// Runs for each number of polls, each with fresh programs.
    #[arg(long, default_value_t = 1, value_parser = super::at_least_one)]
    runs: usize,
}

/// Measures, and returns the results.
pub async fn run(options: &Options, programs: &Programs) -> anyhow::Result<Sheet> {
    ensure!(options.way != Way::Direct, "scale measures what parks polls: --way serve or envoy");
    let title = format!(
        "Parked {:?} polls on {} queues over {} null clusters, by way of {}",
        options.kind,
        options.queues,
        options.clusters,
        options.way.name(),
    );
    let mut sheet = Sheet::new(title, MEASURES);
    for &polls in &options.polls {
        let mut runs = Vec::new();
        for run in 0..options.runs {
            eprintln!("scale: {polls} polls, run {} of {}", run + 1, options.runs);
            runs.push(measure(options, programs, polls, run as u64).await?);
        }
        sheet.add(format!("{polls} polls"), &runs);
    }
    Ok(sheet)
}

async fn measure(
    options: &Options,
    programs: &Programs,
    polls: usize,
    seed: u64,
) -> anyhow::Result<Vec<f64>> {
    let late = Duration::try_from_secs_f64(options.late).context("--late is no time")?;
    let with_envoy = options.way == Way::Envoy;
    let mut stage = Stage::start(programs, options.clusters, late, with_envoy).await?;
    tokio::time::sleep(REST).await;
    let before = stage.resident()?;

    let plan = Plan {
        kind: options.kind,
        addresses: stage.addresses(options.way),
        prefix: "scale".to_owned(),
        queues: options.queues,
        pollers: polls,
        deadline: SDK_DEADLINE,
        first: Some(FIRST),
    };
    let cpu = stage.cpu()?;
    let fleet = plan.start(&stage.ledger).await?;
    park(&mut stage, &fleet, polls).await?;
    let parking = stage.cpu()?;
    let parking = (parking.0 - cpu.0, parking.1 - cpu.1);
    tokio::time::sleep(Duration::from_secs_f64(options.settle)).await;

    let idle = watch(&mut stage, Duration::from_secs_f64(options.watch)).await?;
    let tasks = tasks(options, &stage, &plan, seed).await?;
    let faults = settle(&stage.ledger, 0, PATIENCE).await;
    let failed = fleet.ended().failed;
    let cancelled = stage.count(|counts| &counts.cancelled);
    if let Some(why) = fleet.ended().why {
        eprintln!("scale: the first poll that failed: {why}");
    }

    let each = |now: f64, before: f64| (now - before) * 1e3 / polls as f64;
    Ok(vec![
        idle.resident.0,
        before.0,
        each(idle.resident.0, before.0),
        idle.resident.1,
        before.1,
        each(idle.resident.1, before.1),
        idle.open,
        idle.opened,
        idle.cpu.0,
        idle.cpu.1,
        idle.own_cpu,
        tasks.0,
        tasks.1,
        tasks.2,
        (faults.missing + faults.doubled) as f64,
        failed as f64,
        cancelled as f64,
        parking.0 * 1e6 / polls as f64,
        parking.1 * 1e6 / polls as f64,
    ])
}

/// Waits until all polls are parked, but for the few that are on their way back.
async fn park(stage: &mut Stage, fleet: &Fleet, polls: usize) -> anyhow::Result<()> {
    let enough = polls as f64 * 0.99;
    let end = Instant::now() + PARKING;
    loop {
        stage.check()?;
        // Until the first poll has come there is no such metric.
        let parked = stage.metric("panko_parked_polls").await.unwrap_or_default();
        if parked >= enough {
            return Ok(());
        }
        let why = fleet.ended().why.unwrap_or_else(|| "no poll failed".to_owned());
        ensure!(Instant::now() < end, "{parked} of {polls} polls parked in {PARKING:?}: {why}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What was seen while nothing happened. Pairs are the control server's and Envoy's.
struct Idle {
    resident: (f64, f64),
    cpu: (f64, f64),
    own_cpu: f64,
    open: f64,
    opened: f64,
}

async fn watch(stage: &mut Stage, time: Duration) -> anyhow::Result<Idle> {
    let before = (stage.cpu()?, process::cpu(std::process::id())?);
    let (began, polls) = (Instant::now(), stage.count(|counts| &counts.polls));
    let (mut open, mut looks) = (0, 0);
    let mut most = (f64::NAN, f64::NAN);
    while began.elapsed() < time {
        tokio::time::sleep(LOOK).await;
        stage.check()?;
        open += stage.count(|counts| &counts.open);
        looks += 1;
        let resident = stage.resident()?;
        most = (resident.0.max(most.0), resident.1.max(most.1));
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = (stage.cpu()?, process::cpu(std::process::id())?);
    let percent = |after: f64, before: f64| 100.0 * (after - before) / seconds;
    Ok(Idle {
        resident: most,
        cpu: (percent(after.0.0, before.0.0), percent(after.0.1, before.0.1)),
        own_cpu: percent(after.1.as_secs_f64(), before.1.as_secs_f64()),
        open: open as f64 / f64::from(looks),
        opened: (stage.count(|counts| &counts.polls) - polls) as f64 / seconds,
    })
}

/// Injects tasks one after another, and returns p50, p99 and the most of the time that they took.
async fn tasks(
    options: &Options,
    stage: &Stage,
    plan: &Plan,
    seed: u64,
) -> anyhow::Result<(f64, f64, f64)> {
    let queues = (0..options.queues).map(|number| plan.queue(number)).collect();
    let times = (1..=options.tasks as u32).map(|number| TASK_EVERY * number).collect();
    let from = stage.ledger.len();
    inject(&stage.clusters, queues, times, seed).await?;
    let outcome = settle(&stage.ledger, from, PATIENCE).await;
    Ok((outcome.quantile(0.5), outcome.quantile(0.99), outcome.quantile(1.0)))
}
