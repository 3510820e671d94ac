//! Nexus operations that end later: where their completion is sent.
//!
//! From server 1.30 on a cluster hands out `temporal://system`, which means "to the cluster that has
//! this callback". Behind Panko the workflow that a handler starts may live on another cluster than the
//! operation, where that would lead nowhere. So the worker gets the address of the operation's
//! own cluster instead. The token beside it says the rest.

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, put_bytes};

/// `common/nexus.SystemCallbackURL` of the server.
const SYSTEM: &[u8] = b"temporal://system";

/// `PollNexusTaskQueueResponse.request`, `Request.start_operation`, `StartOperationRequest.callback`.
const CALLBACK: [u32; 3] = [2, 3, 4];

/// A `PollNexusTaskQueueResponse` whose operation calls back to `url`, if it called back to where it
/// came from. What is no such answer stays as it is.
#[must_use]
pub fn reachable(answer: Bytes, url: &str) -> Bytes {
    match replaced(&answer, &CALLBACK, url.as_bytes()) {
        Ok(Some(edited)) => edited.into(),
        Ok(None) | Err(_) => answer,
    }
}

/// `message` with [`SYSTEM`] at `path` replaced; none if it is not there.
fn replaced(message: &[u8], path: &[u32], url: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let Some((&number, below)) = path.split_first() else {
        return Ok((message == SYSTEM).then(|| url.to_vec()));
    };
    let (mut edited, mut any) = (Vec::with_capacity(message.len() + url.len()), false);
    for field in fields(message) {
        let field = field?;
        let new = match field.value {
            Value::Bytes(bytes) if field.number == number => replaced(bytes, below, url)?,
            _ => None,
        };
        match new {
            Some(new) => {
                put_bytes(&mut edited, number, &new);
                any = true;
            }
            None => edited.extend_from_slice(field.raw),
        }
    }
    Ok(any.then_some(edited))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(callback: &[u8]) -> Bytes {
        let (mut start, mut request, mut answer) = (Vec::new(), Vec::new(), Vec::new());
        put_bytes(&mut start, 1, b"service");
        put_bytes(&mut start, 4, callback);
        put_bytes(&mut start, 6, b"header");
        put_bytes(&mut request, 3, &start);
        put_bytes(&mut request, 10, b"endpoint");
        put_bytes(&mut answer, 1, b"token");
        put_bytes(&mut answer, 2, &request);
        answer.into()
    }

    #[test]
    fn a_callback_to_where_it_came_from_gets_the_clusters_address() {
        let url = "http://temporal-a:7243/nexus/callback";
        assert_eq!(reachable(answer(SYSTEM), url), answer(url.as_bytes()));
    }

    #[test]
    fn any_other_callback_stays() {
        for callback in [&b"https://elsewhere/nexus/callback"[..], b"", b"temporal://internal"] {
            assert_eq!(reachable(answer(callback), "http://a/nexus/callback"), answer(callback));
        }
        let broken = Bytes::from_static(b"\x12\xff");
        assert_eq!(reachable(broken.clone(), "http://a/nexus/callback"), broken);
    }
}
