//! Class `gather`: every member is asked, and their answers are merged.
//!
//! * [`partial`] — when an answer may lack a member's part.
//! * [`counts`] — sums, whole or in groups.

mod counts;
mod partial;

use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::last_bytes;
use tonic::Status;

use super::reply::Reply;
use super::{Call, Frontend, fan_out, malformed};
use partial::Answers;

/// How long the members have where the caller says nothing.
const DEADLINE: Duration = Duration::from_secs(10);

impl Frontend {
    pub(super) async fn gather(&self, call: Call) -> Result<Reply, Status> {
        match call.method.name {
            "CountWorkflowExecutions"
            | "CountActivityExecutions"
            | "CountNexusOperationExecutions"
            | "CountSchedules" => self.merged(&call, counts::sum).await,
            name => Err(Status::unimplemented(format!(
                "{name} has to ask every cluster and merge, which this release of Panko does not do yet; call the clusters themselves"
            ))),
        }
    }

    /// Sends the request to every member as it came, and merges what they answer.
    async fn merged(
        &self,
        call: &Call,
        merge: impl Fn(&[Bytes]) -> Result<Bytes, Error>,
    ) -> Result<Reply, Status> {
        let name = last_bytes(&call.body, 1).map_err(|e| malformed(call.method, e))?;
        let namespace = self.namespace(name)?;
        let said = fan_out::members(namespace, call, DEADLINE, |_| Some(call.body.clone())).await;
        let Answers { there, missing } = Answers::of(namespace, said)?;
        let answers: Vec<_> = there.into_iter().map(|(_, _, body)| body).collect();
        let body = merge(&answers).map_err(|error| {
            Status::internal(format!("{}: a cluster's answer: {error}", call.method.name))
        })?;
        Ok(Reply { body, receipt: None, missing })
    }
}
