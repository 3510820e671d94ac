//! What a poll on a cluster brought: is it a task, how long may it be held, how to give it back.

use std::time::Duration;

use bytes::Bytes;
use panko_proto::rpc::Method;
use panko_routing::wire::fields::{Field, Value, fields, last_bytes, put_bytes, put_uint};

use super::event::Kind;

/// A workflow task times out after its start-to-close timeout, 10 s by default: it is held for half
/// of that.
const WORKFLOW_TASK_TIMEOUT: Duration = Duration::from_secs(10);
/// A query's or a Nexus operation's caller waits some seconds more.
const HOLD_CALL: Duration = Duration::from_secs(3);
/// The longest that an activity is held; it cannot be given back.
const HOLD_ACTIVITY: Duration = Duration::from_secs(600);

/// What Panko says when it gives a task back.
const NOBODY: &str = "no worker of the task queue polled in time; Panko gives the task back";
/// How Panko calls itself in histories.
const IDENTITY: &str = "panko";

/// `QUERY_RESULT_TYPE_FAILED` of `temporal.api.enums.v1.QueryResultType`.
const QUERY_FAILED: u64 = 2;

/// Whether a poll's answer has a task: they all have the token in field 1.
#[must_use]
pub fn is_task(answer: &[u8]) -> bool {
    last_bytes(answer, 1).is_ok_and(|token| !token.is_empty())
}

/// How long a task may wait for a worker before it is given back.
#[must_use]
pub fn hold(kind: Kind, answer: &[u8]) -> Duration {
    match kind {
        Kind::Workflow | Kind::Sticky if is_query(answer) => HOLD_CALL,
        Kind::Workflow | Kind::Sticky => {
            workflow_task_timeout(answer)
                .unwrap_or(WORKFLOW_TASK_TIMEOUT)
                .min(WORKFLOW_TASK_TIMEOUT)
                / 2
        }
        Kind::Nexus => HOLD_CALL,
        Kind::Activity => {
            // start_to_close_timeout and heartbeat_timeout of PollActivityTaskQueueResponse.
            let timeouts = [15, 16].map(|number| last_bytes(answer, number).map(duration));
            let soonest = timeouts.into_iter().flatten().filter(|d| !d.is_zero()).min();
            // A worker that got it later could hardly be done, and its cluster would start it again.
            soonest.map_or(HOLD_ACTIVITY, |soonest| soonest / 2).min(HOLD_ACTIVITY)
        }
    }
}

/// The call that gives a task back: the RPC's name and its body. `None` for what cannot be.
#[must_use]
pub fn give_back(kind: Kind, namespace: &str, answer: &[u8]) -> Option<(&'static Method, Bytes)> {
    let token = last_bytes(answer, 1).ok()?;
    let mut body = Vec::with_capacity(token.len() + 256);
    let name = match kind {
        Kind::Activity => return None,
        Kind::Workflow | Kind::Sticky if is_query(answer) => {
            put_bytes(&mut body, 1, token);
            put_uint(&mut body, 2, QUERY_FAILED);
            put_bytes(&mut body, 4, NOBODY.as_bytes());
            put_bytes(&mut body, 6, namespace.as_bytes());
            "RespondQueryTaskCompleted"
        }
        Kind::Workflow | Kind::Sticky => {
            put_bytes(&mut body, 1, token);
            put_bytes(&mut body, 3, &message(NOBODY));
            put_bytes(&mut body, 4, IDENTITY.as_bytes());
            put_bytes(&mut body, 6, namespace.as_bytes());
            "RespondWorkflowTaskFailed"
        }
        Kind::Nexus => {
            put_bytes(&mut body, 1, namespace.as_bytes());
            put_bytes(&mut body, 2, IDENTITY.as_bytes());
            put_bytes(&mut body, 3, token);
            // temporal.api.nexus.v1.HandlerError: a caller may try again.
            let mut error = Vec::new();
            put_bytes(&mut error, 1, b"UNAVAILABLE");
            put_bytes(&mut error, 2, &message(NOBODY));
            put_bytes(&mut body, 4, &error);
            "RespondNexusTaskFailed"
        }
    };
    let path = format!("/temporal.api.workflowservice.v1.WorkflowService/{name}");
    Some((Method::by_path(&path)?, body.into()))
}

/// The start-to-close timeout of a workflow task, as the last scheduling in its history says it:
/// `PollWorkflowTaskQueueResponse.history` (8), `History.events` (1),
/// `HistoryEvent.workflow_task_scheduled_event_attributes` (10), `start_to_close_timeout` (2).
fn workflow_task_timeout(answer: &[u8]) -> Option<Duration> {
    let history = last_bytes(answer, 8).ok()?;
    let events = fields(history).flatten().filter_map(|event| match event.value {
        Value::Bytes(event_bytes) if event.number == 1 => last_bytes(event_bytes, 10).ok(),
        _ => None,
    });
    let scheduled = events.filter(|attributes| !attributes.is_empty()).last()?;
    let timeout = duration(last_bytes(scheduled, 2).ok()?);
    Some(timeout).filter(|timeout| !timeout.is_zero())
}

/// A legacy query has its own task and token (field `query`, 10).
fn is_query(answer: &[u8]) -> bool {
    fields(answer).any(|field| matches!(field, Ok(Field { number: 10, .. })))
}

/// A Failure of either package: `message` is field 1 of both.
fn message(text: &str) -> Vec<u8> {
    let mut failure = Vec::new();
    put_bytes(&mut failure, 1, text.as_bytes());
    failure
}

/// A `google.protobuf.Duration`.
fn duration(bytes: &[u8]) -> Duration {
    let mut whole = Duration::ZERO;
    for Field { number, value, .. } in fields(bytes).flatten() {
        match (number, value) {
            (1, Value::Varint(seconds)) => whole += Duration::from_secs(seconds.min(1 << 32)),
            (2, Value::Varint(nanos)) => whole += Duration::from_nanos(nanos.min(999_999_999)),
            _ => {}
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(path: &[u32], leaf: Vec<u8>) -> Vec<u8> {
        path.iter().rev().fold(leaf, |inner, &number| {
            let mut outer = Vec::new();
            put_bytes(&mut outer, number, &inner);
            outer
        })
    }

    #[test]
    fn a_workflow_task_is_held_for_half_of_its_own_timeout() {
        let mut seconds = Vec::new();
        put_uint(&mut seconds, 1, 4);
        let answer = nested(&[8, 1, 10, 2], seconds);
        assert_eq!(hold(Kind::Workflow, &answer), Duration::from_secs(2));
        assert_eq!(hold(Kind::Sticky, b""), Duration::from_secs(5));
    }

    #[test]
    fn an_activity_is_held_for_half_of_its_first_timeout() {
        let mut answer = Vec::new();
        for (number, seconds) in [(15, 60), (16, 5)] {
            let mut timeout = Vec::new();
            put_uint(&mut timeout, 1, seconds);
            put_bytes(&mut answer, number, &timeout);
        }
        assert_eq!(hold(Kind::Activity, &answer), Duration::from_millis(2_500));
        assert_eq!(hold(Kind::Activity, b""), HOLD_ACTIVITY);
    }
}
