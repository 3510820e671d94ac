//! Counters and gauges. Labels are written into the names; Envoy's `stats_tags` take them out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use panko_proto::rpc::{METHODS, Method};
use panko_routing::decision::REASONS;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

/// How the control server is called in the label `cluster`.
pub const CONTROL_SERVER: &str = "control-server";

/// A method's counters. There are few clusters, so a list beats a map.
type ByCluster = Vec<(Arc<str>, u32)>;

/// The filter's metrics. Each is defined once in a VM and then known by its id.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By method index.
    calls: RefCell<Vec<ByCluster>>,
    refused: RefCell<HashMap<&'static str, u32>>,
    versions: RefCell<HashMap<String, u32>>,
}

impl Metrics {
    /// Defines what can be defined before the first call, so that it is there at zero.
    pub fn define_refusals(&self) {
        for reason in REASONS {
            self.refusal_id(reason);
        }
    }

    /// Counts a call that goes to `cluster`.
    pub fn call(&self, method: &'static Method, cluster: &Arc<str>) {
        let mut calls = self.calls.borrow_mut();
        if calls.is_empty() {
            calls.resize(METHODS.len(), ByCluster::new());
        }
        let Some(ids) = calls.get_mut(method.index) else { return };
        let known = ids.iter().find(|(name, _)| name == cluster).map(|(_, id)| *id);
        let id = known.or_else(|| {
            let name = format!(
                "panko_calls_total.class={}.method={}.cluster={cluster}",
                method.class.name(),
                method.name
            );
            let id = hostcalls::define_metric(MetricType::Counter, &name).ok()?;
            ids.push((cluster.clone(), id));
            Some(id)
        });
        increment(id);
    }

    /// Counts a refusal.
    pub fn refusal(&self, reason: &'static str) {
        increment(self.refusal_id(reason));
    }

    /// Shows the version of a namespace's placement.
    pub fn placement_version(&self, namespace: &str, version: u64) {
        let mut versions = self.versions.borrow_mut();
        let id = versions.get(namespace).copied().or_else(|| {
            let name = format!("panko_placement_version.namespace={namespace}");
            let id = hostcalls::define_metric(MetricType::Gauge, &name).ok()?;
            versions.insert(namespace.to_owned(), id);
            Some(id)
        });
        if let Some(id) = id {
            // A metric that cannot be written is not worth a call.
            let _ = hostcalls::record_metric(id, version);
        }
    }

    fn refusal_id(&self, reason: &'static str) -> Option<u32> {
        let mut refused = self.refused.borrow_mut();
        refused.get(reason).copied().or_else(|| {
            let name = format!("panko_refused_total.reason={reason}");
            let id = hostcalls::define_metric(MetricType::Counter, &name).ok()?;
            refused.insert(reason, id);
            Some(id)
        })
    }
}

fn increment(id: Option<u32>) {
    if let Some(id) = id {
        // As above: no metric is worth a call.
        let _ = hostcalls::increment_metric(id, 1);
    }
}
