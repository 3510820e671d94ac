//! Starts in a closed loop: so many callers, each with one start on its way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use panko_routing::{Key, SLOTS};
use tokio::task::JoinSet;

use crate::frame;
use crate::polls::client::Client;
use crate::requests;

/// Bytes of a start.
const SIZE: usize = 300;

/// The deadline that SDKs give a start.
const DEADLINE: Duration = Duration::from_secs(10);

/// Callers on one connection.
const ON_A_CONNECTION: usize = 8;

/// Slots, by their number.
pub type Slots = Arc<Vec<bool>>;

/// Callers of one side, between two turns.
pub struct Callers {
    connections: Vec<Client>,
    slots: Slots,
    /// Makes each id another one.
    next: Arc<AtomicU64>,
}

/// What one turn showed.
#[derive(Debug, Default)]
pub struct Turn {
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How long each start took, in milliseconds, sorted.
    pub times: Vec<f64>,
    /// Starts that failed.
    pub failed: u64,
    /// Why the first did.
    pub why: Option<String>,
}

impl Callers {
    /// Connects to Envoy. Ids are such as hash to these slots.
    pub async fn connect(envoy: SocketAddr, callers: usize, slots: Slots) -> anyhow::Result<Self> {
        anyhow::ensure!(slots.len() == SLOTS && slots.contains(&true), "no slots to start on");
        let mut connections = Vec::new();
        for _ in 0..callers.div_ceil(ON_A_CONNECTION) {
            connections.push(Client::connect(envoy).await?);
        }
        Ok(Self { connections, slots, next: Arc::default() })
    }

    /// Has so many callers start workflows for so long. Every start that began is waited for.
    pub async fn turn(&self, callers: usize, time: Duration) -> anyhow::Result<Turn> {
        let (began, mut running) = (Instant::now(), JoinSet::new());
        for client in self.connections.iter().cycle().take(callers) {
            let caller = Caller {
                client: client.clone(),
                slots: self.slots.clone(),
                next: self.next.clone(),
            };
            running.spawn(caller.run(began + time));
        }
        let mut turn = Turn::default();
        while let Some(done) = running.join_next().await {
            let of_caller = done?;
            turn.times.extend(of_caller.times);
            turn.failed += of_caller.failed;
            turn.why = turn.why.or(of_caller.why);
        }
        turn.times.sort_by(f64::total_cmp);
        turn.seconds = began.elapsed().as_secs_f64();
        Ok(turn)
    }
}

struct Caller {
    client: Client,
    slots: Slots,
    next: Arc<AtomicU64>,
}

impl Caller {
    async fn run(mut self, end: Instant) -> Turn {
        let mut turn = Turn::default();
        while Instant::now() < end {
            let body = frame::plain(&requests::start_of(&self.id(), SIZE - frame::PREFIX));
            let began = Instant::now();
            match self.client.call("StartWorkflowExecution", body, DEADLINE).await {
                Ok(_) => turn.times.push(began.elapsed().as_secs_f64() * 1e3),
                Err(error) => {
                    turn.failed += 1;
                    turn.why.get_or_insert_with(|| format!("{error:#}"));
                }
            }
        }
        turn
    }

    /// An id that nobody has, on one of the slots.
    fn id(&self) -> String {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let id = format!("order-{number:012}");
            let slot = Key { kind: "workflow", id: id.as_bytes() }.slot();
            if self.slots.get(slot.index()).is_some_and(|wanted| *wanted) {
                return id;
            }
        }
    }
}

impl Turn {
    /// The time that this share of the starts took at most.
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.times.len().saturating_sub(1) as f64;
        self.times.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_read_from_sorted_times() {
        let turn = Turn { times: (0..=100).map(f64::from).collect(), ..Turn::default() };
        assert_eq!((turn.quantile(0.5), turn.quantile(0.99)), (50.0, 99.0));
        assert!(Turn::default().quantile(0.5).is_nan());
    }
}
