//! A request's headers: the few that decide, and Panko's own that clients must not send.

use panko_routing::call::Headers;

/// The header that the route's `cluster_header` names.
pub const CLUSTER: &str = "panko-cluster";

/// What Envoy chooses a control server by.
pub const POLL_HASH: &str = "panko-poll-hash";

/// Whose connection a poll came on: Envoy's node id, `/`, and the connection's number.
pub const CONNECTION: &str = "panko-connection";

/// Headers with this prefix are Panko's; what a client sends of them is removed.
const OURS: &str = "panko-";

/// What is kept of a request's headers.
#[derive(Debug, Default)]
pub struct RequestHeaders {
    path: String,
    content_type: String,
    encoding: String,
    /// `grpc-timeout`; empty when there is none.
    pub timeout: String,
    /// Names of headers that the client must not have sent.
    pub forged: Vec<String>,
}

impl RequestHeaders {
    /// Picks out of all headers.
    pub fn of(pairs: Vec<(String, Vec<u8>)>) -> Self {
        let mut kept = Self::default();
        for (name, value) in pairs {
            let place = match name.as_str() {
                ":path" => &mut kept.path,
                "content-type" => &mut kept.content_type,
                "grpc-encoding" => &mut kept.encoding,
                "grpc-timeout" => &mut kept.timeout,
                _ if name.starts_with(OURS) => {
                    kept.forged.push(name);
                    continue;
                }
                _ => continue,
            };
            *place = String::from_utf8(value).unwrap_or_default();
        }
        kept
    }

    /// What `panko-routing` looks at.
    pub fn deciding(&self) -> Headers<'_> {
        Headers { path: &self.path, content_type: &self.content_type, encoding: &self.encoding }
    }
}
