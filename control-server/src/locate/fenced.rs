//! What fenced members have: nobody asks them, and nobody is told that it is nowhere.

use panko_placement::State;
use panko_routing::placement::MemberIndex;
use tonic::Status;

use super::{Place, Target};
use crate::topology::{Member, VirtualNamespace};

/// Which members a look asks, by their positions. It is decided once for each look: a failback may end while it is under way.
#[derive(Debug)]
pub(super) struct Asked(Vec<bool>);

impl Asked {
    /// For calls that start nothing: those that are not fenced at this moment.
    pub fn now(namespace: &VirtualNamespace) -> Self {
        Self(namespace.members.iter().map(|member| !member.is_fenced()).collect())
    }

    /// For starts: those that they look at.
    pub fn by_starts(namespace: &VirtualNamespace, state: &State) -> Self {
        Self((0..namespace.members.len()).map(|at| is_looked_at(state, at)).collect())
    }

    /// Whether the member at this position is.
    pub fn has(&self, at: usize) -> bool {
        self.0.get(at).is_some_and(|asked| *asked)
    }

    /// What may be said of a key by the answers of these: that it is nowhere only if no member was left out.
    pub fn shown(&self, namespace: &VirtualNamespace, target: &Target, place: Place) -> Place {
        let mut all = namespace.members.iter().enumerate();
        match (&place, all.find(|(at, _)| !self.has(*at))) {
            (Place::Nowhere, Some((_, member))) => Place::Unknown(silent(member, target)),
            _ => place,
        }
    }
}

/// Whether starts look at the member at this position.
pub fn is_looked_at(state: &State, at: usize) -> bool {
    u16::try_from(at).is_ok_and(|at| state.is_looked_at(MemberIndex(at)))
}

/// What may be said of a key that lives there: nothing if that is a fenced member by now.
pub(super) fn reached(namespace: &VirtualNamespace, target: &Target, place: Place) -> Place {
    let Place::Member { index, .. } = place else { return place };
    match namespace.members.get(index).filter(|member| member.is_fenced()) {
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

#[cfg(test)]
mod tests {
    use super::super::memory::tests::{namespace, target};
    use super::*;

    #[test]
    fn what_was_not_asked_is_not_nowhere_though_its_failback_ends_meanwhile() {
        let of = namespace(&["a", "b"]);
        of.members[0].set_fenced(true);
        let asked = Asked::now(&of);
        assert!(!asked.has(0) && asked.has(1));
        of.members[0].set_fenced(false);
        let shown = |asked: &Asked, place| asked.shown(&of, &target(""), place);
        assert!(matches!(shown(&asked, Place::Nowhere), Place::Unknown(_)));
        let there = Place::Member { index: 1, open: false };
        assert!(matches!(shown(&asked, there), Place::Member { index: 1, .. }));
        assert!(matches!(shown(&Asked::now(&of), Place::Nowhere), Place::Nowhere));
    }
}
