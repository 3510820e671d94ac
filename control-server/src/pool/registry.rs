//! All pools: finds a poll's, and makes it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::Status;

use super::event::{PollId, WorkerId};
use super::key::{Poll, PoolKey};
use super::machine::Pool;
use super::shell::{Arrival, Message, Shell};
use crate::metrics::Metrics;
use crate::topology::VirtualNamespace;

type Pools = HashMap<PoolKey, mpsc::UnboundedSender<Message>>;

/// The pools of this control server.
#[derive(Debug)]
pub struct Registry {
    pools: Mutex<Pools>,
    next_poll: AtomicU64,
    parked: AtomicUsize,
    most_parked: usize,
    /// The instance key of all polls that pools open: new with each start.
    instance_key: Arc<str>,
    metrics: Arc<Metrics>,
}

impl Registry {
    /// No pools yet. At most `most_parked` polls wait at the same time.
    #[must_use]
    pub fn new(most_parked: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            pools: Mutex::default(),
            next_poll: AtomicU64::new(0),
            parked: AtomicUsize::new(0),
            most_parked,
            instance_key: format!("panko-{}", uuid::Uuid::new_v4()).into(),
            metrics,
        })
    }

    /// Parks a worker's poll until its pool has an answer.
    ///
    /// Dropping the future takes the poll out of its pool.
    pub async fn park(
        self: &Arc<Self>,
        namespace: &Arc<VirtualNamespace>,
        poll: Poll,
        answer_by: Instant,
    ) -> Result<Bytes, Status> {
        let _parked = Parked::enter(self)?;
        let id = PollId(self.next_poll.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        let key = poll.key.clone();
        let arrival = Box::new(Arrival { id, poll, answer_by, answer });
        let pool = self.send(namespace, &key, arrival);
        let mut leaving = Leaving { id, pool: Some(pool) };
        let result = answered.await;
        leaving.pool = None;
        result.unwrap_or_else(|_| {
            Err(Status::unavailable("the pool of this task queue has ended; poll again"))
        })
    }

    /// Ends the waiting polls of a worker that shuts down, with empty answers.
    pub fn worker_left(&self, worker: WorkerId) {
        for pool in self.lock().values() {
            // A pool that has just ended has no polls.
            let _ = pool.send(Message::WorkerLeft(worker));
        }
    }

    /// Sends under the lock, so that a pool does not end with a poll on its way to it.
    fn send(
        self: &Arc<Self>,
        namespace: &Arc<VirtualNamespace>,
        key: &PoolKey,
        arrival: Box<Arrival>,
    ) -> mpsc::UnboundedSender<Message> {
        let mut pools = self.lock();
        let pool = match pools.get(key) {
            Some(pool) => pool.clone(),
            None => {
                let pool = self.start(namespace, key, &arrival.poll);
                pools.insert(key.clone(), pool.clone());
                pool
            }
        };
        // It listens: it leaves the map before it ends, under the lock.
        let _ = pool.send(Message::Came(arrival));
        pool
    }

    fn start(
        self: &Arc<Self>,
        namespace: &Arc<VirtualNamespace>,
        key: &PoolKey,
        poll: &Poll,
    ) -> mpsc::UnboundedSender<Message> {
        let (sender, messages) = mpsc::unbounded_channel();
        let shell = Shell::new(
            Pool::new(poll.kind, namespace.members.len()),
            namespace.clone(),
            self.instance_key.clone(),
            sender.clone(),
            self.metrics.pool(&poll.namespace, poll.method.name),
        );
        let (registry, key) = (self.clone(), key.clone());
        tokio::spawn(shell.run(messages, move |messages| {
            let mut pools = registry.lock();
            let ends = messages.is_empty();
            if ends {
                pools.remove(&key);
            }
            ends
        }));
        sender
    }

    fn lock(&self) -> MutexGuard<'_, Pools> {
        // The map is whole whatever panicked beside it.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a parked poll as long as it lives.
struct Parked(Arc<Registry>);

impl Parked {
    fn enter(registry: &Arc<Registry>) -> Result<Self, Status> {
        let before = registry.parked.fetch_add(1, Ordering::Relaxed);
        let guard = Self(registry.clone());
        if before >= registry.most_parked {
            registry.metrics.parked_full();
            return Err(Status::resource_exhausted(format!(
                "{before} polls wait here already; raise limits.parked_polls or add a control server"
            )));
        }
        Ok(guard)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.parked.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes a poll out of its pool when its worker goes away.
struct Leaving {
    id: PollId,
    pool: Option<mpsc::UnboundedSender<Message>>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            // A pool that has ended has no polls.
            let _ = pool.send(Message::Left(self.id));
        }
    }
}
