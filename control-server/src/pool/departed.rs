//! Workers that have shut down: a poll of theirs that is still on its way is not to wait for a task.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::event::WorkerId;

/// For how long they are remembered: the longest that an SDK's poll may be on its way.
const REMEMBERED: Duration = Duration::from_secs(70);

/// The most of them; the oldest are forgotten first.
const MOST: usize = 100_000;

/// Those that have left lately.
#[derive(Debug, Default)]
pub struct Departed {
    workers: HashSet<WorkerId>,
    order: VecDeque<(Instant, WorkerId)>,
}

impl Departed {
    /// A worker has left.
    pub fn add(&mut self, worker: WorkerId) {
        let now = Instant::now();
        while let Some(&(since, oldest)) = self.order.front()
            && (self.order.len() >= MOST || now - since >= REMEMBERED)
        {
            self.order.pop_front();
            self.workers.remove(&oldest);
        }
        if self.workers.insert(worker) {
            self.order.push_back((now, worker));
        }
    }

    /// Whether a worker has left.
    #[must_use]
    pub fn has(&self, worker: WorkerId) -> bool {
        self.workers.contains(&worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn workers_are_remembered_for_a_while() {
        let mut departed = Departed::default();
        departed.add(WorkerId(1));
        tokio::time::advance(REMEMBERED / 2).await;
        departed.add(WorkerId(2));
        assert!(departed.has(WorkerId(1)) && departed.has(WorkerId(2)));
        tokio::time::advance(REMEMBERED / 2).await;
        departed.add(WorkerId(3));
        assert!(!departed.has(WorkerId(1)) && departed.has(WorkerId(2)));
    }
}
