//! What a task token says: the filter reads no more of it than the namespace.

use panko_proto::v1::TokenStatus;
use panko_routing::placement::NamespaceUuid;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{fields, last_bytes};
use tonic::Status;

use super::{Service, name_of};

/// Of the fields of `temporal.server.api.token.v1.Task` one that every token of a workflow's or an activity's task has, and
/// none of a query's or a Nexus task: `attempt`.
const ATTEMPT: u32 = 5;

impl Service {
    /// Reads a token, and finds the member that it is of.
    pub(super) fn token(&self, token: &[u8]) -> Result<TokenStatus, Status> {
        let mut status = read(token).map_err(|e| {
            Status::invalid_argument(format!(
                "this is no task token ({e}); write it as base64, as `task_token` has it"
            ))
        })?;
        let uuid = NamespaceUuid::parse(status.namespace_uuid.as_bytes());
        let uuid = uuid.ok_or_else(|| {
            Status::invalid_argument(
                "this is no task token: it does not begin with a namespace's UUID",
            )
        })?;
        let uuid = uuid.to_string();
        for namespace in self.placements.namespaces() {
            let Some(state) = self.placements.state(&namespace) else { continue };
            let mut members = state.members.iter();
            if let Some(at) = members.position(|member| member.uuid.as_deref() == Some(&uuid)) {
                status.member = name_of(&state, at);
                status.namespace = namespace;
                break;
            }
        }
        Ok(status)
    }
}

/// `Task {namespace_id 1, workflow_id 2, run_id 3, activity_id 6}`, or `QueryTask` and `NexusTask {namespace_id 1,
/// task_queue 2}`.
fn read(token: &[u8]) -> Result<TokenStatus, Error> {
    let text =
        |number| last_bytes(token, number).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let mut status = TokenStatus { namespace_uuid: text(1)?, ..Default::default() };
    let mut numbers = fields(token).map(|field| field.map(|field| field.number));
    if numbers.any(|number| number == Ok(ATTEMPT)) {
        status.workflow_id = text(2)?;
        status.run_id = text(3)?;
        status.activity_id = text(6)?;
    } else {
        status.task_queue = text(2)?;
    }
    Ok(status)
}
