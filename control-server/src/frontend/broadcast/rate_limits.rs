//! A task queue's rate limits: each member gets its share.

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, put_bytes, put_varint};
use tonic::Status;

use super::super::gather::TASK_QUEUE_CONFIG;
use super::super::reply::Reply;
use super::super::{Call, Frontend, fan_out, malformed};
use super::{DEADLINE, answer};
use crate::merge::{Rule, Rules};

/// `update_queue_rate_limit` and `update_fairness_key_rate_limit_default`:
/// `RateLimitUpdate.rate_limit.requests_per_second`.
const LIMITS: [[u32; 3]; 2] = [[5, 1, 1], [6, 1, 1]];

/// `UpdateTaskQueueConfigResponse.config`: the limits are what the members' add up to.
const ANSWER: Rules = &[(1, Rule::Message(TASK_QUEUE_CONFIG))];

impl Frontend {
    /// A limit holds on each member by itself, so each gets an even share of it: together they keep it,
    /// wherever the tasks are. One that has none of the tasks leaves its share unused.
    pub(super) async fn update_task_queue_config(&self, call: &Call) -> Result<Reply, Status> {
        let namespace = self.namespace_of(call)?;
        let members = namespace.members.len().max(1) as f32;
        let mut body = call.body.to_vec();
        for path in LIMITS {
            body = divided(&body, &path, members).map_err(|e| malformed(call.method, e))?;
        }
        let body = Bytes::from(body);
        let said = fan_out::members(namespace, call, DEADLINE, |_| Some(body.clone())).await;
        answer(&self.unfinished, call, namespace, said, ANSWER)
    }
}

/// `message` with the float at `path` divided.
fn divided(message: &[u8], path: &[u32], by: f32) -> Result<Vec<u8>, Error> {
    let Some((&number, below)) = path.split_first() else { return Ok(message.to_vec()) };
    let mut edited = Vec::with_capacity(message.len());
    for field in fields(message) {
        let field = field?;
        match field.value {
            Value::Bytes(inner) if field.number == number => {
                put_bytes(&mut edited, number, &divided(inner, below, by)?);
            }
            Value::Fixed(bytes) if field.number == number && below.is_empty() => {
                let bytes = bytes.try_into().map_err(|_| Error::WireType)?;
                put_varint(&mut edited, u64::from(number) << 3 | 5);
                edited.extend_from_slice(&(f32::from_le_bytes(bytes) / by).to_le_bytes());
            }
            _ => edited.extend_from_slice(field.raw),
        }
    }
    Ok(edited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_divided_where_it_stands_and_nothing_else_changes() {
        let update = |rate: f32| {
            let (mut limit, mut update, mut request) = (vec![1 << 3 | 5], Vec::new(), Vec::new());
            limit.extend_from_slice(&rate.to_le_bytes());
            put_bytes(&mut update, 1, &limit);
            put_bytes(&mut update, 2, b"reason");
            put_bytes(&mut request, 1, b"default");
            put_bytes(&mut request, 5, &update);
            request
        };
        assert_eq!(divided(&update(9.0), &LIMITS[0], 2.0), Ok(update(4.5)));
        assert_eq!(divided(&update(9.0), &LIMITS[1], 2.0), Ok(update(9.0)));
    }
}
