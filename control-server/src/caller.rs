//! On whose behalf a call is made: the metadata that goes on to a cluster.

use tonic::metadata::{KeyAndValueRef, MetadataMap};

/// A caller's metadata, without what belongs to the connection it came on.
#[derive(Debug, Clone, Default)]
pub struct Caller(MetadataMap);

/// Metadata that is between two neighbours, or that Envoy adds. `grpc-timeout` is set anew.
const HOP: [&str; 8] =
    ["te", "content-type", "user-agent", "host", "connection", "trailer", "via", "x-request-id"];
const HOP_PREFIXES: [&str; 4] = ["grpc-", "panko-", "x-envoy-", "x-forwarded-"];

impl Caller {
    /// What of a request's metadata goes on.
    #[must_use]
    pub fn of(metadata: &MetadataMap) -> Self {
        let mut kept = MetadataMap::new();
        for pair in metadata.iter() {
            match pair {
                KeyAndValueRef::Ascii(key, value) if goes_on(key.as_str()) => {
                    kept.append(key, value.clone());
                }
                KeyAndValueRef::Binary(key, value) if goes_on(key.as_str()) => {
                    kept.append_bin(key, value.clone());
                }
                _ => {}
            }
        }
        Self(kept)
    }

    /// A caller that shows an API key. `None` when it is empty or does not fit into a header.
    #[must_use]
    pub fn with_api_key(key: &str) -> Option<Self> {
        let mut metadata = MetadataMap::new();
        let value = format!("Bearer {key}").parse().ok().filter(|_| !key.is_empty())?;
        metadata.insert("authorization", value);
        Some(Self(metadata))
    }

    /// The metadata to send.
    #[must_use]
    pub fn metadata(&self) -> &MetadataMap {
        &self.0
    }

    /// What clusters tell callers apart by: polls of different callers never share a pool.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        self.0.get("authorization").map_or(b"", |value| value.as_encoded_bytes())
    }
}

fn goes_on(key: &str) -> bool {
    !HOP.contains(&key) && !HOP_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}
