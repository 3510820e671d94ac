//! Workers: many pollers that poll again as soon as they have an answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::client::Client;
use super::ledger::Ledger;
use super::messages::{self, Kind};
use crate::frame;

/// How long a poller waits after a failure, as SDKs do.
const PAUSE: Duration = Duration::from_millis(200);

/// Pollers on one connection at most.
const ON_A_CONNECTION: usize = 1_000;
/// Connections to each address at least: workers are many processes.
const CONNECTIONS: usize = 4;

/// Pollers that start together, and between two such groups: 5,000 a second. All at once would
/// measure a restart of everything, not what comes after it.
const TOGETHER: usize = 100;
const APART: Duration = Duration::from_millis(20);

/// The pollers of one side.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What they poll for.
    pub kind: Kind,
    /// Where they poll: each at one of these, evenly.
    pub addresses: Vec<SocketAddr>,
    /// Before the number of each queue.
    pub prefix: String,
    /// Queues, which pollers share evenly.
    pub queues: usize,
    /// Pollers.
    pub pollers: usize,
    /// Their polls' deadline.
    pub deadline: Duration,
    /// The least and the most of the pollers' first deadlines, spread evenly, so that polls come
    /// back as those of workers that were not all started in the same second.
    pub first: Option<(Duration, Duration)>,
}

/// Pollers at work. They stop when it is dropped; their polls are cancelled.
pub struct Fleet {
    counts: Arc<Counts>,
    _pollers: JoinSet<()>,
}

/// What pollers count.
#[derive(Debug, Default)]
struct Counts(Mutex<Ended>);

/// How polls ended so far.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// Polls that were answered empty.
    pub empty: u64,
    /// Polls that failed.
    pub failed: u64,
    /// Why the first of them did.
    pub why: Option<String>,
}

impl Plan {
    /// A queue's name.
    pub fn queue(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// Connects and starts every poller.
    pub async fn start(&self, ledger: &Arc<Ledger>) -> anyhow::Result<Fleet> {
        let counts = Arc::new(Counts::default());
        let mut pollers = JoinSet::new();
        let each = self.pollers.div_ceil(self.addresses.len());
        for (place, &address) in self.addresses.iter().enumerate() {
            let mut clients = Vec::new();
            for _ in 0..each.div_ceil(ON_A_CONNECTION).max(CONNECTIONS) {
                clients.push(Client::connect(address).await?);
            }
            let here = (place * each)..((place + 1) * each).min(self.pollers);
            for (number, client) in here.zip(clients.iter().cycle()) {
                // Every address has pollers of every queue.
                let queue = self.queue((number - place * each) % self.queues);
                let poller = Poller {
                    client: client.clone(),
                    kind: self.kind,
                    body: frame::plain(&messages::poll(&queue, number)),
                    counts: counts.clone(),
                    ledger: ledger.clone(),
                };
                pollers.spawn(poller.run(self.first_deadline(number), self.deadline));
                if number % TOGETHER == 0 {
                    tokio::time::sleep(APART).await;
                }
            }
        }
        Ok(Fleet { counts, _pollers: pollers })
    }

    fn first_deadline(&self, number: usize) -> Duration {
        // Multiples of the golden ratio are spread evenly, however many there are.
        const GOLDEN: f64 = 0.618_033_988_749_895;
        let Some((least, most)) = self.first else { return self.deadline };
        let spread = (most - least).mul_f64((number as f64 * GOLDEN).fract());
        Duration::from_millis((least + spread).as_millis() as u64)
    }
}

impl Fleet {
    /// How polls ended so far.
    pub fn ended(&self) -> Ended {
        self.counts.ended().clone()
    }
}

impl Counts {
    fn ended(&self) -> MutexGuard<'_, Ended> {
        // Sums are whole whatever panicked beside them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Poller {
    client: Client,
    kind: Kind,
    body: Bytes,
    counts: Arc<Counts>,
    ledger: Arc<Ledger>,
}

impl Poller {
    async fn run(mut self, first: Duration, later: Duration) {
        let mut deadline = first;
        loop {
            let answer = self.client.call(self.kind.method(), self.body.clone(), deadline).await;
            match answer.map(|answer| messages::task_number(&answer)) {
                Ok(Some(number)) => self.ledger.received(number),
                Ok(None) => self.counts.ended().empty += 1,
                Err(error) => {
                    self.counts.ended().failed(&error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
            deadline = later;
        }
    }
}

impl Ended {
    fn failed(&mut self, error: &anyhow::Error) {
        self.failed += 1;
        self.why.get_or_insert_with(|| format!("{error:#}"));
    }
}
