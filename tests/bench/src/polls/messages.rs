//! The messages of workers and clusters, as far as they matter here, field by field.
//!
//! Numbers are those of `temporal.api.workflowservice.v1`.

use bytes::Bytes;
use clap::ValueEnum;
use panko_routing::wire::fields::{last_bytes, put_bytes, put_uint};

/// The one namespace of the bench.
pub const NAMESPACE: &str = "default";

/// How many pollers a worker has, as one instance key and one identity.
const POLLERS: usize = 10;

/// What is polled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Activity tasks: they cannot be given back, so an idle worker's poll is on one cluster only.
    Activity,
    /// Workflow tasks.
    Workflow,
}

impl Kind {
    /// The RPC's name.
    pub fn method(self) -> &'static str {
        match self {
            Self::Activity => "PollActivityTaskQueue",
            Self::Workflow => "PollWorkflowTaskQueue",
        }
    }
}

/// A poll as poller number `poller` of all sends it. Both kinds have the same numbers.
pub fn poll(queue: &str, poller: usize) -> Vec<u8> {
    let worker = poller / POLLERS;
    let mut task_queue = Vec::new();
    put_bytes(&mut task_queue, 1, queue.as_bytes());
    put_uint(&mut task_queue, 2, 1);
    let mut poll = Vec::new();
    put_bytes(&mut poll, 1, NAMESPACE.as_bytes());
    put_bytes(&mut poll, 2, &task_queue);
    put_bytes(&mut poll, 3, format!("{worker}@worker-{worker}.workers").as_bytes());
    put_bytes(&mut poll, 8, format!("9f3e2a10-7c55-4e1b-8d7a-{worker:012x}").as_bytes());
    put_bytes(&mut poll, 9, format!("temporal-sys/worker-commands/{worker:x}").as_bytes());
    poll
}

/// The name of the queue that a poll asks for.
pub fn queue_of(poll: &[u8]) -> Option<&[u8]> {
    last_bytes(last_bytes(poll, 2).ok()?, 1).ok()
}

/// A poll's answer with task number `number`. The token begins as a server's does: the namespace's
/// UUID is field 1, the workflow's id field 2.
pub fn task(kind: Kind, uuid: &str, number: usize) -> Bytes {
    let mut token = Vec::new();
    put_bytes(&mut token, 1, uuid.as_bytes());
    put_bytes(&mut token, 2, number.to_string().as_bytes());
    put_bytes(&mut token, 3, b"7d0d9a3f-3b0e-4a43-9d6f-a6e7f5a1b0c2");
    let named = |name: &[u8]| {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, name);
        message
    };
    let mut answer = Vec::new();
    put_bytes(&mut answer, 1, &token);
    match kind {
        Kind::Activity => {
            put_bytes(&mut answer, 2, NAMESPACE.as_bytes());
            put_bytes(&mut answer, 3, &named(b"OrderWorkflow"));
            put_bytes(&mut answer, 5, &named(b"charge"));
            put_bytes(&mut answer, 6, b"5");
            put_bytes(&mut answer, 8, &[0x2a; 200]);
            // start_to_close_timeout: a minute.
            let mut minute = Vec::new();
            put_uint(&mut minute, 1, 60);
            put_bytes(&mut answer, 15, &minute);
        }
        Kind::Workflow => {
            put_bytes(&mut answer, 3, &named(b"OrderWorkflow"));
            put_uint(&mut answer, 5, 3);
            put_uint(&mut answer, 6, 1);
            put_bytes(&mut answer, 8, &[0x2a; 200]);
        }
    }
    answer.into()
}

/// The number of an answer's task; `None` for an empty answer.
pub fn task_number(answer: &[u8]) -> Option<usize> {
    let token = last_bytes(answer, 1).ok()?;
    std::str::from_utf8(last_bytes(token, 2).ok()?).ok()?.parse().ok()
}

/// What a cluster says to GetSystemInfo.
pub fn system_info() -> Bytes {
    let mut capabilities = Vec::new();
    (1..=9).for_each(|number| put_uint(&mut capabilities, number, 1));
    let mut info = Vec::new();
    put_bytes(&mut info, 1, b"null-cluster");
    put_bytes(&mut info, 2, &capabilities);
    info.into()
}

/// What a cluster says of a namespace.
pub fn describe_namespace(name: &[u8], uuid: &str) -> Bytes {
    let mut capabilities = Vec::new();
    (1..=8).for_each(|number| put_uint(&mut capabilities, number, 1));
    let mut info = Vec::new();
    put_bytes(&mut info, 1, name);
    put_uint(&mut info, 2, 1);
    put_bytes(&mut info, 6, uuid.as_bytes());
    put_bytes(&mut info, 7, &capabilities);
    let mut described = Vec::new();
    put_bytes(&mut described, 1, &info);
    described.into()
}

/// The request that makes a real server have the namespace, for a day.
pub fn register_namespace() -> Vec<u8> {
    let mut day = Vec::new();
    put_uint(&mut day, 1, 24 * 60 * 60);
    let mut request = Vec::new();
    put_bytes(&mut request, 1, NAMESPACE.as_bytes());
    put_bytes(&mut request, 4, &day);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_known_by_its_number_and_an_empty_answer_has_none() {
        for kind in [Kind::Activity, Kind::Workflow] {
            assert_eq!(task_number(&task(kind, "uuid", 4711)), Some(4711));
        }
        assert_eq!(task_number(b""), None);
    }

    #[test]
    fn a_poll_names_its_queue() {
        assert_eq!(queue_of(&poll("orders", 12)), Some(&b"orders"[..]));
    }
}
