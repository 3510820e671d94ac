//! A whole Panko for a test, and which ids live where in it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use panko_control_server::dev::{Kind, Options, Sandbox};
use panko_routing::Key;
use panko_routing::placement::assign::assign;

/// Starts two clusters of a kind (`cli` is server 1.29, `server` is 1.32), control server and
/// Envoy. Programs are found by the variables that the Makefile sets.
pub async fn start(kind: Kind, weights: &[(&str, u32)]) -> Result<Sandbox> {
    start_with(&options(kind, weights)?).await
}

/// Starts what the options say.
pub async fn start_with(options: &Options) -> Result<Sandbox> {
    Sandbox::start(options)
        .await
        .context("the sandbox did not start; `make tools` gets its programs")
}

/// What [`start`] starts, to be changed before it is.
pub fn options(kind: Kind, weights: &[(&str, u32)]) -> Result<Options> {
    let text = match kind {
        Kind::Cli => "cli",
        Kind::Server => "server",
    };
    let kinds = vec![text.parse().map_err(anyhow::Error::msg)?];
    let weight = |(cluster, weight): &(&str, u32)| format!("{cluster}={weight}").parse();
    let weights: Result<Vec<_>, &str> = weights.iter().map(weight).collect();
    let weights = weights.map_err(anyhow::Error::msg)?;
    Ok(Options { kinds, weights, headless: true, quiet: true, ..Options::default() })
}

/// `count` workflow ids that begin with `prefix`, by the cluster on which they live when the
/// clusters have these weights: worked out here as `panko-routing` does.
#[must_use]
pub fn homes(prefix: &str, count: usize, weights: &[(&str, u32)]) -> BTreeMap<String, Vec<String>> {
    let slots = assign(&weights.iter().map(|(_, weight)| *weight).collect::<Vec<_>>(), None);
    let slots = slots.expect("a weight above 0");
    let mut homes: BTreeMap<String, Vec<String>> =
        weights.iter().map(|(cluster, _)| ((*cluster).to_owned(), Vec::new())).collect();
    for id in (0..count).map(|n| format!("{prefix}-{n}")) {
        let slot = Key { kind: "workflow", id: id.as_bytes() }.slot();
        let (cluster, _) = weights[usize::from(slots[slot.index()].0)];
        homes.entry(cluster.to_owned()).or_default().push(id);
    }
    homes
}
