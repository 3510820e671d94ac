//! What a start costs on a slot that has moved, beside one on a slot that has not: the key's lock in the store,
//! a look at the other members, and the way through the control server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use panko_proto::v1::GetPlacementResponse;
use panko_routing::SLOTS;

use super::stage::{SQLITE, Stage, envoy_yaml, postgres};
use super::turns::{Callers, Slots, Turn};
use crate::envoy::{Envoy, free_port};
use crate::polls::sheet::{Measure, Sheet};
use crate::polls::{Programs, at_least_one, seconds};
use crate::process;

/// Envoy's worker threads: as many as the machine has cores.
const ENVOY_WORKERS: u32 = 2;

/// The one namespace.
const NAMESPACE: &str = "default";

/// How long Envoy may take to start, and a move to be complete.
const PATIENCE: Duration = Duration::from_secs(60);

const MEASURES: &[Measure] = &[
    ("starts a second", 0),
    ("time of a start, ms: p50", 2),
    ("  p99", 2),
    ("added to a slot that has not moved, ms: p50", 2),
    ("  p99", 2),
    ("control server's CPU a start, µs", 0),
    ("Envoy's CPU a start, µs", 0),
    ("the bench's own CPU a start, µs", 0),
    ("starts that failed", 0),
];

/// Starts on slots that have moved and on slots that have not, in turn.
#[derive(Debug, Parser)]
pub struct Options {
    /// Where placements and locks are kept.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "sqlite,postgres")]
    stores: Vec<Kind>,
    /// How many callers there are at a time: columns for each.
    #[arg(long, value_delimiter = ',', default_value = "1,32", value_parser = at_least_one)]
    clients: Vec<usize>,
    /// Members of the namespace.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(2..=64))]
    members: u64,
    /// Rounds: in each, every side has a turn.
    #[arg(long, default_value_t = 7, value_parser = at_least_one)]
    rounds: usize,
    /// How long a turn lasts, in seconds.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
}

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    fn address(self) -> anyhow::Result<String> {
        match self {
            Self::Sqlite => Ok(SQLITE.to_owned()),
            Self::Postgres => postgres(),
        }
    }
}

/// A control server with a store of its kind, and an Envoy before it.
struct Site {
    kind: Kind,
    stage: Stage,
    envoy: Envoy,
    listener: SocketAddr,
    /// The slots that have moved.
    moved: Slots,
}

/// One side: the starts of one site that hash to such slots.
struct Side {
    name: String,
    site: usize,
    moved: bool,
}

/// Measures, and returns the results.
pub async fn run(options: &Options, programs: &Programs) -> anyhow::Result<Sheet> {
    // Said before anything is started.
    let stores = options.stores.iter().map(|kind| Ok((*kind, kind.address()?)));
    let stores = stores.collect::<anyhow::Result<Vec<_>>>()?;
    let members = usize::try_from(options.members)?;
    let mut sites = Vec::new();
    for (kind, address) in stores {
        sites.push(Site::start(kind, &address, members, programs).await?);
    }
    let mut sides = Vec::new();
    for (site, Site { kind, .. }) in sites.iter().enumerate() {
        // Such starts do not touch the store.
        if site == 0 {
            sides.push(Side { name: "direct".to_owned(), site, moved: false });
        }
        sides.push(Side { name: format!("moved, {}", kind.name()), site, moved: true });
    }
    let title =
        format!("Starts through Envoy, {members} members, by callers at a time and state of slots");
    let mut sheet = Sheet::new(title, MEASURES);
    for &clients in &options.clients {
        let mut runs = vec![Vec::new(); sides.len()];
        let callers = connect(&sites, &sides, clients).await?;
        // The first round warms up, and does not count.
        for round in 0..=options.rounds {
            eprintln!("starts: {clients} callers, round {round} of {}", options.rounds);
            let mut direct = None;
            for ((side, callers), runs) in sides.iter().zip(&callers).zip(&mut runs) {
                let time = Duration::from_secs_f64(options.seconds);
                let site = sites.get_mut(side.site).context("no such site")?;
                let (turn, cpu) = site.turn(callers, clients, time).await?;
                ensure!(!turn.times.is_empty(), "no start came through: {:?}", turn.why);
                if let Some(why) = &turn.why {
                    eprintln!("starts: {} of {} failed; the first: {why}", turn.failed, side.name);
                }
                let quantiles = (turn.quantile(0.5), turn.quantile(0.99));
                let direct = *direct.get_or_insert(quantiles);
                if round > 0 {
                    runs.push(numbers(side, &turn, cpu, direct));
                }
            }
        }
        for (side, runs) in sides.iter().zip(runs) {
            sheet.add(format!("{clients}: {}", side.name), &runs);
        }
    }
    Ok(sheet)
}

fn numbers(side: &Side, turn: &Turn, cpu: [f64; 3], direct: (f64, f64)) -> Vec<f64> {
    let starts = turn.times.len() as f64;
    let (p50, p99) = (turn.quantile(0.5), turn.quantile(0.99));
    let added = |number: f64| if side.moved { number } else { f64::NAN };
    let mut numbers =
        vec![starts / turn.seconds, p50, p99, added(p50 - direct.0), added(p99 - direct.1)];
    numbers.extend(cpu.map(|seconds| seconds * 1e6 / starts));
    numbers.push(turn.failed as f64);
    numbers
}

async fn connect(sites: &[Site], sides: &[Side], clients: usize) -> anyhow::Result<Vec<Callers>> {
    let mut callers = Vec::new();
    for side in sides {
        let site = sites.get(side.site).context("no such site")?;
        let slots = site.moved.iter().map(|moved| *moved == side.moved).collect();
        callers.push(Callers::connect(site.listener, clients, Arc::new(slots)).await?);
    }
    Ok(callers)
}

impl Site {
    async fn start(
        kind: Kind,
        store: &str,
        members: usize,
        programs: &Programs,
    ) -> anyhow::Result<Self> {
        let mut stage = Stage::start(programs, vec![NAMESPACE.to_owned()], members, store).await?;
        let placement = stage.placement(NAMESPACE).await?;
        let clean = placement.filters.is_empty() && placement.members.iter().all(|m| m.former == 0);
        ensure!(clean, "the database has another run's placement; give it an empty one");
        let listener = free_port()?;
        let yaml = envoy_yaml(programs, &stage.config, listener).await?;
        let envoy = Envoy::start(programs.envoy()?, &yaml, ENVOY_WORKERS)?;
        let none = Arc::new(vec![false; SLOTS]);
        let mut site = Self { kind, stage, envoy, listener, moved: none };
        site.ready().await?;
        let slots = u32::try_from(SLOTS / members / 2)?;
        site.stage.begin_move(NAMESPACE, 0, 1, slots).await?;
        let end = Instant::now() + PATIENCE;
        let complete = |placement: &GetPlacementResponse| placement.handover == 0;
        site.stage.until(NAMESPACE, "the handover", end, complete).await?;
        site.moved = Arc::new(site.stage.located_slots().await?);
        Ok(site)
    }

    /// Waits until a start comes through.
    async fn ready(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        let all = Arc::new(vec![true; SLOTS]);
        loop {
            self.stage.serve.check()?;
            self.envoy.process.check()?;
            let why = match Callers::connect(self.listener, 1, all.clone()).await {
                Ok(callers) => match callers.turn(1, Duration::from_millis(1)).await? {
                    Turn { failed: 0, .. } => return Ok(()),
                    turn => turn.why.unwrap_or_default(),
                },
                Err(error) => error.to_string(),
            };
            ensure!(Instant::now() < end, "no start comes through Envoy: {why}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A turn, and the CPU seconds that the control server, Envoy and the bench used for it.
    async fn turn(
        &mut self,
        callers: &Callers,
        clients: usize,
        time: Duration,
    ) -> anyhow::Result<(Turn, [f64; 3])> {
        let before = self.cpu()?;
        let turn = callers.turn(clients, time).await?;
        let mut used = self.cpu()?;
        used.iter_mut().zip(before).for_each(|(used, before)| *used -= before);
        self.stage.serve.check()?;
        self.envoy.process.check()?;
        Ok((turn, used))
    }

    fn cpu(&self) -> anyhow::Result<[f64; 3]> {
        let own = process::cpu(std::process::id())?;
        let all = [self.stage.serve.cpu()?, self.envoy.process.cpu()?, own];
        Ok(all.map(|time| time.as_secs_f64()))
    }
}
