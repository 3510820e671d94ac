//! What fenced members have: nobody asks them, and nobody is told that it is nowhere.

use panko_placement::State;
use panko_routing::placement::MemberIndex;
use tonic::Status;

use super::{Place, Target};
use crate::topology::{Member, VirtualNamespace};

/// Whether calls that start nothing ask a member.
pub(super) fn is_asked(_: usize, member: &Member) -> bool {
    !member.is_fenced()
}

/// Whether starts look at the member at this position.
pub fn is_looked_at(state: &State, at: usize) -> bool {
    u16::try_from(at).is_ok_and(|at| state.is_looked_at(MemberIndex(at)))
}

/// What may be said of a key that members which are not fenced were asked for: where it lives, unless that is at a
/// fenced one, or may be.
pub(super) fn reached(namespace: &VirtualNamespace, target: &Target, place: Place) -> Place {
    let fenced = match place {
        // It is remembered there.
        Place::Member { index, .. } => namespace.members.get(index).filter(|m| m.is_fenced()),
        Place::Nowhere => namespace.members.iter().find(|member| member.is_fenced()),
        Place::Unknown(_) => None,
    };
    match fenced {
        Some(member) => Place::Unknown(silent(member, target)),
        None => place,
    }
}

/// What callers are told of a key that a fenced member may have.
fn silent(member: &Member, target: &Target) -> Status {
    Status::unavailable(format!(
        "cluster {} may have {}:{} and is fenced, so nothing is asked of it; `panko failback {}` brings it back once it is up",
        member.name,
        target.kind,
        String::from_utf8_lossy(&target.id),
        member.name,
    ))
}

/// What callers are told of a start that only a fenced member could decide.
pub fn wait(member: &Member) -> Status {
    Status::unavailable(format!(
        "cluster {} has this id, or owns it, and is fenced; try again when its slots have moved, or when `panko failback {}` is done",
        member.name, member.name,
    ))
}
