//! What became of every task: when it was injected, whether a poll waited for it, when a worker had
//! it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All tasks, by number.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Vec<Task>>);

/// One task.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    injected: Instant,
    sync: bool,
    received: Option<Instant>,
    /// How often workers received it. More than once is a fault.
    times: u32,
}

/// What became of some tasks.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Tasks.
    pub injected: usize,
    /// Tasks for which a poll was open on the cluster.
    pub sync: usize,
    /// Tasks that no worker has received.
    pub missing: usize,
    /// Tasks that came to more than one worker.
    pub doubled: usize,
    /// Of those that were received, the time it took, in milliseconds, sorted.
    pub millis: Vec<f64>,
}

impl Ledger {
    /// A new task's number.
    pub fn inject(&self) -> usize {
        let mut tasks = self.lock();
        tasks.push(Task { injected: Instant::now(), sync: false, received: None, times: 0 });
        tasks.len() - 1
    }

    /// A poll waited for the task.
    pub fn sync(&self, number: usize) {
        if let Some(task) = self.lock().get_mut(number) {
            task.sync = true;
        }
    }

    /// A worker has the task.
    pub fn received(&self, number: usize) {
        let now = Instant::now();
        if let Some(task) = self.lock().get_mut(number) {
            task.received.get_or_insert(now);
            task.times += 1;
        }
    }

    /// How many tasks there are: the number of the next.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// What became of the tasks from number `from` on.
    pub fn since(&self, from: usize) -> Outcome {
        let mut outcome = Outcome::default();
        for task in self.lock().iter().skip(from) {
            outcome.injected += 1;
            outcome.sync += usize::from(task.sync);
            outcome.doubled += usize::from(task.times > 1);
            match task.received {
                Some(at) => outcome.millis.push(millis(at - task.injected)),
                None => outcome.missing += 1,
            }
        }
        outcome.millis.sort_by(f64::total_cmp);
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Task>> {
        // The list is whole whatever panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outcome {
    /// The time within which the share `q` of the tasks was received, in milliseconds.
    pub fn quantile(&self, q: f64) -> f64 {
        let last = self.millis.len().saturating_sub(1) as f64;
        self.millis.get((last * q).round() as usize).copied().unwrap_or(f64::NAN)
    }

    /// Tasks for which a poll was open, of a hundred.
    pub fn sync_percent(&self) -> f64 {
        100.0 * self.sync as f64 / self.injected as f64
    }
}

/// In milliseconds, with fractions.
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_tells_missing_from_received_and_sync_from_backlog() {
        let ledger = Ledger::default();
        let numbers: Vec<_> = (0..4).map(|_| ledger.inject()).collect();
        ledger.sync(numbers[1]);
        numbers[1..].iter().for_each(|&number| ledger.received(number));
        ledger.received(numbers[2]);
        let outcome = ledger.since(numbers[1]);
        assert_eq!((outcome.injected, outcome.sync, outcome.missing), (3, 1, 0));
        assert_eq!((outcome.doubled, outcome.millis.len()), (1, 3));
        assert_eq!(ledger.since(0).missing, 1);
    }

    #[test]
    fn quantiles_are_taken_of_what_was_received() {
        let outcome = Outcome { millis: (0..=100).map(f64::from).collect(), ..Outcome::default() };
        assert_eq!((outcome.quantile(0.5), outcome.quantile(0.99)), (50.0, 99.0));
        assert!(Outcome::default().quantile(0.5).is_nan());
    }
}
