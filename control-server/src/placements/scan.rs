//! The leader's other part: former owners are released from slots of which they hold nothing any more.
//!
//! Two scans of a member's own lists, some time apart, have to find nothing of a slot, and no start may have been sent there
//! between them. `docs/design/placement.md` says why that is enough.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use panko_placement::{Change, State};
use panko_routing::Key;
use panko_routing::wire::fields::{Value, fields, first_at, last_bytes, put_bytes, put_uint};
use panko_store::{FormerOwner, Lead};
use tonic::{Code, Status};

use super::{By, Error, PlacementsHolder, now};
use crate::config::Scans;
use crate::identify::method;
use crate::topology::{Member, VirtualNamespace};

/// Rows of a page, and how long a cluster has for one.
const PAGE: u64 = 1000;
const DEADLINE: Duration = Duration::from_secs(20);

/// Between two pages: servers let a namespace ask its visibility ten times a second, and others ask too.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a page is asked for again that was one too many.
const TRIES: usize = 20;

/// What has keys of a kind: a list's path, and where its rows have the id. All lists have the request's namespace
/// in field 1, its page size in 2 and its page token in 3; rows are field 1 of the answer, the next token is 2.
struct List {
    path: &'static str,
    kind: &'static str,
    id: &'static [u32],
}

const LISTS: [List; 4] = [
    List {
        path: "/temporal.api.workflowservice.v1.WorkflowService/ListWorkflowExecutions",
        kind: "workflow",
        id: &[1, 1],
    },
    List {
        path: "/temporal.api.workflowservice.v1.WorkflowService/ListSchedules",
        kind: "schedule",
        id: &[1],
    },
    List {
        path: "/temporal.api.workflowservice.v1.WorkflowService/ListActivityExecutions",
        kind: "activity",
        id: &[1],
    },
    List {
        path: "/temporal.api.workflowservice.v1.WorkflowService/ListNexusOperationExecutions",
        kind: "nexus_operation",
        id: &[1],
    },
];

/// Scans the former owners of a namespace's slots, and releases those that are empty.
pub(super) async fn scan(
    placements: &PlacementsHolder,
    namespace: &str,
    lead: &Lead,
    scans: &Scans,
) -> Result<(), Error> {
    let (Some(state), Some(of)) =
        (placements.state(namespace), placements.topology.namespace(namespace))
    else {
        return Ok(());
    };
    if state.slots.iter().all(|slot| slot.former.is_empty()) {
        return Ok(());
    }
    let began = now();
    let empty = empty(of, &state).await;
    let found = placements.store().found_empty(namespace, &empty, now()).await?;
    let apart = scans.apart_seconds.saturating_mul(1000);
    let released = found.into_iter().filter(|(_, since)| began >= since + apart);
    let released: Vec<_> = released.map(|(former, _)| former).collect();
    if released.is_empty() {
        return Ok(());
    }
    let what = format!("{} slots have a former owner less: they are empty there", released.len());
    let by = By {
        who: "the leader",
        why: "two scans found nothing",
        lead: Some(lead),
        emptied: &released,
    };
    let release = |state: &State| {
        let slots = released.iter().filter_map(|former| {
            Some((former.slot, state.position(&former.cluster, &former.physical)?))
        });
        Ok(Change::Release(slots.collect()))
    };
    placements.change(namespace, by, &what, release).await.map(drop)
}

/// Former owners that have nothing of a slot at this moment. Those that cannot be asked are not among them.
async fn empty(namespace: &Arc<VirtualNamespace>, state: &State) -> Vec<FormerOwner> {
    let mut empty = Vec::new();
    for (at, member) in (0u16..).zip(&namespace.members) {
        let former = |slot: &panko_placement::Slot| slot.former.iter().any(|member| member.0 == at);
        if !state.slots.iter().any(former) {
            continue;
        }
        let occupied = match occupied(namespace, member).await {
            Ok(occupied) => occupied,
            Err(status) => {
                tracing::warn!(member = %member.name, %status, "a former owner cannot be scanned; it stays one");
                continue;
            }
        };
        let slots = state.slots.iter().enumerate();
        let slots = slots.filter(|(number, slot)| former(slot) && !occupied.contains(number));
        empty.extend(slots.map(|(slot, _)| FormerOwner {
            slot,
            cluster: member.cluster.name().to_string(),
            physical: member.namespace.clone(),
        }));
    }
    empty
}

/// The slots of which a member has anything, open or closed.
async fn occupied(namespace: &VirtualNamespace, member: &Member) -> Result<HashSet<usize>, Status> {
    let mut slots = HashSet::new();
    for list in LISTS {
        let mut token = Vec::new();
        loop {
            let answer = match page(namespace, member, &list, &token).await {
                // A server that has no such kind of key.
                Err(status) if status.code() == Code::Unimplemented => break,
                answer => answer?,
            };
            let strange = |error| Status::internal(format!("{}: {error}", list.path));
            for field in fields(&answer) {
                let field = field.map_err(strange)?;
                if let (1, Value::Bytes(row)) = (field.number, field.value) {
                    let id = first_at(row, list.id).map_err(strange)?.unwrap_or_default();
                    slots.insert(Key { kind: list.kind, id }.slot().index());
                }
            }
            token = last_bytes(&answer, 2).map_err(strange)?.to_vec();
            if token.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(slots)
}

async fn page(
    namespace: &VirtualNamespace,
    member: &Member,
    list: &List,
    token: &[u8],
) -> Result<bytes::Bytes, Status> {
    let mut body = Vec::new();
    put_bytes(&mut body, 1, namespace.name.as_bytes());
    put_uint(&mut body, 2, PAGE);
    if !token.is_empty() {
        put_bytes(&mut body, 3, token);
    }
    let (list, own, body) = (method(list.path)?, member.cluster.own(), bytes::Bytes::from(body));
    let mut tries = 0;
    loop {
        match member.call(list, own, body.clone(), DEADLINE).await {
            Err(status) if status.code() == Code::ResourceExhausted && tries < TRIES => tries += 1,
            answer => return answer,
        }
        tokio::time::sleep(PAUSE * 5).await;
    }
}
