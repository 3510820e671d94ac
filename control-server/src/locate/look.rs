//! What one member knows of a key.

use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{first_at, put_bytes};
use tonic::{Code, Status};

use super::Target;
use super::kinds::is_unknown;
use crate::identify::method;
use crate::timestamp::nanos;
use crate::topology::Member;

/// How long a member has.
const DEADLINE: Duration = Duration::from_secs(3);

/// What a member has of a key. The greater one is the one that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Whether the run is open.
    pub open: bool,
    /// When it started, in nanoseconds since 1970.
    pub started: i128,
}

/// How a kind of key is asked for.
struct Question {
    path: &'static str,
    /// Where the answer has the run's start and its close, a `google.protobuf.Timestamp` each. What cannot
    /// close has an empty path.
    started: &'static [u32],
    closed: &'static [u32],
}

/// `…Response.workflow_execution_info.{start_time, close_time}`.
const WORKFLOW: Question = Question {
    path: "/temporal.api.workflowservice.v1.WorkflowService/DescribeWorkflowExecution",
    started: &[2, 3],
    closed: &[2, 4],
};
/// `…Response.info.create_time`.
const SCHEDULE: Question = Question {
    path: "/temporal.api.workflowservice.v1.WorkflowService/DescribeSchedule",
    started: &[2, 6],
    closed: &[],
};
/// `…Response.info.{schedule_time, close_time}`.
const ACTIVITY: Question = Question {
    path: "/temporal.api.workflowservice.v1.WorkflowService/DescribeActivityExecution",
    started: &[2, 17],
    closed: &[2, 19],
};
/// `…Response.info.{schedule_time, close_time}`.
const NEXUS_OPERATION: Question = Question {
    path: "/temporal.api.workflowservice.v1.WorkflowService/DescribeNexusOperationExecution",
    started: &[2, 12],
    closed: &[2, 14],
};

/// A workflow's last run, as a member describes it.
pub async fn describe(member: &Member, target: &Target) -> Result<Bytes, Status> {
    member.call(method(WORKFLOW.path)?, member.cluster.own(), request(target), DEADLINE).await
}

/// Asks a member. None if it has no such run.
pub async fn look(member: &Member, target: &Target) -> Result<Option<Found>, Status> {
    let question = match target.kind {
        "schedule" => SCHEDULE,
        "activity" => ACTIVITY,
        "nexus_operation" => NEXUS_OPERATION,
        _ => WORKFLOW,
    };
    let (describe, own) = (method(question.path)?, member.cluster.own());
    let silent = |why: &str| {
        let cluster = &member.name;
        Status::unavailable(format!(
            "cluster {cluster} does not say whether it has {}:{}: {why}; try again when it is up",
            target.kind,
            String::from_utf8_lossy(&target.id),
        ))
    };
    match member.call(describe, own, request(target), DEADLINE).await {
        Ok(answer) => read(&answer, &question).map(Some).map_err(|e| silent(&e.to_string())),
        // The member itself is not there, which says nothing of the key.
        Err(status) if is_of_namespace(&status) => Err(silent(status.message())),
        // It has no such run; or there is no run id of its form, or the id is too long: nobody has it.
        Err(status) if matches!(status.code(), Code::NotFound | Code::InvalidArgument) => Ok(None),
        Err(status) if is_unknown(member, target.kind, &status).await => Ok(None),
        Err(status) => Err(silent(status.message())),
    }
}

/// Whether a refusal is of the namespace and not of the key: its details are a `NamespaceNotFoundFailure`.
pub(crate) fn is_of_namespace(status: &Status) -> bool {
    let failure = b"NamespaceNotFoundFailure";
    status.details().windows(failure.len()).any(|part| part == failure)
}

/// `Describe…Request`: the namespace, and the key with its run; a workflow's in a message of their own.
fn request(target: &Target) -> Bytes {
    let (mut body, mut key) = (Vec::new(), Vec::new());
    put_bytes(&mut body, 1, target.namespace.as_bytes());
    if target.kind == "workflow" {
        put_bytes(&mut key, 1, &target.id);
        put_bytes(&mut key, 2, &target.run);
        put_bytes(&mut body, 2, &key);
    } else {
        put_bytes(&mut body, 2, &target.id);
        if !target.run.is_empty() {
            put_bytes(&mut body, 3, &target.run);
        }
    }
    body.into()
}

fn read(answer: &[u8], question: &Question) -> Result<Found, Error> {
    let started = first_at(answer, question.started)?.map(nanos).transpose()?.unwrap_or(0);
    let closed = !question.closed.is_empty() && first_at(answer, question.closed)?.is_some();
    Ok(Found { open: !closed, started })
}
