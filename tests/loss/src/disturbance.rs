//! What goes wrong during a load.

use std::time::Duration;

use anyhow::Result;
use panko_control_server::dev::Sandbox;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::crew::Crew;

/// What goes wrong during a load.
#[derive(Debug, Clone, Copy)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// Workers are restarted.
    Workers { who: Who, how: How, every: Duration },
    /// The control servers are restarted in turn.
    ControlServers { every: Duration },
    /// A cluster is stopped once, and started again.
    Cluster { after: Duration, lasts: Duration },
    /// All workers leave once, and come back.
    Away { after: Duration, lasts: Duration },
}

/// Which worker it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Each in turn.
    InTurn,
    /// Always the first.
    First,
}

/// How a worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is told to (SIGTERM), and finishes what it has.
    Told,
    /// It is killed (SIGKILL).
    Killed,
}

/// Who may be disturbed.
pub struct Victims<'a, 'b> {
    pub crew: &'a mut Crew<'b>,
    pub sandbox: &'a mut Sandbox,
    /// The cluster that [`Disturbance::Cluster`] stops.
    pub cluster: &'a str,
}

/// Unless something happens at fixed times: what its losses are counted by.
const PERIOD: Duration = Duration::from_secs(5);

impl Disturbance {
    /// How long it is from one accident to the next: see [`crate::exact`].
    #[must_use]
    pub fn period(&self) -> Duration {
        match self {
            Self::Workers { every, .. } | Self::ControlServers { every } => *every,
            Self::None | Self::Cluster { .. } | Self::Away { .. } => PERIOD,
        }
    }

    /// Disturbs until the load is over. What has been stopped is started again before the end.
    pub async fn run(
        self,
        victims: Victims<'_, '_>,
        mut over: watch::Receiver<bool>,
    ) -> Result<()> {
        let began = Instant::now();
        match self {
            Self::None => Ok(()),
            Self::Workers { who, how, every } => {
                for turn in 0.. {
                    if comes_first(&mut over, began + every * (turn + 1)).await {
                        break;
                    }
                    let worker = if who == Who::First { 0 } else { turn as usize };
                    victims.crew.restart(worker, how).await?;
                }
                Ok(())
            }
            Self::ControlServers { every } => {
                let servers = victims.sandbox.addresses().control_servers.clone();
                for (turn, server) in (1..).zip(servers.iter().cycle()) {
                    if comes_first(&mut over, began + every * turn).await {
                        break;
                    }
                    victims.sandbox.restart_part(&server.name).await?;
                }
                Ok(())
            }
            Self::Cluster { after, lasts } => {
                if !comes_first(&mut over, began + after).await {
                    victims.sandbox.stop_part(victims.cluster).await?;
                    tokio::time::sleep(lasts).await;
                    victims.sandbox.start_part(victims.cluster).await?;
                }
                Ok(())
            }
            Self::Away { after, lasts } => {
                if !comes_first(&mut over, began + after).await {
                    victims.crew.leave().await?;
                    tokio::time::sleep(lasts).await;
                    victims.crew.come().await?;
                }
                Ok(())
            }
        }
    }
}

/// Waits for a time; true when the load is over first.
async fn comes_first(over: &mut watch::Receiver<bool>, time: Instant) -> bool {
    tokio::select! {
        // An error means that nobody will say it, since the turn is given up.
        _ = over.wait_for(|over| *over) => true,
        () = sleep_until(time) => false,
    }
}
