//! Class `broadcast`: every member is told, and one answer comes back when all have done it.
//!
//! * [`repeat`] — which errors say that a member has done it already.
//! * [`unfinished`] — calls that some members have yet to do.
//! * [`worker`] — a worker's heartbeats, and its end.
//! * [`batch`] — batch operations.
//! * [`namespaces`] — the namespace itself.
//! * [`rate_limits`] — a task queue's configuration.

mod batch;
mod namespaces;
mod rate_limits;
mod repeat;
mod unfinished;
mod worker;

use std::time::Duration;

use tonic::Status;

pub(super) use repeat::done_before;
pub use unfinished::Unfinished;

use super::fan_out::{self, Said, refused_alike, told_by};
use super::reply::{Missing, Reply};
use super::{Call, Frontend, conflict_token, malformed};
use crate::merge::{self, Rules};
use crate::topology::{Member, VirtualNamespace};

/// How long the members have.
const DEADLINE: Duration = Duration::from_secs(10);

impl Frontend {
    pub(super) async fn broadcast(&self, call: Call) -> Result<Reply, Status> {
        match call.method.name {
            "ShutdownWorker" => self.shutdown_worker(call).await,
            "RecordWorkerHeartbeat" => self.tell_all(&call, &[]).await,
            "StartBatchOperation" => self.start_batch(&call).await,
            "UpdateTaskQueueConfig" => self.update_task_queue_config(&call).await,
            "RegisterNamespace" | "UpdateNamespace" | "DeprecateNamespace" | "DeleteNamespace" => {
                self.change_namespace(&call).await
            }
            "CreateNexusEndpoint" => self.create_nexus_endpoint(&call).await,
            "UpdateNexusEndpoint" => self.update_nexus_endpoint(&call).await,
            "DeleteNexusEndpoint" => self.delete_nexus_endpoint(&call).await,
            _ => self.tell_all(&call, &[]).await,
        }
    }

    /// Sends the request to every member as it came, but for its conflict token.
    async fn tell_all(&self, call: &Call, rules: Rules) -> Result<Reply, Status> {
        let namespace = self.namespace_of(call)?;
        let bodies = conflict_token::split(call.method, namespace, &call.body)?;
        let said = fan_out::members(namespace, call, DEADLINE, |at| bodies.get(at).cloned()).await;
        answer(&self.unfinished, call, namespace, said, rules)
    }
}

/// One answer of all that were told. Those that are fenced were not, and the answer says so.
///
/// Fails when one has not done it: with its error, which names it and says who has. When all have done
/// it before, with what they say of that.
fn answer(
    unfinished: &Unfinished,
    call: &Call,
    namespace: &VirtualNamespace,
    said: Vec<Said<'_>>,
    rules: Rules,
) -> Result<Reply, Status> {
    let (fenced, said): (Vec<_>, _) = said.into_iter().partition(|said| said.member.is_fenced());
    let missing = fenced.iter().map(|said| Missing {
        cluster: said.member.name.clone(),
        why: "it is fenced; repeat the call when it is back".to_owned(),
    });
    let alike = refused_alike(said.iter().map(|said| &said.result));
    if let Some(status) = alike {
        let all_have_it = done_before(call.method.name, &status) && unfinished.ends(call);
        return if all_have_it { Ok(Reply::default()) } else { Err(status) };
    }
    let missing = missing.collect();
    let (mut done, mut before, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for Said { index, member, result } in said {
        match result {
            Ok(body) => done.push((index, member, body)),
            Err(status) if done_before(call.method.name, &status) => {
                before.push((member, status));
            }
            Err(status) => failed.push((member, status)),
        }
    }
    if let Some((member, status)) = failed.first() {
        if !(done.is_empty() && before.is_empty()) {
            unfinished.note(call);
        }
        let have = done.iter().map(|(_, m, _)| *m).chain(before.iter().map(|(m, _)| *m)).collect();
        return Err(told(member, status, have));
    }
    let ends = unfinished.ends(call);
    if let (true, Some((member, status))) = (done.is_empty(), before.first()) {
        return if ends { Ok(Reply::default()) } else { Err(told_by(member, status)) };
    }
    let token = conflict_token::of_answers(call.method, namespace, &done)
        .map_err(|e| malformed(call.method, e))?;
    let bodies: Vec<_> = done.into_iter().map(|(_, _, body)| body).collect();
    let body = merge::answers(&bodies, rules).map_err(|e| malformed(call.method, e))?;
    let body = conflict_token::put(call.method, &body, &token).into();
    Ok(Reply { body, missing, ..Reply::default() })
}

/// What one says who has not done it, and who has.
fn told(member: &Member, status: &Status, have: Vec<&Member>) -> Status {
    if have.is_empty() {
        return told_by(member, status);
    }
    let have: Vec<_> = have.iter().map(|member| member.name.as_ref()).collect();
    let message = format!(
        "cluster {}: {} (done on {}; repeat the call, and it is done on the rest: what is done already stays as it is)",
        member.name,
        status.message(),
        have.join(", ")
    );
    Status::with_details(status.code(), message, status.details().to_vec().into())
}
