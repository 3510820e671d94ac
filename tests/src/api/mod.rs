//! Every RPC of Temporal's API: a real request for each, what comes of it, and what Panko makes of it.
//!
//! The rows are in `tests/api/*.yaml`, in an order in which they can be played: later ones use what earlier
//! ones have made. `tests/api.rs` plays them on a single cluster and on two behind Panko; `docs/api.md` is
//! written from them ([`page`]).

pub mod page;
pub mod play;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// One RPC.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name.
    pub rpc: String,
    /// What a caller gets over several clusters. Missing for what is refused: the RPC table says that.
    #[serde(default)]
    pub says: String,
    /// The gRPC status on server 1.29, and on 1.32.
    #[serde(default = "ok", rename = "on_1.29")]
    pub on_1_29: String,
    /// The gRPC status on server 1.32.
    #[serde(default = "ok", rename = "on_1.32")]
    pub on_1_32: String,
    /// The gRPC status through Panko, where it is another one than the cluster's.
    #[serde(default)]
    pub panko: Option<String>,
    /// The request in protobuf's JSON, with `$variables`.
    pub request: Value,
    /// Calls that come before it.
    #[serde(default)]
    pub first: Vec<Step>,
    /// Variables by the path in the answer that gives their value.
    #[serde(default)]
    pub take: BTreeMap<String, String>,
    /// Seconds until the caller gives up.
    #[serde(default = "ten")]
    pub deadline: u64,
    /// For how many seconds the call is repeated until its status is right: what it asks for takes a moment.
    #[serde(default)]
    pub again: u64,
}

/// A call that comes before another one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name.
    pub rpc: String,
    /// The request.
    pub request: Value,
    /// Variables by the path in the answer that gives their value.
    #[serde(default)]
    pub take: BTreeMap<String, String>,
    /// Seconds until the caller gives up.
    #[serde(default = "ten")]
    pub deadline: u64,
}

fn ok() -> String {
    "OK".to_owned()
}

fn ten() -> u64 {
    10
}

/// All rows, in the order of their files' names.
pub fn rows() -> Result<Vec<Row>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("api");
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut rows = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let more: Vec<Row> =
            serde_saphyr::from_str(&text).with_context(|| file.display().to_string())?;
        rows.extend(more);
    }
    ensure!(!rows.is_empty(), "tests/api has no rows");
    Ok(rows)
}
