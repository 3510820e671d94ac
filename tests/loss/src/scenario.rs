//! What happens during a load, and what is promised then.

use std::time::Duration;

use clap::ValueEnum;

use crate::disturbance::{Disturbance, How, Who};
use crate::load::{Load, Work};
use crate::promise::Promise;
use crate::worker::Shape;

/// The scenarios by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// 25 workflows a second, two workers that stay.
    Steady,
    /// … and every 5 s one of them in turn ends as it was told, and is started again.
    Restarts,
    /// … and every 5 s one of them in turn is killed, and started again.
    Kills,
    /// 100 workflows in flight at any time; one of two workers restarts every 5 s.
    InFlight,
    /// 25 workflows a second, and two control servers restart in turn.
    ControlServers,
    /// 25 workflows a second, and a cluster is stopped and started again.
    Cluster,
    /// Long activities with heartbeats, more than workers with one slot can take.
    OneSlot,
    /// All workers leave for 30 s while 25 workflows a second arrive.
    Away,
    /// One task a second, one worker with one poller of each kind, two clusters.
    Scarce,
    /// The same on eight clusters.
    #[value(name = "scarce-8")]
    #[serde(rename = "scarce-8")]
    Scarce8,
}

/// One scenario.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Clusters behind Panko.
    pub clusters: u8,
    /// Control servers.
    pub control_servers: u8,
    /// Worker processes.
    pub workers: usize,
    /// What they are like.
    pub shape: Shape,
    /// What is started.
    pub load: Load,
    /// What each workflow does.
    pub work: Work,
    /// What goes wrong meanwhile.
    pub disturbance: Disturbance,
    /// What is promised of Panko.
    pub promise: Promise,
}

/// The rate of the load in which tasks are counted.
const RATE: f64 = 25.0;

/// Between two restarts.
const EVERY: Duration = Duration::from_secs(5);

/// One task a second, for so long that the hundredth part of them is more than one.
const SCARCE: u32 = 120;

/// The least that fills the time before, while and after the workers are away.
const AWAY: u32 = 1_250;

/// How many activities each worker of `one-slot` has to do.
const BACKLOG: u32 = 6;
const ONE_SLOT_WORKERS: u32 = 2;

impl Name {
    /// The scenario, with so many workflows where [`RATE`] start a second, and activities of
    /// `one-slot` that take so long.
    #[must_use]
    pub fn scenario(self, workflows: u32, activity_seconds: u32) -> Scenario {
        let steady = Scenario {
            clusters: 2,
            control_servers: 1,
            workers: 2,
            shape: Shape::default(),
            load: Load::Rate { per_second: RATE, workflows },
            work: Work::SHORT,
            disturbance: Disturbance::None,
            promise: Promise::Zero,
        };
        let restarts = |who, how| Disturbance::Workers { who, how, every: EVERY };
        match self {
            Name::Steady => steady,
            Name::Restarts => Scenario {
                disturbance: restarts(Who::InTurn, How::Told),
                promise: Promise::NotWorse,
                ..steady
            },
            Name::Kills => Scenario {
                disturbance: restarts(Who::InTurn, How::Killed),
                promise: Promise::NotWorse,
                ..steady
            },
            Name::InFlight => Scenario {
                load: Load::InFlight { workflows: 100, seconds: f64::from(workflows) / RATE },
                disturbance: restarts(Who::First, How::Told),
                promise: Promise::NotWorse,
                ..steady
            },
            Name::ControlServers => Scenario {
                control_servers: 2,
                disturbance: Disturbance::ControlServers { every: 2 * EVERY },
                ..steady
            },
            Name::Cluster => Scenario {
                disturbance: Disturbance::Cluster { after: 2 * EVERY, lasts: EVERY },
                promise: Promise::NotWorse,
                ..steady
            },
            Name::OneSlot => Scenario {
                shape: Shape { activity_slots: 1, activity_pollers: 1, ..Shape::default() },
                workers: ONE_SLOT_WORKERS as usize,
                load: Load::Rate { per_second: RATE, workflows: ONE_SLOT_WORKERS * BACKLOG },
                work: Work::long(activity_seconds),
                ..steady
            },
            Name::Away => Scenario {
                // They still arrive when the workers are back.
                load: Load::Rate { per_second: RATE, workflows: workflows.max(AWAY) },
                disturbance: Disturbance::Away { after: 2 * EVERY, lasts: 6 * EVERY },
                promise: Promise::HeldOrGivenBack,
                ..steady
            },
            Name::Scarce | Name::Scarce8 => Scenario {
                clusters: if self == Name::Scarce { 2 } else { 8 },
                workers: 1,
                shape: Shape { activity_pollers: 1, workflow_pollers: 1, ..Shape::default() },
                load: Load::Rate { per_second: 1.0, workflows: SCARCE },
                ..steady
            },
        }
    }
}
