//! What a fenced member has open that another member has open too, by its own lists and by the others' answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use panko_placement::State;
use panko_proto::v1::Duplicate;
use tonic::Status;

use crate::locate::Target;
use crate::locate::fenced::is_looked_at;
use crate::locate::lists::{LISTS, List, OPEN};
use crate::locate::look::look;
use crate::topology::{Member, VirtualNamespace};

/// How many ids are looked for at a time.
const AT_ONCE: usize = 32;

/// How many duplicates are named.
const NAMED: usize = 1000;

/// Lists are behind what a cluster does: each is read twice, so far apart.
const APART: Duration = Duration::from_secs(3);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Ids that were looked for elsewhere.
    pub looked_for: u64,
    /// The first of those that are open twice.
    pub duplicates: Vec<Duplicate>,
    /// How many there are.
    pub duplicates_in_all: u64,
}

/// Looks for everything that is open at the member at this position on those that starts look at: on those that are
/// fenced and come back at this moment, too. Of two that do, whoever was looked at later sees the other one, if the
/// placement was read after that.
///
/// Fails when one of them does not answer: what was not looked at is not cleared.
pub(super) async fn scan(
    namespace: &Arc<VirtualNamespace>,
    state: &State,
    at: usize,
) -> Result<Scan, Status> {
    let member = namespace.members.get(at).ok_or_else(|| Status::internal("no such member"))?;
    let mut all = BTreeSet::new();
    for round in 0..2 {
        if round > 0 {
            tokio::time::sleep(APART).await;
        }
        for list in &LISTS {
            let ids = listed(namespace, member, list).await?;
            all.extend(ids.into_iter().map(|id| (list.kind, id)));
        }
    }
    let mut scan = Scan { looked_for: all.len() as u64, ..Scan::default() };
    let mut targets = Vec::with_capacity(all.len());
    for (kind, id) in all {
        let namespace = namespace.name.clone();
        targets.push(Target { namespace, kind, id, run: Box::default() });
    }
    let looks = targets.into_iter().map(|target| open_elsewhere(namespace, state, at, target));
    let mut found = stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some(duplicate) = found.try_next().await? {
        let Some(duplicate) = duplicate else { continue };
        scan.duplicates_in_all += 1;
        if scan.duplicates.len() < NAMED {
            scan.duplicates.push(duplicate);
        }
    }
    Ok(scan)
}

/// The ids of a list. Only workflows' lists can be asked for what is open; what else turns out to be closed is left out
/// later.
async fn listed(
    namespace: &VirtualNamespace,
    member: &Member,
    list: &List,
) -> Result<BTreeSet<Box<[u8]>>, Status> {
    let query = if list.kind == "workflow" { OPEN } else { "" };
    let mut ids = BTreeSet::new();
    let mut note = |id: &[u8]| {
        ids.insert(id.into());
    };
    list.each(&namespace.name, member, query, usize::MAX, &mut note).await?;
    Ok(ids)
}

/// Whether a key of this member is open there and on another one.
async fn open_elsewhere(
    namespace: &VirtualNamespace,
    state: &State,
    at: usize,
    target: Target,
) -> Result<Option<Duplicate>, Status> {
    let mut members = Vec::new();
    for (other_at, other) in namespace.members.iter().enumerate() {
        if other_at == at || !is_looked_at(state, other_at) {
            continue;
        }
        if look(other, &target).await?.is_some_and(|found| found.open) {
            members.push(other.name.to_string());
        }
    }
    let Some(member) = namespace.members.get(at).filter(|_| !members.is_empty()) else {
        return Ok(None);
    };
    if !look(member, &target).await?.is_some_and(|found| found.open) {
        return Ok(None);
    }
    members.insert(0, member.name.to_string());
    let workflow_id = String::from_utf8_lossy(&target.id).into_owned();
    Ok(Some(Duplicate { workflow_id, members, kind: target.kind.to_owned() }))
}
