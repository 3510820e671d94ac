//! On whose behalf a call is made: the metadata that goes on to a cluster.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use xxhash_rust::xxh64::xxh64;

use crate::config::{Callers, IdentityBy};

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
    pub fn identity(&self, callers: &Callers) -> Identity {
        let shown = self.shown(&callers.headers);
        let token = self.0.get("authorization").map_or(&b""[..], |value| value.as_encoded_bytes());
        let subject = match callers.identity {
            IdentityBy::Claims if callers.headers.iter().any(|h| h == "authorization") => {
                claims(token)
            }
            _ => None,
        };
        match subject {
            // What is shown beside the token still has to be equal.
            Some(subject) => {
                let beside = callers.headers.iter().filter(|header| *header != "authorization");
                let beside: Vec<_> = beside.cloned().collect();
                Identity::Claims([subject, self.shown(&beside)].concat())
            }
            None => Identity::Token(shown),
        }
    }

    /// A number for the credentials themselves: another one with each new token.
    #[must_use]
    pub fn credentials(&self) -> u64 {
        xxh64(self.0.get("authorization").map_or(b"", |value| value.as_encoded_bytes()), 0)
    }

    /// The values of these headers, so that no two lists of values look alike.
    fn shown(&self, headers: &[String]) -> Vec<u8> {
        let mut shown = Vec::new();
        for header in headers {
            for value in self.0.get_all(header.as_str()) {
                let value = value.as_encoded_bytes();
                shown.extend_from_slice(&(value.len() as u32 + 1).to_le_bytes());
                shown.extend_from_slice(value);
            }
            shown.extend_from_slice(&0u32.to_le_bytes());
        }
        shown
    }
}

/// Who a caller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Whoever shows these credentials.
    Token(Vec<u8>),
    /// Whoever a token says, as yet unproven: `iss` and `sub` of a JWT (RFC 7519), and what is shown
    /// beside it.
    Claims(Vec<u8>),
}

impl Identity {
    /// Bytes that no other identity has.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let (kind, bytes) = match self {
            Identity::Token(bytes) => (b't', bytes),
            Identity::Claims(bytes) => (b'c', bytes),
        };
        [&[kind], bytes.as_slice()].concat()
    }
}

/// Reads issuer and subject out of `Bearer <JWT>`. Nothing is verified here: whoever says that he is
/// somebody's equal proves it by a poll of his own (`pool::proof`).
fn claims(authorization: &[u8]) -> Option<Vec<u8>> {
    let token = std::str::from_utf8(authorization).ok()?.strip_prefix("Bearer ")?;
    let mut parts = token.split('.');
    let (_, Some(payload), Some(_), None) =
        (parts.next()?, parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let payload: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let claim = |name| payload.get(name).and_then(serde_json::Value::as_str);
    let (issuer, subject) = (claim("iss").unwrap_or_default(), claim("sub")?);
    serde_json::to_vec(&[issuer, subject]).ok()
}

fn goes_on(key: &str) -> bool {
    !HOP.contains(&key) && !HOP_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(token: &str) -> Caller {
        Caller::with_api_key(token).unwrap()
    }

    fn jwt(payload: &str, signature: &str) -> Caller {
        caller(&format!("e30.{}.{signature}", URL_SAFE_NO_PAD.encode(payload)))
    }

    fn by(identity: IdentityBy) -> Callers {
        Callers { identity, ..Callers::default() }
    }

    #[test]
    fn a_new_token_of_the_same_subject_is_the_same_caller() {
        let (claims, token) = (by(IdentityBy::Claims), by(IdentityBy::Token));
        let old = jwt(r#"{"iss":"i","sub":"s","exp":1}"#, "x");
        let new = jwt(r#"{"iss":"i","sub":"s","exp":2}"#, "y");
        assert_eq!(old.identity(&claims), new.identity(&claims));
        assert_ne!(old.credentials(), new.credentials());
        assert_ne!(old.identity(&token), new.identity(&token));
        for other in [r#"{"iss":"j","sub":"s"}"#, r#"{"iss":"i","sub":"t"}"#, r#"{"iss":"i"}"#] {
            assert_ne!(old.identity(&claims), jwt(other, "x").identity(&claims), "{other}");
        }
    }

    #[test]
    fn what_is_no_token_of_anybody_is_only_equal_to_itself() {
        let claims = by(IdentityBy::Claims);
        let keys = ["key", "a.b", "a.b.c", "a.b.c.d"].map(|key| caller(key).identity(&claims));
        for (n, one) in keys.iter().enumerate() {
            assert!(matches!(one, Identity::Token(_)), "{one:?}");
            assert!(keys.iter().skip(n + 1).all(|other| other != one), "{one:?}");
        }
        assert_ne!(Caller::default().identity(&claims), caller("key").identity(&claims));
    }

    #[test]
    fn every_header_that_clusters_may_look_at_tells_callers_apart() {
        let with = |header: &'static str, value: &str| {
            let mut metadata = jwt(r#"{"iss":"i","sub":"s"}"#, "x").0;
            metadata.insert(header, value.parse().unwrap());
            Caller(metadata)
        };
        let default = Callers::default();
        let extras = |value| with("authorization-extras", value).identity(&default);
        assert_eq!(extras("a"), extras("a"));
        assert_ne!(extras("a"), extras("b"));
        let own = Callers { headers: vec!["x-key".to_owned()], ..Callers::default() };
        assert_ne!(with("x-key", "a").identity(&own), with("x-key", "b").identity(&own));
    }
}
