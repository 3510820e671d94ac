//! The bytes of the polls that a pool opens on clusters.

use bytes::Bytes;
use panko_routing::wire::fields::{Field, fields, put_bytes};

use super::key::{Poll, PollFields};

/// A worker's poll as the pool sends it: every field as it came, but for what names the worker.
///
/// The control queue and the heartbeat are that one worker's, and the task may go to another. The
/// instance key becomes the pool's own: a cluster ends the polls of a key at its `ShutdownWorker`,
/// and the pool's are not to end by a worker's.
#[must_use]
pub fn pooled(poll: &Poll, instance_key: &str) -> Bytes {
    let numbers = PollFields::of(poll.method);
    let mut body = Vec::with_capacity(poll.body.len() + instance_key.len() + 2);
    for Field { number, raw, .. } in fields(&poll.body).flatten() {
        if number == numbers.instance_key {
            put_bytes(&mut body, number, instance_key.as_bytes());
        } else if ![numbers.control_queue, numbers.heartbeat].contains(&Some(number)) {
            body.extend_from_slice(raw);
        }
    }
    body.into()
}
