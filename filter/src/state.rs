//! What a worker's VM holds: shared by its root context and all of its calls.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use panko_routing::Placements;

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
}

impl State {
    pub fn new(config: &Config) -> Rc<Self> {
        Rc::new(Self {
            placements: RefCell::default(),
            metrics: Metrics::default(),
            control_server: config.control_server.as_str().into(),
            node: host::node_id(),
            control_server_label: CONTROL_SERVER.into(),
        })
    }
}
