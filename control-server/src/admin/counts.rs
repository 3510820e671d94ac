//! About how many workflows a change concerns: count queries, with Panko's own credentials.

use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::fields::{Value, fields, put_bytes};

use super::Service;
use crate::identify::method;
use crate::locate::lists::OPEN;
use crate::topology::Member;

/// How long a cluster has.
const DEADLINE: Duration = Duration::from_secs(5);

/// `/…WorkflowService/CountWorkflowExecutions`.
const COUNT: &str = "/temporal.api.workflowservice.v1.WorkflowService/CountWorkflowExecutions";

impl Service {
    /// How many open and closed workflows a member has; none where its cluster does not say.
    pub(super) async fn workflows(
        &self,
        namespace: &str,
        member: usize,
    ) -> (Option<u64>, Option<u64>) {
        let topology = self.placements.topology();
        let of = topology.namespace(namespace);
        let Some((of, member)) = of.and_then(|of| Some((of, of.members.get(member)?))) else {
            return (None, None);
        };
        let open = count(member, &of.name, OPEN).await;
        let all = count(member, &of.name, "").await;
        (open, all.zip(open).map(|(all, open)| all.saturating_sub(open)))
    }
}

/// `CountWorkflowExecutionsRequest {namespace 1, query 2}`, `…Response.count` 1.
async fn count(member: &Member, namespace: &str, query: &str) -> Option<u64> {
    let mut body = Vec::new();
    put_bytes(&mut body, 1, namespace.as_bytes());
    put_bytes(&mut body, 2, query.as_bytes());
    let (count, own) = (method(COUNT).ok()?, member.cluster.own());
    let answer: Bytes = member.call(count, own, body.into(), DEADLINE).await.ok()?;
    let mut counted = fields(&answer).flatten().filter(|field| field.number == 1);
    match counted.next().map(|field| field.value) {
        Some(Value::Varint(count)) => Some(count),
        // Zero is not written.
        _ => Some(0),
    }
}
