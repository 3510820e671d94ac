//! By how much a cluster's clock differs from this one.
//!
//! No RPC tells the time. A task queue does tell when it was last polled, so Panko polls one that nobody else uses, and
//! looks. The poll ends by its own deadline.

use std::time::Duration;

use panko_routing::wire::fields::{Value, fields, first_at, put_bytes, put_uint};
use tonic::Status;

use crate::identify::method;
use crate::placements::now;
use crate::timestamp;
use crate::topology::Member;

/// The task queue, the same each time: a cluster remembers every one.
const QUEUE: &str = "panko-check";

/// The shortest poll that servers take, with a margin.
const POLL: Duration = Duration::from_secs(3);

/// How long a poll takes to be known, and how often it is looked for.
const SOON: Duration = Duration::from_millis(100);
const LOOKS: usize = 15;

const POLL_WORKFLOW: &str =
    "/temporal.api.workflowservice.v1.WorkflowService/PollWorkflowTaskQueue";
const DESCRIBE: &str = "/temporal.api.workflowservice.v1.WorkflowService/DescribeTaskQueue";

/// By how many milliseconds a member's clock is ahead; none if it cannot be told.
pub async fn ahead(member: &Member) -> Option<i64> {
    let identity = format!("panko-check-{}", uuid::Uuid::new_v4().simple());
    let (mut poll, mut queue) = (Vec::new(), Vec::new());
    put_bytes(&mut queue, 1, QUEUE.as_bytes());
    put_bytes(&mut poll, 1, member.namespace.as_bytes());
    put_bytes(&mut poll, 2, &queue);
    put_bytes(&mut poll, 3, identity.as_bytes());
    let (cluster, poll_queue) = (&member.cluster, method(POLL_WORKFLOW).ok()?);
    let sent = now();
    let poll = cluster.call(poll_queue, cluster.own(), poll.into(), POLL);
    let seen = async {
        for _ in 0..LOOKS {
            tokio::time::sleep(SOON).await;
            if let Ok(Some(at)) = last_access(member, &identity).await {
                return Some(at);
            }
        }
        None
    };
    // The poll is waited for: one that is cancelled could lose what it brings.
    let (_, seen) = tokio::join!(poll, seen);
    Some(seen?.saturating_sub(i64::try_from(sent).ok()?))
}

/// When the cluster says that this poller came, in its milliseconds since 1970.
async fn last_access(member: &Member, identity: &str) -> Result<Option<i64>, Status> {
    let (mut body, mut queue) = (Vec::new(), Vec::new());
    put_bytes(&mut queue, 1, QUEUE.as_bytes());
    put_bytes(&mut body, 1, member.namespace.as_bytes());
    put_bytes(&mut body, 2, &queue);
    put_uint(&mut body, 3, 1);
    let (cluster, describe) = (&member.cluster, method(DESCRIBE)?);
    let answer = cluster.call(describe, cluster.own(), body.into(), POLL).await?;
    let pollers = fields(&answer).flatten().filter_map(|field| match (field.number, field.value) {
        (1, Value::Bytes(poller)) => Some(poller),
        _ => None,
    });
    let is = |poller: &&[u8]| first_at(poller, &[2]).ok().flatten() == Some(identity.as_bytes());
    let mut own = pollers.filter(is);
    let at = own.next().and_then(|poller| first_at(poller, &[1]).ok().flatten());
    Ok(at.and_then(|at| i64::try_from(timestamp::nanos(at).ok()? / 1_000_000).ok()))
}
