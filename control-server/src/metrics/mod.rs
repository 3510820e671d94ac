//! What `/metrics` shows.

pub mod pool;
pub mod starts;
pub mod verify;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tonic::Code;

use crate::pool::limits::Full;
use crate::topology::Topology;

/// Labels of what is counted by pool.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PoolLabels {
    namespace: String,
    method: String,
}

/// Labels of what is counted by pool and member.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OpenLabels {
    namespace: String,
    method: String,
    member: String,
}

/// Labels of polls on clusters that failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabels {
    member: String,
    code: String,
}

/// Labels of calls that the control server answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    method: String,
    code: String,
}

/// Labels of second chances.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ChanceLabels {
    found: &'static str,
}

/// Labels of polls that were refused for want of room.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabels {
    limit: &'static str,
}

/// Labels of what is known of a member.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct MemberLabels {
    namespace: String,
    member: String,
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
    returned: Family<PoolLabels, Counter>,
    passed_on: Family<PoolLabels, Counter>,
    withdrawn: Family<PoolLabels, Counter>,
    held_for: Family<PoolLabels, Histogram, fn() -> Histogram>,
    added: Family<PoolLabels, Histogram, fn() -> Histogram>,
    parked_full: Family<LimitLabels, Counter>,
    chances: Family<ChanceLabels, Counter>,
    looks: Counter,
    looks_spared: Counter,
    looks_refused: Counter,
    filters: Gauge,
    acknowledged: Counter,
    refused: Counter,
    fenced: Family<MemberLabels, Gauge>,
    fenced_shown: Mutex<HashSet<MemberLabels>>,
    /// Starts that a control server sends on.
    pub starts: starts::Starts,
    /// What looks for duplicates have found.
    pub verify: verify::Verified,
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
            returned: Family::default(),
            passed_on: Family::default(),
            withdrawn: Family::default(),
            held_for: Family::new_with_constructor(seconds as fn() -> Histogram),
            added: Family::new_with_constructor(seconds as fn() -> Histogram),
            parked_full: Family::default(),
            chances: Family::default(),
            looks: Counter::default(),
            looks_spared: Counter::default(),
            looks_refused: Counter::default(),
            filters: Gauge::default(),
            acknowledged: Counter::default(),
            refused: Counter::default(),
            fenced: Family::default(),
            fenced_shown: Mutex::default(),
            starts: starts::Starts::default(),
            verify: verify::Verified::default(),
        };
        metrics.register();
        for full in Full::ALL {
            let _there_at_zero =
                metrics.parked_full.get_or_create(&LimitLabels { limit: full.name() });
        }
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
            "tasks_returned",
            "Tasks that could not be written to their worker: the next one gets them",
            self.returned.clone(),
        );
        r.register(
            "tasks_passed_on",
            "Tasks that another control server took",
            self.passed_on.clone(),
        );
        r.register(
            "polls_withdrawn",
            "Times that polls were ended early since nobody waited",
            self.withdrawn.clone(),
        );
        r.register(
            "task_held_seconds",
            "How long tasks waited for which nobody waited",
            self.held_for.clone(),
        );
        r.register(
            "task_added_seconds",
            "From a task's arrival to its being written, when a poll waited",
            self.added.clone(),
        );
        r.register(
            "parked_polls_refused",
            "Polls refused since too many wait",
            self.parked_full.clone(),
        );
        r.register(
            "second_chances",
            "Calls that their id's owner did not find, by where they went",
            self.chances.clone(),
        );
        r.register("looks", "Members asked whether they have an id", self.looks.clone());
        r.register("looks_spared", "Ids that were remembered", self.looks_spared.clone());
        r.register(
            "looks_refused",
            "Ids not looked for since too many are at once",
            self.looks_refused.clone(),
        );
        r.register("filter_streams", "Placement streams of filters", self.filters.clone());
        r.register("placement_acks", "Updates that filters route by", self.acknowledged.clone());
        self.starts.register(r);
        self.verify.register(r);
        r.register("placement_nacks", "Updates that filters could not take", self.refused.clone());
        r.register("member_fenced", "Members that are given up: 1", self.fenced.clone());
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
    pub fn parked_full(&self, full: Full) {
        self.parked_full.get_or_create(&LimitLabels { limit: full.name() }).inc();
    }

    /// Counts a call that its id's owner did not find: `elsewhere`, `owner`, `nowhere` or `unknown`.
    pub fn second_chance(&self, found: &'static str) {
        self.chances.get_or_create(&ChanceLabels { found }).inc();
    }

    /// Counts a member that is asked whether it has an id.
    pub fn looked(&self) {
        self.looks.inc();
    }

    /// Counts an id that need not be looked for.
    pub fn look_spared(&self) {
        self.looks_spared.inc();
    }

    /// Counts an id that is not looked for since too many are.
    pub fn look_refused(&self) {
        self.looks_refused.inc();
    }

    /// Which members have been given up. Of those that are none any more nothing is shown.
    pub fn members_fenced(&self, topology: &Topology) {
        let mut shown = self.fenced_shown.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *shown);
        for namespace in topology.namespaces() {
            for member in &namespace.members {
                let (namespace, name) = (namespace.name.to_string(), member.name.to_string());
                let labels = MemberLabels { namespace, member: name };
                self.fenced.get_or_create(&labels).set(i64::from(member.is_fenced()));
                shown.insert(labels);
            }
        }
        for gone in before.difference(&shown) {
            self.fenced.remove(gone);
        }
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
}
