//! One pool's share in the metrics.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tonic::Code;

use super::{FailureLabels, Metrics, OpenLabels, PoolLabels};
use crate::pool::machine::Pool;

/// What a pool counts. Pools of the same namespace and method add up; gauges are given back when it
/// is dropped.
#[derive(Debug)]
pub struct PoolMetrics {
    /// Activity tasks that nobody came for.
    pub lost: Counter,
    /// Tasks that could not be written to the worker they were meant for.
    pub returned: Counter,
    /// Tasks that another replica took.
    pub passed_on: Counter,
    /// Polls on clusters that brought no task.
    pub empty: Counter,
    /// Withdrawals of polls for which nobody waited any more.
    pub withdrawn: Counter,
    /// Of this pool alone.
    pub counts: Counts,
    metrics: Arc<Metrics>,
    labels: PoolLabels,
    tasks: Counter,
    synced: Counter,
    given_back: Counter,
    held_for: Histogram,
    added: Histogram,
    parked: Shown,
    held: Shown,
    /// Each member's, under the name that it has.
    open: Vec<(Arc<str>, Shown)>,
}

/// What a pool has done since it began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Tasks that came.
    pub tasks: u64,
    /// Those for which a poll waited.
    pub synced: u64,
    /// Those that were given back to their cluster.
    pub given_back: u64,
}

/// A gauge and this pool's part in it.
#[derive(Debug)]
struct Shown {
    gauge: Gauge,
    part: i64,
}

impl Shown {
    fn new(gauge: &Gauge) -> Self {
        Self { gauge: gauge.clone(), part: 0 }
    }

    fn set(&mut self, now: usize) {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if now != self.part {
            self.gauge.inc_by(now - self.part);
            self.part = now;
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.gauge.dec_by(self.part);
    }
}

impl Metrics {
    /// The metrics of a new pool.
    #[must_use]
    pub fn pool(self: &Arc<Self>, namespace: &str, method: &str) -> PoolMetrics {
        let labels = PoolLabels { namespace: namespace.to_owned(), method: method.to_owned() };
        PoolMetrics {
            given_back: self.given_back.get_or_create(&labels).clone(),
            lost: self.lost.get_or_create(&labels).clone(),
            returned: self.returned.get_or_create(&labels).clone(),
            passed_on: self.passed_on.get_or_create(&labels).clone(),
            empty: self.empty.get_or_create(&labels).clone(),
            withdrawn: self.withdrawn.get_or_create(&labels).clone(),
            counts: Counts::default(),
            tasks: self.tasks.get_or_create(&labels).clone(),
            synced: self.synced.get_or_create(&labels).clone(),
            held_for: self.held_for.get_or_create(&labels).clone(),
            added: self.added.get_or_create(&labels).clone(),
            parked: Shown::new(&self.parked.get_or_create(&labels)),
            held: Shown::new(&self.held.get_or_create(&labels)),
            open: Vec::new(),
            metrics: self.clone(),
            labels,
        }
    }
}

impl PoolMetrics {
    /// A member has this name from now on. Numbers of members that are new come in their order.
    pub fn name_member(&mut self, number: usize, name: &Arc<str>) {
        if self.open.get(number).is_some_and(|(before, _)| before == name) {
            return;
        }
        let PoolLabels { namespace, method } = self.labels.clone();
        let labels = OpenLabels { namespace, method, member: name.to_string() };
        let shown = (name.clone(), Shown::new(&self.metrics.open.get_or_create(&labels)));
        match self.open.get_mut(number) {
            Some(before) => *before = shown,
            None => self.open.push(shown),
        }
    }

    /// Brings the gauges up to date.
    pub fn show(&mut self, pool: &Pool) {
        self.parked.set(pool.waiting());
        self.held.set(pool.held());
        for (member, (_, open)) in self.open.iter_mut().enumerate() {
            open.set(pool.open_on(member));
        }
    }

    /// A task came; nobody waited for it if it has to be `held`.
    pub fn came(&mut self, held: bool) {
        self.counts.tasks += 1;
        if !held {
            self.counts.synced += 1;
            self.synced.inc();
        }
    }

    /// A task was written to a worker's connection, so long after it came.
    pub fn handed_over(&self, after: Duration, held: bool) {
        self.tasks.inc();
        if held {
            self.held_for(after);
        } else {
            self.added.observe(after.as_secs_f64());
        }
    }

    /// A task was given back to its cluster.
    pub fn given_back(&mut self) {
        self.counts.given_back += 1;
        self.given_back.inc();
    }

    /// A task has been held for so long.
    pub fn held_for(&self, time: Duration) {
        self.held_for.observe(time.as_secs_f64());
    }

    /// A poll on a cluster failed.
    pub fn failed(&self, member: &str, code: Code) {
        let labels = FailureLabels { member: member.to_owned(), code: format!("{code:?}") };
        self.metrics.failed.get_or_create(&labels).inc();
    }
}
