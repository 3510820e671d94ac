//! A null cluster: a stand-in for a Temporal frontend that keeps nothing and matches tasks to polls
//! in memory.
//!
//! It answers what the control server asks, parks polls by task queue as a server does (empty one
//! second before their deadline; a task that is matched at the last moment still goes out), hands a
//! task to the poll that has waited longest, and keeps one that finds none for the next. It costs a
//! real cluster nothing, so what is measured beside it is Panko.

mod serve;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::ledger::Ledger;
use crate::server;

/// One null cluster.
#[derive(Debug)]
pub struct NullCluster {
    /// What it counts.
    pub counts: Counts,
    /// The UUID of its namespace.
    uuid: String,
    /// How much later than a server it answers polls that found nothing.
    late: Duration,
    matching: Matching,
}

/// What a null cluster counts.
#[derive(Debug, Default)]
pub struct Counts {
    /// Polls so far.
    pub polls: AtomicU64,
    /// Polls that are open now.
    pub open: AtomicU64,
    /// Polls that their caller cancelled (RST_STREAM). The pool never does.
    pub cancelled: AtomicU64,
    /// Tasks that workers or the pool gave back.
    pub given_back: AtomicU64,
}

/// The tasks and the polls that wait for them.
#[derive(Debug)]
struct Matching {
    ledger: Arc<Ledger>,
    queues: Mutex<HashMap<Vec<u8>, Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    /// By number, in the order in which they came.
    parked: BTreeMap<u64, oneshot::Sender<usize>>,
    next: u64,
    backlog: VecDeque<usize>,
}

/// What a poll finds.
enum Found {
    /// A task that waited.
    Task(usize),
    /// Nothing yet: the number under which the poll waits, and where a task comes.
    Parked(u64, oneshot::Receiver<usize>),
}

impl NullCluster {
    /// Cluster number `number`, which nobody reaches yet. It answers polls that found nothing `late`.
    pub fn new(number: usize, ledger: Arc<Ledger>, late: Duration) -> Arc<Self> {
        let uuid = format!("5ca1ab1e-0000-4000-8000-{number:012x}");
        let matching = Matching { ledger, queues: Mutex::default() };
        Arc::new(Self { counts: Counts::default(), uuid, late, matching })
    }

    /// Serves it on a free port of the loopback for as long as the runtime lives.
    pub async fn serve(self: &Arc<Self>) -> std::io::Result<SocketAddr> {
        let cluster = self.clone();
        server::serve(move |stream| serve::answer(cluster.clone(), stream)).await
    }

    /// Makes a task: for the poll that has waited longest, or for the next one.
    pub fn inject(&self, queue: &str) {
        self.matching.inject(queue.as_bytes());
    }
}

impl Counts {
    /// Reads one of them.
    pub fn get(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }
}

impl Matching {
    fn inject(&self, queue: &[u8]) {
        let number = self.ledger.inject();
        let mut queues = self.lock();
        let queue = queues.entry(queue.to_vec()).or_default();
        while let Some((_, poll)) = queue.parked.pop_first() {
            // A poll that has just gone takes nothing.
            if poll.send(number).is_ok() {
                self.ledger.sync(number);
                return;
            }
        }
        queue.backlog.push_back(number);
    }

    fn poll(&self, queue: &[u8]) -> Found {
        let mut queues = self.lock();
        let queue = queues.entry(queue.to_vec()).or_default();
        if let Some(task) = queue.backlog.pop_front() {
            return Found::Task(task);
        }
        let (give, given) = oneshot::channel();
        let number = queue.next;
        queue.next += 1;
        queue.parked.insert(number, give);
        Found::Parked(number, given)
    }

    /// Ends a poll's wait: afterwards it gets no task that it does not have already.
    fn leave(&self, queue: &[u8], number: u64) {
        if let Some(queue) = self.lock().get_mut(queue) {
            queue.parked.remove(&number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Queue>> {
        // Nothing is left half done when something panics beside it.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching() -> Matching {
        Matching { ledger: Arc::default(), queues: Mutex::default() }
    }

    #[test]
    fn a_task_goes_to_the_poll_that_has_waited_longest() {
        let matching = matching();
        let Found::Parked(_, mut first) = matching.poll(b"q") else { panic!("a task") };
        let Found::Parked(_, mut second) = matching.poll(b"q") else { panic!("a task") };
        matching.inject(b"q");
        assert_eq!((first.try_recv().ok(), second.try_recv().ok()), (Some(0), None));
        assert_eq!(matching.ledger.since(0).sync, 1);
    }

    #[test]
    fn a_task_without_a_poll_waits_for_the_next() {
        let matching = matching();
        let Found::Parked(number, given) = matching.poll(b"q") else { panic!("a task") };
        matching.leave(b"q", number);
        drop(given);
        matching.inject(b"q");
        assert!(matches!(matching.poll(b"q"), Found::Task(0)));
        assert_eq!(matching.ledger.since(0).sync, 0);
    }
}
