//! Batch operations: by query on every member, by executions where each of them lives; one job id.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::stream::{StreamExt, TryStreamExt};
use panko_routing::placement::Starts;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Field, Value, fields, first_at};
use tonic::Status;

use super::super::reply::Reply;
use super::super::{Call, Frontend, fan_out, malformed};
use super::{DEADLINE, answer};
use crate::locate::Target;
use crate::topology::VirtualNamespace;

/// `StartBatchOperationRequest.executions`, of `WorkflowExecution`.
const EXECUTIONS: u32 = 5;
/// `StartBatchOperationRequest.target_executions`, of `Execution`.
const TARGET_EXECUTIONS: u32 = 22;
/// `StartBatchOperationRequest.reset_operation`.
const RESET_OPERATION: u32 = 14;

/// How many executions are looked for at the same time.
const AT_ONCE: usize = 16;

impl Frontend {
    /// Starts the job on the members that have something to do for it.
    pub(super) async fn start_batch(&self, call: &Call) -> Result<Reply, Status> {
        let namespace = self.namespace_of(call)?;
        let bad = |e| malformed(call.method, e);
        let resets = fields(&call.body).flatten().any(|field| field.number == RESET_OPERATION);
        if resets && !self.is_unmoved(&namespace.name) {
            return Err(Status::failed_precondition(
                "slots of this namespace have former owners, and clusters reset by themselves: an id could be opened on two of them. Reset workflows one by one, or wait until `panko status placement` shows no former owner",
            ));
        }
        let (named, rest): (Vec<_>, Vec<_>) = fields(&call.body)
            .collect::<Result<Vec<_>, Error>>()
            .map_err(bad)?
            .into_iter()
            .partition(|field| [EXECUTIONS, TARGET_EXECUTIONS].contains(&field.number));
        if named.is_empty() {
            let body = |_| Some(call.body.clone());
            let said = fan_out::members(namespace, call, DEADLINE, body).await;
            return answer(&self.unfinished, call, namespace, said, &[]);
        }
        let targets: Vec<_> =
            named.iter().map(|f| target(namespace, f)).collect::<Result<_, _>>().map_err(bad)?;
        let homes: Vec<usize> = futures_util::stream::iter(targets)
            .map(|target| async move { self.home(namespace, &target).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut bodies: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for (member, field) in homes.into_iter().zip(named) {
            let common = || rest.iter().flat_map(|field| field.raw).copied().collect();
            bodies.entry(member).or_insert_with(common).extend_from_slice(field.raw);
        }
        let body = |index| bodies.get(&index).map(|body| Bytes::copy_from_slice(body));
        let said = fan_out::members(namespace, call, DEADLINE, body).await;
        answer(&self.unfinished, call, namespace, said, &[])
    }

    /// Whether no slot has a former owner, or is about to get another owner.
    fn is_unmoved(&self, namespace: &str) -> bool {
        let state = self.placements.state(namespace);
        state.is_some_and(|state| state.slots.iter().all(|slot| slot.starts() == Starts::Direct))
    }
}

/// The key of a `WorkflowExecution` (id, run) or of an `Execution` (type, id, run).
fn target(namespace: &VirtualNamespace, field: &Field<'_>) -> Result<Target, Error> {
    let Value::Bytes(execution) = field.value else { return Err(Error::WireType) };
    let (mut kind, mut at) = ("workflow", 1);
    if field.number == TARGET_EXECUTIONS {
        at = 2;
        for field in fields(execution) {
            let field = field?;
            // `ExecutionType`.
            kind = match (field.number, field.value) {
                (1, Value::Varint(2)) => "activity",
                (1, Value::Varint(3)) => "nexus_operation",
                _ => kind,
            };
        }
    }
    let id = first_at(execution, &[at])?.unwrap_or_default().into();
    let run = first_at(execution, &[at + 1])?.unwrap_or_default().into();
    Ok(Target { namespace: namespace.name.clone(), kind, id, run })
}
