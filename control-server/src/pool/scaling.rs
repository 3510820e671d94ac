//! `PollerScalingDecision`: what a cluster tells a poller of how many there should be.
//!
//! A cluster judges by how long the pool's poll has waited, which says little of the worker's: the
//! pool has few polls open, so they are busy while a hundred workers wait. So the worker's own wait
//! decides what says "fewer", by the cluster's own rule; "more" goes through as it came.

use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::fields::{Field, Value, fields, last_bytes, put_bytes, put_uint};

use super::event::Kind;

/// A poller that has waited this long for its task is one too many
/// (`matching.pollerScalingSyncMatchWaitTime`).
const WAIT: Duration = Duration::from_secs(1);

/// What suggests one poller fewer: -1 as protobuf writes an int32.
const FEWER: u64 = u64::MAX;

/// `poller_scaling_decision` of the three poll responses.
fn number(kind: Kind) -> u32 {
    match kind {
        Kind::Workflow | Kind::Sticky => 16,
        Kind::Activity => 18,
        Kind::Nexus => 3,
    }
}

/// Whether the cluster speaks of scaling at all in this answer.
#[must_use]
pub fn is_offered(kind: Kind, answer: &[u8]) -> bool {
    last_bytes(answer, number(kind)).is_ok_and(|decision| !decision.is_empty())
}

/// A task as a worker that has waited for so long should see it. `offered` says that clusters of
/// this pool speak of scaling.
#[must_use]
pub fn judged(kind: Kind, answer: Bytes, waited: Duration, offered: bool) -> Bytes {
    let delta = last_bytes(&answer, number(kind)).ok().and_then(delta);
    let judged = match delta {
        _ if waited >= WAIT && offered => FEWER,
        Some(FEWER) => 0,
        _ => return answer,
    };
    if delta == Some(judged) {
        return answer;
    }
    // Of a field that occurs twice the last one counts, also inside a message that does.
    let (mut decision, mut edited) = (Vec::new(), answer.to_vec());
    put_uint(&mut decision, 1, judged);
    put_bytes(&mut edited, number(kind), &decision);
    edited.into()
}

/// `poll_request_delta_suggestion`.
fn delta(decision: &[u8]) -> Option<u64> {
    fields(decision)
        .flatten()
        .filter_map(|Field { number, value, .. }| match value {
            Value::Varint(delta) if number == 1 => Some(delta),
            _ => None,
        })
        .last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(delta: Option<u64>) -> Bytes {
        let (mut decision, mut answer) = (Vec::new(), b"\x0a\x05token".to_vec());
        if let Some(delta) = delta {
            put_uint(&mut decision, 1, delta);
            put_bytes(&mut answer, 18, &decision);
        }
        answer.into()
    }

    /// What an SDK reads: occurrences of a message are merged, the last value counts.
    fn read(answer: &[u8]) -> Option<u64> {
        let decisions = fields(answer).flatten().filter_map(|field| match field.value {
            Value::Bytes(decision) if field.number == 18 => delta(decision),
            _ => None,
        });
        decisions.last()
    }

    #[test]
    fn a_worker_that_waited_long_is_one_too_many_whatever_the_pool_s_poll_did() {
        for came in [None, Some(1), Some(FEWER)] {
            let judged = judged(Kind::Activity, answer(came), Duration::from_secs(2), true);
            assert_eq!(read(&judged), Some(FEWER), "{came:?}");
        }
    }

    #[test]
    fn a_worker_that_was_needed_at_once_is_not_sent_away_since_the_pool_s_poll_waited() {
        let soon = Duration::from_millis(5);
        assert_eq!(read(&judged(Kind::Activity, answer(Some(FEWER)), soon, true)), Some(0));
        assert_eq!(read(&judged(Kind::Activity, answer(Some(1)), soon, true)), Some(1));
        assert_eq!(judged(Kind::Activity, answer(None), soon, true), answer(None));
    }

    #[test]
    fn where_clusters_do_not_speak_of_scaling_nothing_is_added() {
        let untouched = judged(Kind::Activity, answer(None), Duration::from_secs(9), false);
        assert_eq!(untouched, answer(None));
    }
}
