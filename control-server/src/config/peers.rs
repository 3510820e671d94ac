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

/// The token cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "peers.token_file: {path}: {problem}; put one line of letters and digits into it, the same for all control servers"
)]
pub struct TokenError {
    /// The file.
    pub path: String,
    /// Why.
    pub problem: String,
}

impl Peers {
    /// What `token_file` has; none where there is no such file to be read.
    pub fn token(&self) -> Result<Option<String>, TokenError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let failed = |problem| TokenError { path: path.display().to_string(), problem };
        let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
        match text.trim() {
            "" => Err(failed("it is empty".to_owned())),
            token => Ok(Some(token.to_owned())),
        }
    }

    /// Whether nothing is said of peers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
