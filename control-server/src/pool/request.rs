//! The bytes of the polls that a pool opens on clusters.

use bytes::Bytes;
use panko_proto::rpc::Method;
use panko_routing::wire::fields::{Field, Value, fields, put_bytes, put_varint};

use super::event::Kind;
use super::key::PollFields;

/// `TaskQueueType` of `temporal.api.enums.v1`.
const TYPE_WORKFLOW: u64 = 1;
const TYPE_ACTIVITY: u64 = 2;
const TYPE_NEXUS: u64 = 3;

/// A worker's poll as the pool sends it: every field as it came, but for what names the worker.
///
/// The control queue and the heartbeat are that one worker's, and the task may go to another. The
/// instance key becomes the pool's own: a cluster ends the polls of a key at its `ShutdownWorker`,
/// and the pool's are not to end by a worker's. Of the rate that a worker allows the member gets
/// its `share`.
#[must_use]
pub fn pooled(method: &Method, request: &[u8], instance_key: &str, share: f64) -> Bytes {
    let numbers = PollFields::of(method);
    let mut body = Vec::with_capacity(request.len() + instance_key.len() + 2);
    for Field { number, raw, value } in fields(request).flatten() {
        match value {
            _ if number == numbers.instance_key => {}
            _ if [numbers.control_queue, numbers.heartbeat].contains(&Some(number)) => {}
            Value::Bytes(metadata) if numbers.rates == Some(number) => {
                put_bytes(&mut body, number, &shared(metadata, share));
            }
            _ => body.extend_from_slice(raw),
        }
    }
    put_bytes(&mut body, numbers.instance_key, instance_key.as_bytes());
    body.into()
}

/// The `ShutdownWorkerRequest` that ends the polls of an instance key on one task queue.
#[must_use]
pub fn withdrawal(kind: Kind, namespace: &[u8], task_queue: &[u8], instance_key: &str) -> Bytes {
    let mut body = Vec::new();
    put_bytes(&mut body, 1, namespace);
    put_bytes(&mut body, 3, b"panko");
    put_bytes(&mut body, 4, b"no worker waits for what these polls would bring");
    put_bytes(&mut body, 6, instance_key.as_bytes());
    put_bytes(&mut body, 7, task_queue);
    let mut types = Vec::new();
    put_varint(
        &mut types,
        match kind {
            Kind::Workflow | Kind::Sticky => TYPE_WORKFLOW,
            Kind::Activity => TYPE_ACTIVITY,
            Kind::Nexus => TYPE_NEXUS,
        },
    );
    put_bytes(&mut body, 8, &types);
    body.into()
}

/// `TaskQueueMetadata` with a part of its `max_tasks_per_second` (1), a `google.protobuf.DoubleValue`.
fn shared(metadata: &[u8], share: f64) -> Vec<u8> {
    let mut edited = Vec::with_capacity(metadata.len());
    for Field { number, raw, value } in fields(metadata).flatten() {
        match value {
            Value::Bytes(limit) if number == 1 => {
                put_bytes(&mut edited, 1, &double(rate(limit) * share));
            }
            _ => edited.extend_from_slice(raw),
        }
    }
    edited
}

/// The value of a `google.protobuf.DoubleValue`.
fn rate(limit: &[u8]) -> f64 {
    let value = fields(limit).flatten().filter_map(|field| match field.value {
        Value::Fixed(bytes) if field.number == 1 => bytes.try_into().ok().map(f64::from_le_bytes),
        _ => None,
    });
    value.last().unwrap_or(0.0)
}

fn double(value: f64) -> Vec<u8> {
    let mut message = vec![1 << 3 | 1];
    message.extend_from_slice(&value.to_le_bytes());
    message
}

#[cfg(test)]
mod tests {
    use panko_routing::wire::fields::last_bytes;

    use super::*;

    const ACTIVITY: &str = "/temporal.api.workflowservice.v1.WorkflowService/PollActivityTaskQueue";

    #[test]
    fn a_pooled_poll_names_no_worker_and_carries_all_else_as_it_came() {
        let method = Method::by_path(ACTIVITY).unwrap();
        let (mut request, mut metadata) = (Vec::new(), Vec::new());
        put_bytes(&mut metadata, 1, &double(100.0));
        for (number, bytes) in
            [(1, &b"orders"[..]), (8, b"worker-1"), (9, b"control"), (4, &metadata), (9000, b"new")]
        {
            put_bytes(&mut request, number, bytes);
        }
        let body = pooled(method, &request, "panko-1", 0.25);
        assert_eq!(last_bytes(&body, 1).unwrap(), b"orders");
        assert_eq!(last_bytes(&body, 8).unwrap(), b"panko-1");
        assert_eq!(last_bytes(&body, 9).unwrap(), b"");
        assert_eq!(last_bytes(&body, 9000).unwrap(), b"new");
        let metadata = last_bytes(&body, 4).unwrap();
        assert_eq!(rate(last_bytes(metadata, 1).unwrap()), 25.0);
    }
}
