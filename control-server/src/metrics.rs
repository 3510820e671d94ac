//! What `/metrics` shows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tonic::Code;

use crate::pool::machine::Pool;
use crate::topology::VirtualNamespace;

/// Labels of what is counted by pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolLabels {
    namespace: String,
    method: String,
}

/// Labels of what is counted by pool and cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OpenLabels {
    namespace: String,
    method: String,
    cluster: String,
}

/// Labels of polls on clusters that failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabels {
    cluster: String,
    code: String,
}

/// Labels of calls that the control server answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    method: String,
    code: String,
}

/// All metrics of the control server.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    calls: Family<CallLabels, Counter>,
    parked: Family<PoolLabels, Gauge>,
    held: Family<PoolLabels, Gauge>,
    open: Family<OpenLabels, Gauge>,
    tasks: Family<PoolLabels, Counter>,
    synced: Family<PoolLabels, Counter>,
    given_back: Family<PoolLabels, Counter>,
    lost: Family<PoolLabels, Counter>,
    empty: Family<PoolLabels, Counter>,
    failed: Family<FailureLabels, Counter>,
    held_for: Family<PoolLabels, Histogram, fn() -> Histogram>,
    parked_full: Counter,
    filters: Gauge,
    acknowledged: Counter,
    refused: Counter,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 4.0, 10))
}

impl Metrics {
    /// All of them, registered.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("panko")),
            calls: Family::default(),
            parked: Family::default(),
            held: Family::default(),
            open: Family::default(),
            tasks: Family::default(),
            synced: Family::default(),
            given_back: Family::default(),
            lost: Family::default(),
            empty: Family::default(),
            failed: Family::default(),
            held_for: Family::new_with_constructor(seconds as fn() -> Histogram),
            parked_full: Counter::default(),
            filters: Gauge::default(),
            acknowledged: Counter::default(),
            refused: Counter::default(),
        };
        metrics.register();
        Arc::new(metrics)
    }

    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let r = &mut *registry;
        r.register("calls", "Calls that the control server answered", self.calls.clone());
        r.register("parked_polls", "Polls of workers that wait", self.parked.clone());
        r.register("open_polls", "Polls open on clusters", self.open.clone());
        r.register("held_tasks", "Tasks that wait for a worker", self.held.clone());
        r.register("tasks_handed_over", "Tasks given to a worker", self.tasks.clone());
        r.register("tasks_poll_sync", "Tasks that found a waiting poll", self.synced.clone());
        r.register(
            "tasks_given_back",
            "Tasks given back to their cluster",
            self.given_back.clone(),
        );
        r.register("tasks_lost", "Activity tasks that nobody came for", self.lost.clone());
        r.register("polls_empty", "Polls on clusters that brought no task", self.empty.clone());
        r.register("polls_failed", "Polls on clusters that failed", self.failed.clone());
        r.register(
            "task_held_seconds",
            "How long tasks waited for a worker",
            self.held_for.clone(),
        );
        r.register(
            "parked_polls_refused",
            "Polls refused since too many wait",
            self.parked_full.clone(),
        );
        r.register("filter_streams", "Placement streams of filters", self.filters.clone());
        r.register("placement_acks", "Updates that filters route by", self.acknowledged.clone());
        r.register("placement_nacks", "Updates that filters could not take", self.refused.clone());
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }

    /// Counts an answered call.
    pub fn call(&self, method: &str, code: Code) {
        let labels = CallLabels { method: method.to_owned(), code: format!("{code:?}") };
        self.calls.get_or_create(&labels).inc();
    }

    /// Counts a poll that was refused for want of room.
    pub fn parked_full(&self) {
        self.parked_full.inc();
    }

    /// A filter's stream began.
    pub fn filter_came(&self) {
        self.filters.inc();
    }

    /// A filter's stream ended.
    pub fn filter_left(&self) {
        self.filters.dec();
    }

    /// A filter answered an update.
    pub fn acknowledged(&self, taken: bool) {
        if taken {
            self.acknowledged.inc()
        } else {
            self.refused.inc()
        };
    }

    /// The metrics of one pool. Pools of the same namespace and method add up.
    #[must_use]
    pub fn pool(self: &Arc<Self>, namespace: &str, method: &str) -> PoolMetrics {
        let labels = PoolLabels { namespace: namespace.to_owned(), method: method.to_owned() };
        PoolMetrics { metrics: self.clone(), labels, parked: 0, held: 0, open: Vec::new() }
    }
}

/// One pool's share in the metrics. Gauges are given back when it is dropped.
#[derive(Debug)]
pub struct PoolMetrics {
    metrics: Arc<Metrics>,
    labels: PoolLabels,
    parked: i64,
    held: i64,
    open: Vec<(Gauge, i64)>,
}

impl PoolMetrics {
    /// Brings the gauges up to date.
    pub fn show(&mut self, pool: &Pool, namespace: &VirtualNamespace) {
        let parked = pool.waiting() as i64;
        self.metrics.parked.get_or_create(&self.labels).inc_by(parked - self.parked);
        self.parked = parked;
        let held = pool.held() as i64;
        self.metrics.held.get_or_create(&self.labels).inc_by(held - self.held);
        self.held = held;
        if self.open.is_empty() {
            let gauges = namespace.members.iter().map(|member| {
                let PoolLabels { namespace, method } = self.labels.clone();
                let labels =
                    OpenLabels { namespace, method, cluster: member.cluster.name().to_string() };
                (self.metrics.open.get_or_create(&labels).clone(), 0)
            });
            self.open = gauges.collect();
        }
        for (member, (gauge, shown)) in self.open.iter_mut().enumerate() {
            let open = pool.open_on(member) as i64;
            gauge.inc_by(open - *shown);
            *shown = open;
        }
    }

    /// A task came; `sync` says that a poll waited for it.
    pub fn sync(&self, sync: bool) {
        if sync {
            self.metrics.synced.get_or_create(&self.labels).inc();
        }
    }

    /// A task was handed over, after this long.
    pub fn handed_over(&self, held: Duration) {
        self.metrics.tasks.get_or_create(&self.labels).inc();
        self.metrics.held_for.get_or_create(&self.labels).observe(held.as_secs_f64());
    }

    /// A task was given back.
    pub fn given_back(&self) {
        self.metrics.given_back.get_or_create(&self.labels).inc();
    }

    /// An activity task found nobody.
    pub fn lost(&self) {
        self.metrics.lost.get_or_create(&self.labels).inc();
    }

    /// A poll on a cluster brought nothing.
    pub fn empty(&self) {
        self.metrics.empty.get_or_create(&self.labels).inc();
    }

    /// A poll on a cluster failed.
    pub fn failed(&self, cluster: &str, code: Code) {
        let labels = FailureLabels { cluster: cluster.to_owned(), code: format!("{code:?}") };
        self.metrics.failed.get_or_create(&labels).inc();
    }
}

impl Drop for PoolMetrics {
    fn drop(&mut self) {
        self.metrics.parked.get_or_create(&self.labels).dec_by(self.parked);
        self.metrics.held.get_or_create(&self.labels).dec_by(self.held);
        for (gauge, shown) in &self.open {
            gauge.dec_by(*shown);
        }
    }
}
