//! Envoy's cluster discovery service: the clusters that were applied, and their chains, as Envoys fetch them.
//!
//! Envoy's REST form of it (`api_type: REST`), which takes clusters as JSON: so they are those of the one template that
//! people read (`envoy/envoy.yaml`). Envoy asks again as soon as it is answered, and an answer waits for news.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::desired::Desired;
use crate::envoy_config;
use crate::placements::PlacementsHolder;

/// Where Envoys fetch clusters.
pub const PATH: &str = "/v3/discovery:clusters";

const CLUSTER_TYPE: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";

/// How long an answer waits for news: less than the `request_timeout` that [`envoy_config`] writes.
const LONGEST: Duration = Duration::from_secs(20);

/// The service.
#[derive(Debug)]
pub struct Cds {
    placements: Arc<PlacementsHolder>,
    token: Option<String>,
}

/// `envoy.service.discovery.v3.DiscoveryRequest`, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub struct DiscoveryRequest {
    /// The version that this Envoy has.
    #[serde(default, alias = "versionInfo")]
    version_info: String,
    #[serde(default)]
    node: Node,
}

#[derive(Debug, Default, Deserialize)]
struct Node {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    /// Shows that this Envoy may know.
    panko_token: Option<String>,
}

impl Cds {
    /// For Envoys that show this token; for all without.
    #[must_use]
    pub fn new(placements: Arc<PlacementsHolder>, token: Option<String>) -> Arc<Self> {
        Arc::new(Self { placements, token })
    }
}

/// Answers with all clusters, once they are other ones than the Envoy has.
pub async fn fetch(State(cds): State<Arc<Cds>>, Json(request): Json<DiscoveryRequest>) -> Response {
    if cds.token.is_some() && request.node.metadata.panko_token != cds.token {
        let told = "the control server wants its token in Envoy's node.metadata.panko_token: see `panko envoy`\n";
        return (StatusCode::UNAUTHORIZED, told).into_response();
    }
    let mut topologies = cds.placements.topologies();
    let give_up = tokio::time::Instant::now() + LONGEST;
    loop {
        topologies.borrow_and_update();
        let (applied, desired) = cds.placements.desired();
        if applied > known(&request.version_info) {
            let (version, resources) = (version(applied), clusters(&desired));
            let answer = json!({
                "version_info": version, "type_url": CLUSTER_TYPE, "resources": resources,
            });
            return Json(answer).into_response();
        }
        match tokio::time::timeout_at(give_up, topologies.changed()).await {
            Ok(Ok(())) => {}
            // All is as the Envoy has it.
            Ok(Err(_)) | Err(_) => return StatusCode::NOT_MODIFIED.into_response(),
        }
    }
}

/// What Envoys call clusters that were applied under this version. Only what is newer is answered: a control server that has
/// not heard of a cluster yet takes none away, and two releases that write one in two ways do not do so in turn.
fn version(applied: u64) -> String {
    format!("applied-{applied}")
}

/// The version that an Envoy has; 0 for none.
fn known(version: &str) -> u64 {
    version.strip_prefix("applied-").and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// All clusters and chains.
fn clusters(desired: &Desired) -> Vec<Value> {
    let mut clusters = envoy_config::clusters(&desired.clusters);
    for cluster in &mut clusters {
        if let Value::Object(fields) = cluster {
            fields.insert("@type".to_owned(), CLUSTER_TYPE.into());
        }
    }
    clusters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_it_was_written_and_any_other_is_none() {
        assert_eq!(known(&version(7)), 7);
        assert_eq!((known(""), known("7"), known("applied-x")), (0, 0, 0));
    }
}
