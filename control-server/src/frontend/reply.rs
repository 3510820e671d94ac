//! What goes back to the caller: a message, and what has to be said beside it.

use std::sync::Arc;

use bytes::Bytes;
use tonic::Response;
use tonic::metadata::MetadataValue;

use crate::pool::delivery::Receipt;
use crate::pool::shell::Answer;

/// Response metadata that names the clusters whose part is not in the answer, comma between two.
const MISSING: &str = "panko-missing-clusters";
/// Response metadata with a sentence on each of them.
const WHY: &str = "panko-partial";

/// An answer. Without anything missing, its metadata is what a single cluster sends.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// The message.
    pub body: Bytes,
    /// Goes with a task to the worker's connection.
    pub receipt: Option<Arc<Receipt>>,
    /// Whose part is not in the message.
    pub missing: Vec<Missing>,
}

/// A member whose part is not in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Missing {
    /// Its cluster.
    pub cluster: Arc<str>,
    /// What it answered, or what the way to it did.
    pub why: String,
}

impl From<Bytes> for Reply {
    fn from(body: Bytes) -> Self {
        Self { body, ..Self::default() }
    }
}

impl From<Answer> for Reply {
    fn from(Answer { body, receipt }: Answer) -> Self {
        Self { body, receipt, missing: Vec::new() }
    }
}

impl Reply {
    /// The gRPC response.
    pub(super) fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        if let Some(receipt) = self.receipt {
            response.extensions_mut().insert(receipt);
        }
        if !self.missing.is_empty() {
            let names: Vec<_> = self.missing.iter().map(|missing| &*missing.cluster).collect();
            let why = self.missing.iter().map(Missing::to_string).collect::<Vec<_>>().join("; ");
            for (name, text) in [(MISSING, names.join(",")), (WHY, why)] {
                if let Ok(value) = MetadataValue::try_from(header_text(&text)) {
                    response.metadata_mut().insert(name, value);
                }
            }
        }
        response
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cluster {} is not in this answer: {}", self.cluster, self.why)
    }
}

/// What a header may hold of a text.
fn header_text(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}
