//! What a worker's VM holds: shared by its root context and all of its calls.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use panko_routing::Placements;
use panko_routing::in_flight::InFlight;
use panko_routing::placement::Starts;
use proxy_wasm::types::LogLevel;

use crate::clusters::Clusters;
use crate::config::Config;
use crate::host;
use crate::metrics::{CONTROL_SERVER, Metrics};
use crate::started::Place;
use crate::stream::Due;

/// A worker's state.
#[derive(Debug)]
pub struct State {
    /// The last placements that the control server sent.
    pub placements: RefCell<Placements>,
    /// Start-type calls on their way to owners.
    pub in_flight: RefCell<InFlight<Place>>,
    /// What is acknowledged once none of these is where the last update does not send any, and Envoy has all clusters.
    pub due: RefCell<Option<Due>>,
    /// Which of the placements' clusters Envoy has.
    pub clusters: RefCell<Clusters>,
    pub metrics: Metrics,
    /// The root context.
    pub context: u32,
    /// Envoy's name of the control server's cluster.
    pub control_server: Arc<str>,
    /// Envoy's node id.
    pub node: String,
    /// The control server's name in metrics.
    pub control_server_label: Arc<str>,
    /// RPCs that this release does not know and that Envoy's log has been told.
    unknown: RefCell<BTreeSet<String>>,
}

/// How soon it is looked again whether Envoy has a cluster that it did not have.
const CLUSTERS_AGAIN: Duration = Duration::from_millis(250);

/// How many unknown RPCs are named: strangers may ask for any path.
const MOST_UNKNOWN: usize = 100;

impl State {
    pub fn new(config: &Config, context: u32) -> Rc<Self> {
        Rc::new(Self {
            context,
            placements: RefCell::default(),
            in_flight: RefCell::default(),
            due: RefCell::default(),
            clusters: RefCell::default(),
            metrics: Metrics::default(),
            control_server: config.control_server.as_str().into(),
            node: host::node_id(),
            control_server_label: CONTROL_SERVER.into(),
            unknown: RefCell::default(),
        })
    }

    /// Acknowledges what is due, if nothing is on its way any more that stands against it, and Envoy has all clusters.
    pub fn look_again(&self) {
        let Some(mut due) = self.due.borrow_mut().take() else { return };
        // A call's context can neither speak on the stream nor set the tick.
        host::act_for(self.context);
        let now = host::now();
        let placements = self.placements.borrow();
        if !self.clusters.borrow().are_complete() {
            // The root context looks again, by its tick.
            due.routes();
            *self.due.borrow_mut() = Some(due);
            return;
        }
        let not_direct = |(namespace, slot): &Place| {
            let placement = placements.get(namespace);
            placement.is_none_or(|placement| placement.starts(*slot) != Starts::Direct)
        };
        if self.in_flight.borrow_mut().is_quiet(now, not_direct) {
            due.send();
            return;
        }
        due.routes();
        // What has not told its end is over then. Whatever else is on its way looks again when it ends.
        if let Some(at) = self.in_flight.borrow().next_certainty() {
            host::tick_after(Duration::from_millis(at.saturating_sub(now).max(1)));
        }
        *self.due.borrow_mut() = Some(due);
    }

    /// Looks whether Envoy has the clusters of the placements, if it is not known to. For the root context.
    pub fn look_for_clusters(&self) {
        let mut clusters = self.clusters.borrow_mut();
        clusters.look(&self.placements.borrow());
        if !clusters.are_complete() {
            host::tick_after(CLUSTERS_AGAIN);
        }
    }

    /// Names an RPC that this release does not know in Envoy's log, each once.
    pub fn note_unknown(&self, path: &str) {
        let mut unknown = self.unknown.borrow_mut();
        if unknown.len() < MOST_UNKNOWN && unknown.insert(path.to_owned()) {
            host::log(
                LogLevel::Warn,
                &format!("panko: {path} is not known to this release; is there a newer one?"),
            );
        }
    }
}
