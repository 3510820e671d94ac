//! The same tasks over several ways, in turn.
//!
//! Each way has workers and queues of its own, all parked all the time on the same clusters; tasks
//! come to one way's queues after the other's. So what slows the machine for a while hits all alike.

use std::time::Duration;

use super::arrivals::{Pattern, inject};
use super::fleet::{Fleet, Plan};
use super::ledger::Outcome;
use super::messages::Kind;
use super::stage::{Stage, Way};
use super::{Programs, SDK_DEADLINE, options, settle};

/// How long the last task may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long polls may take to park, on the clusters too.
const PARKING: Duration = Duration::from_secs(3);

/// What latency and sync have in common.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Task queues of each way.
    #[arg(long, default_value_t = 20, value_parser = options::at_least_one)]
    queues: usize,
    /// Pollers of each way, which its queues share evenly.
    #[arg(long, default_value_t = 400, value_parser = options::at_least_one)]
    pollers: usize,
    /// Null clusters.
    #[arg(long, default_value_t = 4, value_parser = options::at_least_one)]
    clusters: usize,
    /// What is polled for.
    #[arg(long, value_enum, default_value = "activity")]
    kind: Kind,
}

/// Every way's workers, at work.
pub struct Sides {
    stage: Stage,
    sides: Vec<Side>,
}

struct Side {
    way: Way,
    plan: Plan,
    fleet: Fleet,
    /// So far: see [`Turn::faults`].
    faults: u64,
}

/// What one turn showed.
pub struct Turn {
    /// What became of its tasks.
    pub outcome: Outcome,
    /// CPU for each task, in µs: the control server's and Envoy's.
    pub cpu: (f64, f64),
    /// Polls of the way's workers that failed, and polls that were cancelled on clusters, since the
    /// turn before.
    pub faults: u64,
}

impl Options {
    /// For titles.
    pub fn describe(&self) -> String {
        format!(
            "{:?} tasks, {} queues on {} null clusters, {} pollers",
            self.kind, self.queues, self.clusters, self.pollers
        )
    }
}

impl Sides {
    /// Starts the programs and every way's workers.
    pub async fn start(
        options: &Options,
        programs: &Programs,
        ways: &[Way],
    ) -> anyhow::Result<Self> {
        let with_envoy = ways.contains(&Way::Envoy);
        let stage = Stage::start(programs, options.clusters, Duration::ZERO, with_envoy).await?;
        let mut sides = Vec::new();
        for &way in ways {
            let plan = Plan {
                kind: options.kind,
                addresses: stage.addresses(way),
                prefix: format!("{way:?}"),
                queues: options.queues,
                pollers: options.pollers,
                deadline: SDK_DEADLINE,
                first: None,
            };
            let fleet = plan.start(&stage.ledger).await?;
            sides.push(Side { way, plan, fleet, faults: 0 });
        }
        tokio::time::sleep(PARKING).await;
        Ok(Self { stage, sides })
    }

    /// One turn of every way with the same arrivals, in their order. Tasks of the first `warm_up` do
    /// not count: a pool learns the rate of its tasks from them.
    pub async fn round(
        &mut self,
        pattern: Pattern,
        warm_up: Duration,
        length: Duration,
        seed: u64,
    ) -> anyhow::Result<Vec<Turn>> {
        let mut turns = Vec::new();
        for side in &mut self.sides {
            let stage = &mut self.stage;
            let queues: Vec<_> = (0..side.plan.queues).map(|n| side.plan.queue(n)).collect();
            let clusters = stage.clusters.clone();
            let early = pattern.arrivals(warm_up, !seed);
            inject(&clusters, queues.clone(), early, !seed).await?;

            let (from, before) = (stage.ledger.len(), stage.cpu()?);
            inject(&clusters, queues, pattern.arrivals(length, seed), seed).await?;
            let after = stage.cpu()?;
            let outcome = settle(&stage.ledger, from, PATIENCE).await;
            let each = |after: f64, before: f64| 1e6 * (after - before) / outcome.injected as f64;
            let cpu = (each(after.0, before.0), each(after.1, before.1));
            let so_far = side.fleet.ended().failed + stage.count(|counts| &counts.cancelled);
            let faults = so_far - std::mem::replace(&mut side.faults, so_far);
            turns.push(Turn { outcome, cpu, faults });
            stage.check()?;
        }
        Ok(turns)
    }

    /// Says why polls failed, if any did.
    pub fn explain(&self) {
        for Side { way, fleet, .. } in &self.sides {
            let ended = fleet.ended();
            if let Some(why) = ended.why {
                eprintln!("{} polls of way {} failed; the first: {why}", ended.failed, way.name());
            }
        }
    }
}
