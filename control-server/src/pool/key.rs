//! Which polls may share a pool: those that every cluster would give the same tasks.

use bytes::Bytes;
use panko_proto::rpc::Method;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Field, Value, fields, last_bytes};
use xxhash_rust::xxh64::xxh64;

use super::event::{Kind, WorkerId};
use crate::caller::{Caller, Identity};
use crate::config::Callers;

/// `TASK_QUEUE_KIND_STICKY` of `temporal.api.enums.v1.TaskQueueKind`.
const KIND_STICKY: u64 = 2;

/// Everything in a poll that decides which tasks it may get, as bytes: the same on every replica.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PoolKey(pub Bytes);

/// Field numbers that differ between the three poll requests.
#[derive(Debug, Clone, Copy)]
pub struct PollFields {
    /// The task queue.
    pub task_queue: u32,
    /// The worker's name for people.
    pub identity: u32,
    /// The worker's name for machines.
    pub instance_key: u32,
    /// The queue by which the server talks to that one worker.
    pub control_queue: Option<u32>,
    /// A heartbeat of that one worker.
    pub heartbeat: Option<u32>,
    /// Rate limits: the last poller's hold.
    pub rates: Option<u32>,
}

impl PollFields {
    /// The numbers for a poll method (temporal.api.workflowservice.v1 `Poll…Request`).
    #[must_use]
    pub fn of(method: &Method) -> Self {
        match method.name {
            "PollNexusTaskQueue" => Self {
                task_queue: 3,
                identity: 2,
                instance_key: 8,
                control_queue: None,
                heartbeat: Some(7),
                rates: None,
            },
            "PollActivityTaskQueue" => Self {
                task_queue: 2,
                identity: 3,
                instance_key: 8,
                control_queue: Some(9),
                heartbeat: None,
                rates: Some(4),
            },
            _ => Self {
                task_queue: 2,
                identity: 3,
                instance_key: 8,
                control_queue: Some(9),
                heartbeat: None,
                rates: None,
            },
        }
    }

    /// Whether a field names the worker, or is the worker's own wish, rather than the tasks.
    fn of_worker(&self, number: u32) -> bool {
        number == self.identity
            || number == self.instance_key
            || [self.control_queue, self.heartbeat, self.rates].contains(&Some(number))
    }
}

/// What a worker's poll says.
#[derive(Debug, Clone)]
pub struct Poll {
    /// The RPC.
    pub method: &'static Method,
    /// Who polls.
    pub caller: Caller,
    /// The request as it came.
    pub body: Bytes,
    /// The virtual namespace.
    pub namespace: String,
    /// The task queue's name, for people.
    pub task_queue: String,
    /// Which tasks.
    pub key: PoolKey,
    /// Which worker.
    pub worker: WorkerId,
    /// What kind of tasks.
    pub kind: Kind,
    /// Whether the caller only says who he is: then his right to the pool's tasks is to be proven.
    pub claims: bool,
}

impl Poll {
    /// Reads a poll request. Fails when its bytes are not protobuf.
    pub fn read(
        method: &'static Method,
        caller: Caller,
        callers: &Callers,
        body: Bytes,
    ) -> Result<Self, Error> {
        let identity = caller.identity(callers);
        let numbers = PollFields::of(method);
        let mut key = Vec::with_capacity(body.len() + 128);
        for part in [method.name.as_bytes(), &identity.bytes()] {
            key.extend_from_slice(&(part.len() as u32).to_le_bytes());
            key.extend_from_slice(part);
        }
        for field in fields(&body) {
            let Field { number, raw, .. } = field?;
            if !numbers.of_worker(number) {
                key.extend_from_slice(raw);
            }
        }
        let task_queue = last_bytes(&body, numbers.task_queue)?;
        let sticky = fields(task_queue).any(|field| {
            matches!(field, Ok(Field { number: 2, value: Value::Varint(KIND_STICKY), .. }))
        });
        let kind = match method.name {
            "PollActivityTaskQueue" => Kind::Activity,
            "PollNexusTaskQueue" => Kind::Nexus,
            _ if sticky => Kind::Sticky,
            _ => Kind::Workflow,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            method,
            namespace: text(last_bytes(&body, 1)?),
            task_queue: text(last_bytes(task_queue, 1)?),
            worker: worker_id(last_bytes(&body, numbers.instance_key)?),
            key: PoolKey(key.into()),
            kind,
            claims: matches!(identity, Identity::Claims(_)),
            caller,
            body,
        })
    }

    /// Where its fields are.
    #[must_use]
    pub fn fields(&self) -> PollFields {
        PollFields::of(self.method)
    }
}

/// The number under which pools know a worker's instance key.
#[must_use]
pub fn worker_id(instance_key: &[u8]) -> WorkerId {
    WorkerId(xxh64(instance_key, 0))
}
