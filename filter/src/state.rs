//! What a worker's VM holds: shared by its root context and all of its calls.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use panko_routing::Placements;
use proxy_wasm::types::LogLevel;

use crate::config::Config;
use crate::host;
use crate::metrics::{CONTROL_SERVER, Metrics};

/// A worker's state.
#[derive(Debug)]
pub struct State {
    /// The last placements that the control server sent.
    pub placements: RefCell<Placements>,
    pub metrics: Metrics,
    /// Envoy's name of the control server's cluster.
    pub control_server: Arc<str>,
    /// Envoy's node id.
    pub node: String,
    /// The control server's name in metrics.
    pub control_server_label: Arc<str>,
    /// RPCs that this release does not know and that Envoy's log has been told.
    unknown: RefCell<BTreeSet<String>>,
}

/// How many unknown RPCs are named: strangers may ask for any path.
const MOST_UNKNOWN: usize = 100;

impl State {
    pub fn new(config: &Config) -> Rc<Self> {
        Rc::new(Self {
            placements: RefCell::default(),
            metrics: Metrics::default(),
            control_server: config.control_server.as_str().into(),
            node: host::node_id(),
            control_server_label: CONTROL_SERVER.into(),
            unknown: RefCell::default(),
        })
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
