//! Class `gather`: every member is asked, and their answers are merged.
//!
//! * [`partial`] — when an answer may lack a member's part.
//! * [`lists`] — pages of rows: each member's [`pages`], their [`row`]s merged ([`merge_rows`]), our own
//!   [`page_token`].
//! * [`counts`] — sums, whole or in groups.

mod counts;
mod lists;
mod merge_rows;
mod page_token;
mod pages;
#[cfg(test)]
mod paging_tests;
mod partial;
mod row;

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

/// How much of the caller's time is kept for the way back, as a part of it.
const FOR_THE_WAY: u32 = 10;

/// How long the members have: less than the caller waits, so that those that answer are heard.
fn deadline(call: &Call) -> Duration {
    let asked = call.timeout.as_deref().and_then(super::deadline::parse).unwrap_or(DEADLINE);
    asked.min(DEADLINE) - asked.min(DEADLINE) / FOR_THE_WAY
}

impl Frontend {
    pub(super) async fn gather(&self, call: Call) -> Result<Reply, Status> {
        match call.method.name {
            "ListOpenWorkflowExecutions"
            | "ListClosedWorkflowExecutions"
            | "ListWorkflowExecutions"
            | "ListArchivedWorkflowExecutions"
            | "ScanWorkflowExecutions" => self.list(&call, lists::WORKFLOWS).await,
            "ListActivityExecutions" => self.list(&call, lists::ACTIVITIES).await,
            "ListNexusOperationExecutions" => self.list(&call, lists::NEXUS_OPERATIONS).await,
            "ListSchedules" => self.list(&call, lists::SCHEDULES).await,
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
        let said =
            fan_out::members(namespace, call, deadline(call), |_| Some(call.body.clone())).await;
        let Answers { there, missing } = Answers::of(namespace, said)?;
        let answers: Vec<_> = there.into_iter().map(|(_, _, body)| body).collect();
        let body = merge(&answers).map_err(|error| {
            Status::internal(format!("{}: a cluster's answer: {error}", call.method.name))
        })?;
        Ok(Reply { body, receipt: None, missing })
    }
}
