//! A placement as filters get it.

use panko_placement::State;
use panko_routing::placement::{self, MemberIndex, NamespaceUuid, PlacementVersion, Starts};
use panko_routing::{Placement, SLOTS};

use crate::topology::VirtualNamespace;

/// What filters need of a namespace and its placement.
pub(super) fn placement(
    namespace: &VirtualNamespace,
    state: &State,
) -> Result<Placement, placement::Error> {
    let members = state.members.iter().map(|member| placement::Member {
        cluster: member.cluster.as_str().into(),
        namespace: member.namespace.as_str().into(),
        uuid: member.uuid.as_ref().and_then(|uuid| NamespaceUuid::parse(uuid.as_bytes())),
    });
    let mut slots = Box::new([MemberIndex(0); SLOTS]);
    let mut starts = Box::new([Starts::Direct; SLOTS]);
    if state.slots.len() != SLOTS {
        let (namespace, slots) = (namespace.name.to_string(), state.slots.len());
        return Err(placement::Error::SlotCount { namespace, slots });
    }
    for ((slot, owner), starts) in state.slots.iter().zip(slots.iter_mut()).zip(starts.iter_mut()) {
        (*owner, *starts) = (slot.owner, slot.starts());
    }
    let version = PlacementVersion(state.version);
    let placement = Placement::new(&namespace.name, version, members.collect(), slots)?;
    let spread = namespace.spread.iter().map(|(queue, parts)| (queue.as_str(), *parts));
    let locate = namespace.locate_before_start;
    Ok(placement.with_spread(spread).with_locate_before_start(locate).with_starts(starts))
}
