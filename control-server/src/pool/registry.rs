//! All pools: finds a poll's, and makes it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::Status;

use super::changes::gone;
use super::departed::Departed;
use super::event::{PollId, WorkerId};
use super::key::{Poll, PoolKey};
use super::limits::ParkedLimits;
use super::newest::Newest;
use super::shell::{Answer, Arrival, Message, Offered, Shell, Surroundings};
use super::status::PoolStatus;
use super::totals::Totals;
use crate::config::Limits;
use crate::metrics::Metrics;
use crate::replicas::Replicas;
use crate::topology::VirtualNamespace;

/// How often a stop looks whether all is done.
const LOOK: Duration = Duration::from_millis(20);

/// All pools, and what they are about.
#[derive(Debug, Default)]
struct Pools {
    by_key: HashMap<PoolKey, Entry>,
    namespaces: Newest,
}

/// A pool.
#[derive(Debug)]
struct Entry {
    namespace: Arc<str>,
    pool: mpsc::UnboundedSender<Message>,
}

/// The pools of this control server.
#[derive(Debug)]
pub struct Registry {
    pools: Mutex<Pools>,
    next_poll: AtomicU64,
    parked: Arc<ParkedLimits>,
    around: Surroundings,
    left: Mutex<Departed>,
    most_pools: usize,
    draining: AtomicBool,
    metrics: Arc<Metrics>,
}

impl Registry {
    /// No pools yet.
    #[must_use]
    pub fn new(limits: Limits, replicas: Arc<Replicas>, metrics: Arc<Metrics>) -> Arc<Self> {
        let (totals, most_pools) = (Totals::new(limits.held_tasks), limits.pools);
        Arc::new(Self {
            pools: Mutex::default(),
            next_poll: AtomicU64::new(0),
            parked: ParkedLimits::new(limits),
            around: Surroundings { server: replicas.server().clone(), replicas, totals },
            left: Mutex::default(),
            most_pools,
            draining: AtomicBool::new(false),
            metrics,
        })
    }

    /// Parks a worker's poll until its pool has an answer. `connection` is the worker's, as the
    /// filter names it.
    ///
    /// Dropping the future takes the poll out of its pool.
    pub async fn park(
        self: &Arc<Self>,
        namespace: &Arc<VirtualNamespace>,
        poll: Poll,
        connection: &str,
        answer_by: Instant,
    ) -> Result<Answer, Status> {
        if self.departed().has(poll.worker) {
            return Ok(Answer { body: Bytes::new(), receipt: None });
        }
        let entered = self.parked.enter(&namespace.name, connection);
        let _parked = entered.map_err(|full| {
            self.metrics.parked_full(full);
            full.status()
        })?;
        let id = PollId(self.next_poll.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        let worker = poll.worker;
        let namespace = namespace.clone();
        let pool = self.send(Box::new(Arrival { id, poll, namespace, answer_by, answer }))?;
        let mut leaving = Leaving { id, pool: Some(pool) };
        if self.departed().has(worker) {
            // It left while its poll came; the poll leaves its pool with this function.
            return Ok(Answer { body: Bytes::new(), receipt: None });
        }
        let result = answered.await;
        leaving.pool = None;
        result.unwrap_or_else(|_| {
            Err(Status::unavailable("the pool of this task queue has ended; poll again"))
        })
    }

    /// Ends the waiting polls of a worker that shuts down, with empty answers; one that was on its
    /// way meanwhile as well.
    pub fn worker_left(&self, worker: WorkerId) {
        self.departed().add(worker);
        self.tell_all(|| Message::WorkerLeft(worker));
    }

    /// Hands a task that another replica offers to a worker that waits for it. Whether one does.
    pub async fn take(&self, key: &PoolKey, task: Offered, taken: oneshot::Receiver<bool>) -> bool {
        let pool = self.lock().by_key.get(key).map(|entry| entry.pool.clone());
        let Some(pool) = pool else { return false };
        // A pool that has just ended has no polls.
        pool.send(Message::Offered(Box::new(task))).is_ok() && taken.await.unwrap_or(false)
    }

    /// Tells all pools of a virtual namespace that it has these members now. A pool hears it also from the
    /// next poll that comes with them.
    pub fn members_changed(&self, namespace: &Arc<VirtualNamespace>) {
        let mut pools = self.lock();
        if pools.namespaces.changed(namespace) {
            pools.tell(&namespace.name, || Message::MembersChanged(namespace.clone()));
        }
    }

    /// Ends the waiting polls of a virtual namespace that is no more, and refuses further ones. Its pools open
    /// nothing more; what clusters have given them is held, offered and given back as ever.
    pub fn namespace_gone(&self, name: &str) {
        let mut pools = self.lock();
        pools.namespaces.gone(name);
        pools.tell(name, || Message::NamespaceGone);
    }

    /// How the pools stand, in no order.
    pub async fn status(&self) -> Vec<PoolStatus> {
        let mut answers = Vec::new();
        self.tell_all(|| {
            let (reply, answer) = oneshot::channel();
            answers.push(answer);
            Message::Status(reply)
        });
        join_all(answers).await.into_iter().flatten().collect()
    }

    /// Opens no further poll on any cluster, answers the polls that wait as far as they are not
    /// needed for what is on its way, and waits until nothing is, at most for `limit`.
    ///
    /// Returns the pools that still hold tasks then.
    pub async fn drain(&self, limit: Duration) -> Vec<PoolStatus> {
        self.draining.store(true, Ordering::Relaxed);
        self.tell_all(|| Message::Drain);
        // Their answers come after what they were told before.
        self.status().await;
        let until = Instant::now() + limit;
        while !self.around.totals.is_clear() && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
        let mut left = self.status().await;
        left.retain(|pool| pool.held_tasks > 0);
        left
    }

    fn tell_all(&self, mut message: impl FnMut() -> Message) {
        for Entry { pool, .. } in self.lock().by_key.values() {
            // A pool that has just ended has nothing to do with it.
            let _ = pool.send(message());
        }
    }

    /// Sends under the lock, so that a pool does not end with a poll on its way to it.
    fn send(
        self: &Arc<Self>,
        mut arrival: Box<Arrival>,
    ) -> Result<mpsc::UnboundedSender<Message>, Status> {
        let mut pools = self.lock();
        let newest = pools.namespaces.of(&arrival.namespace);
        arrival.namespace = newest.ok_or_else(|| gone(&arrival.poll.namespace))?;
        let Pools { by_key, .. } = &mut *pools;
        // A pool leaves the map before it ends, under the lock; one that is closed here has failed.
        let pool = match by_key.get(&arrival.poll.key).filter(|entry| !entry.pool.is_closed()) {
            Some(entry) => entry.pool.clone(),
            None if by_key.len() >= self.most_pools => {
                return Err(Status::resource_exhausted(
                    "there are as many task queues with polls as may be; raise limits.pools or add a control server",
                ));
            }
            None => {
                let pool = self.start(&arrival);
                let namespace = arrival.namespace.name.clone();
                by_key.insert(arrival.poll.key.clone(), Entry { namespace, pool: pool.clone() });
                pool
            }
        };
        let _ = pool.send(Message::Came(arrival));
        Ok(pool)
    }

    fn start(
        self: &Arc<Self>,
        Arrival { namespace, poll, .. }: &Arrival,
    ) -> mpsc::UnboundedSender<Message> {
        let (sender, messages) = mpsc::unbounded_channel();
        let metrics = self.metrics.pool(&namespace.name, poll.method.name);
        let around = self.around.clone();
        let shell = Shell::new(namespace, poll.clone(), around, sender.clone(), metrics);
        if self.draining.load(Ordering::Relaxed) {
            let _ = sender.send(Message::Drain);
        }
        let (registry, key) = (self.clone(), poll.key.clone());
        tokio::spawn(shell.run(messages, move |messages| {
            let mut pools = registry.lock();
            let ends = messages.is_empty();
            if ends {
                pools.by_key.remove(&key);
            }
            ends
        }));
        sender
    }

    fn departed(&self) -> MutexGuard<'_, Departed> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Pools> {
        // The map is whole whatever panicked beside it.
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pools {
    /// Tells all pools of a namespace.
    fn tell(&self, namespace: &str, message: impl Fn() -> Message) {
        for entry in self.by_key.values().filter(|entry| *entry.namespace == *namespace) {
            // A pool that has just ended has nothing to do with it.
            let _ = entry.pool.send(message());
        }
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
