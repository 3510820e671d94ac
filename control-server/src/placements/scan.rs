//! The leader's other part: former owners are released from slots of which they hold nothing any more.
//!
//! Two scans of a member's own lists, some time apart, have to find nothing of a slot, and no start may have been sent there
//! between them. `docs/design/placement.md` says why that is enough.

use std::collections::HashSet;
use std::sync::Arc;

use panko_placement::{Change, State};
use panko_routing::Key;
use panko_routing::placement::MemberIndex;
use panko_store::{FormerOwner, Lead};
use tonic::Status;

use super::{By, Error, PlacementsHolder, now};
use crate::config::Scans;
use crate::locate::lists::LISTS;
use crate::topology::{Member, VirtualNamespace};

/// Scans the former owners of a namespace's slots, and releases those that are empty.
pub(super) async fn scan(
    placements: &PlacementsHolder,
    namespace: &str,
    lead: &Lead,
    scans: &Scans,
) -> Result<(), Error> {
    let topology = placements.topology();
    let (Some(state), Some(of)) = (placements.state(namespace), topology.namespace(namespace))
    else {
        return Ok(());
    };
    if !of.fits(&state) {
        // Its members change at this moment; there is a next scan.
        return Ok(());
    }
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
        // One that is fenced is given up as a whole, or comes back as a whole.
        if state.is_fenced(MemberIndex(at)) || !state.slots.iter().any(former) {
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
        let mut note = |id: &[u8]| {
            slots.insert(Key { kind: list.kind, id }.slot().index());
        };
        list.each(&namespace.name, member, "", usize::MAX, &mut note).await?;
    }
    Ok(slots)
}
