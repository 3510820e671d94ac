//! Whether a workflow id that was used before may begin anew at its slot's owner, though its last run is with a
//! former one: as one cluster would have it, and so that former owners become empty.

use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, first_at, last_bytes};

use super::Call;
use crate::placements::now;
use crate::timestamp::nanos;

/// A client repeats a start for so long. Servers that do not tell a run's request ids are asked as if each start
/// within it were a repetition.
const REPEATED: Duration = Duration::from_secs(60);

/// `WorkflowIdReusePolicy`.
const ALLOW_DUPLICATE_FAILED_ONLY: u64 = 2;
const REJECT_DUPLICATE: u64 = 3;

/// `WorkflowExecutionStatus`: failed, cancelled, terminated, timed out.
const FAILED: [u64; 4] = [3, 4, 5, 7];

/// What a start says of an id that was used before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reuse {
    policy: u64,
    request_id: Bytes,
}

/// What is known of the last run of an id.
#[derive(Debug, PartialEq, Eq)]
struct LastRun {
    status: u64,
    started: i128,
    /// None where the server does not tell.
    request_ids: Option<Vec<Vec<u8>>>,
}

impl Reuse {
    /// What a call says; none for calls that start something other than a workflow.
    pub(super) fn of(call: &Call) -> Result<Option<Self>, Error> {
        let start = match call.method.name {
            "StartWorkflowExecution" | "SignalWithStartWorkflowExecution" => Some(&*call.body),
            // `operations.start_workflow`
            "ExecuteMultiOperation" => first_at(&call.body, &[2, 1])?,
            _ => None,
        };
        let Some(start) = start else { return Ok(None) };
        // `request_id`, `workflow_id_reuse_policy`.
        let request_id = Bytes::copy_from_slice(last_bytes(start, 10)?);
        Ok(Some(Self { policy: number(start, 11)?, request_id }))
    }

    /// Whether a start may open a run at another cluster than the one that gave this
    /// `DescribeWorkflowExecutionResponse` of a closed run. Else that cluster has to judge: it refuses the start, or
    /// knows it for a repetition.
    pub(super) fn begins_anew(&self, described: &[u8]) -> Result<bool, Error> {
        let last = LastRun::read(described)?;
        let is_repetition = match &last.request_ids {
            Some(ids) => ids.iter().any(|id| *id == self.request_id),
            None => {
                let now = i128::from(now()) * 1_000_000;
                now - last.started < i128::try_from(REPEATED.as_nanos()).unwrap_or(0)
            }
        };
        let allowed = match self.policy {
            REJECT_DUPLICATE => false,
            ALLOW_DUPLICATE_FAILED_ONLY => FAILED.contains(&last.status),
            _ => true,
        };
        Ok(allowed && !is_repetition)
    }
}

impl LastRun {
    fn read(described: &[u8]) -> Result<Self, Error> {
        // `workflow_execution_info.{start_time, status}`, `workflow_extended_info.request_id_infos`.
        let info = last_bytes(described, 2)?;
        let started = first_at(info, &[3])?.map(nanos).transpose()?.unwrap_or(0);
        let mut ids = Vec::new();
        for field in fields(last_bytes(described, 8)?) {
            let field = field?;
            if let (7, Value::Bytes(entry)) = (field.number, field.value) {
                ids.push(last_bytes(entry, 1)?.to_vec());
            }
        }
        let request_ids = (!ids.is_empty()).then_some(ids);
        Ok(Self { status: number(info, 5)?, started, request_ids })
    }
}

fn number(message: &[u8], number: u32) -> Result<u64, Error> {
    let mut last = 0;
    for field in fields(message) {
        let field = field?;
        if let (true, Value::Varint(value)) = (field.number == number, field.value) {
            last = value;
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use panko_routing::wire::fields::{put_bytes, put_uint};

    use super::*;

    /// A description of a run that has this status and began so long ago, and its request ids.
    fn described(status: u64, ago: Duration, request_ids: &[&str]) -> Vec<u8> {
        let (mut time, mut info, mut extended, mut all) = (vec![], vec![], vec![], vec![]);
        put_uint(&mut time, 1, now() / 1000 - ago.as_secs());
        put_bytes(&mut info, 3, &time);
        put_uint(&mut info, 5, status);
        for id in request_ids {
            let mut entry = Vec::new();
            put_bytes(&mut entry, 1, id.as_bytes());
            put_bytes(&mut extended, 7, &entry);
        }
        put_bytes(&mut all, 2, &info);
        put_bytes(&mut all, 8, &extended);
        all
    }

    fn anew(policy: u64, described: &[u8]) -> bool {
        let reuse = Reuse { policy, request_id: Bytes::from_static(b"mine") };
        reuse.begins_anew(described).unwrap()
    }

    #[test]
    fn policies_are_judged_as_one_cluster_does() {
        let (completed, failed) = (2, 3);
        for (policy, after_completion, after_failure) in
            [(0, true, true), (1, true, true), (2, false, true), (3, false, false), (4, true, true)]
        {
            let run = |status| described(status, Duration::ZERO, &["other"]);
            let judged = (anew(policy, &run(completed)), anew(policy, &run(failed)));
            assert_eq!(judged, (after_completion, after_failure), "policy {policy}");
        }
    }

    #[test]
    fn a_repetition_goes_where_the_first_went() {
        assert!(!anew(0, &described(2, Duration::ZERO, &["other", "mine"])));
        assert!(!anew(0, &described(2, Duration::from_secs(30), &[])), "it may be one");
        assert!(anew(0, &described(2, Duration::from_secs(90), &[])));
    }
}
