//! The control servers that work together.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The control servers that work together, the same list on each of them. Empty when there is one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peers {
    /// `host:port` of the gRPC port of each, this one included.
    pub addresses: Vec<String>,
    /// A file with the secret by which they know each other. Needed as soon as one of them is not
    /// on loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

impl Peers {
    /// Whether nothing is said of peers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
