//! Which of the placements' clusters Envoy has. A placement is acknowledged only when it has all that calls go to: before
//! that nobody is made the owner of a slot whose calls this Envoy could not send there.

use std::collections::BTreeSet;

use panko_routing::Placements;
use panko_routing::placement::CHAIN;
use proxy_wasm::types::LogLevel;

use crate::host;

/// Clusters of Envoy's.
#[derive(Debug, Default)]
pub struct Clusters {
    known: BTreeSet<String>,
    /// One that calls go to and that Envoy does not have.
    missing: Option<String>,
}

impl Clusters {
    /// Whether Envoy had all, when it was last looked.
    pub fn are_complete(&self) -> bool {
        self.missing.is_none()
    }

    /// Looks whether Envoy has all that calls go to by these placements. Only the root context may look.
    pub fn look(&mut self, placements: &Placements) {
        let wanted = wanted(placements);
        // One that has gone may be gone in Envoy as well.
        self.known.retain(|cluster| wanted.contains(cluster));
        for cluster in wanted {
            if self.known.contains(&cluster) {
                continue;
            }
            if !host::has_cluster(&cluster) {
                self.is_missing(cluster);
                return;
            }
            self.known.insert(cluster);
        }
        self.missing = None;
    }

    fn is_missing(&mut self, cluster: String) {
        if self.missing.as_ref() != Some(&cluster) {
            host::log(
                LogLevel::Warn,
                &format!(
                    "panko: this Envoy has no cluster {cluster:?}, so it does not acknowledge the placement; it comes by CDS, else add it: see `panko envoy`"
                ),
            );
        }
        self.missing = Some(cluster);
    }
}

/// The clusters, and their chains, of all members: one that owns nothing yet may be about to.
fn wanted(placements: &Placements) -> BTreeSet<String> {
    let members = placements.iter().flat_map(|placement| placement.members());
    let names = members.flat_map(|member| {
        let cluster = &member.cluster;
        [cluster.to_string(), format!("{CHAIN}{cluster}")]
    });
    names.collect()
}
