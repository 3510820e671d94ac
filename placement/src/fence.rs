//! A member that is gone is given up, and comes back after a scan.
//!
//! [`Change::Fence`] has starts look away from it: what is open there may be started anew elsewhere. That is the risk that
//! whoever fences it takes. Its slots are handed over without waiting for what is on its way to it
//! ([`Change::TakeOver`]), since that is part of the same risk. Filters have to route by the new placement all the same, so
//! that the risk ends with the handover.
//!
//! A fenced member that answers again still gets no call, as an id may be open there and elsewhere. First starts look at it again
//! ([`Change::LookAgain`]), and those of an id that is open there wait, so that no further id comes to be open twice. Once
//! filters are quiet since then ([`Quiet`]), and no start that began before is under way, a scan of its open ids sees all there
//! are. When none of them is open elsewhere, [`Change::Unfence`] makes it as the others.

use panko_routing::placement::MemberIndex;

use crate::change::{Change, Refused};
use crate::participants::{Quiet, Routed};
use crate::state::State;

/// That a fenced member has been scanned, after `quiet` was known and starts from before `looked_at` were over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    /// The member.
    pub member: MemberIndex,
    /// The version since which starts had looked at it when the scan began ([`crate::Member::looked_at`]).
    pub looked_at: u64,
    /// That filters had nothing on their way to it.
    pub quiet: Quiet,
}

impl State {
    /// Whether starts look at a member.
    #[must_use]
    pub fn is_looked_at(&self, member: MemberIndex) -> bool {
        let of = self.members.get(usize::from(member.0));
        of.is_some_and(|member| !member.fenced || member.looked_at.is_some())
    }

    /// Whether a member has been given up.
    #[must_use]
    pub fn is_fenced(&self, member: MemberIndex) -> bool {
        self.members.get(usize::from(member.0)).is_some_and(|member| member.fenced)
    }

    /// Whether the handover under way, if there is one, takes slots only from members that starts look away from: then it is
    /// completed by [`Change::TakeOver`]. From one that is looked at again slots are handed over as from any other: what is on its
    /// way there is no risk that anybody takes any more.
    #[must_use]
    pub fn is_taken_over(&self) -> bool {
        let mut moving = self.slots.iter().filter(|slot| slot.to.is_some());
        self.handover.is_some() && moving.all(|slot| !self.is_looked_at(slot.owner))
    }

    /// What gives up a member: a handover under way ends, it is fenced, and what it owns begins to go to the others. All of
    /// it in one version.
    ///
    /// Fails where nobody could get its slots, and with [`Refused::Nothing`] where it is all done.
    pub fn failover(&self, member: MemberIndex) -> Result<Vec<Change>, Refused> {
        let was = self.member(member)?;
        let done = was.fenced && was.looked_at.is_none();
        let mut changes = Vec::new();
        if self.handover.is_some() {
            changes.push(Change::Cancel);
        }
        changes.push(Change::Fence(member));
        let fenced = self.after(&Change::All(changes.clone()))?;
        let nobody = || Refused::LastMember("the only one with a weight".to_owned());
        let mut moves = fenced.balance().ok_or_else(nobody)?;
        moves.retain(|(slot, _)| fenced.slots.get(*slot).is_some_and(|slot| slot.owner == member));
        match moves.is_empty() {
            true if done => return Err(Refused::Nothing),
            true => {}
            false => changes.push(Change::Begin(moves)),
        }
        Ok(changes)
    }

    pub(crate) fn take_over(&mut self, routed: Routed) -> Result<(), Refused> {
        let began = self.handover.ok_or(Refused::NoHandover)?;
        if routed.since() < began || !self.is_taken_over() {
            return Err(Refused::NotQuiet);
        }
        self.handover = None;
        self.hand_over();
        Ok(())
    }

    pub(crate) fn fence(&mut self, member: MemberIndex) -> Result<(), Refused> {
        let name = self.member(member)?.cluster.clone();
        if self.slots.iter().any(|slot| slot.to == Some(member)) {
            return Err(Refused::HandoverUnderWay);
        }
        let mut others = (0u16..).zip(&self.members).filter(|(at, _)| *at != member.0);
        if others.all(|(_, other)| other.fenced) {
            return Err(Refused::LastMember(name));
        }
        if let Some(member) = self.members.get_mut(usize::from(member.0)) {
            (member.fenced, member.looked_at) = (true, None);
        }
        Ok(())
    }

    pub(crate) fn look_again(&mut self, member: MemberIndex) -> Result<(), Refused> {
        let version = self.version;
        let name = self.member(member)?.cluster.clone();
        match self.members.get_mut(usize::from(member.0)).filter(|member| member.fenced) {
            Some(member) if member.looked_at.is_none() => member.looked_at = Some(version),
            Some(_) => return Err(Refused::Nothing),
            None => return Err(Refused::NotFenced(name)),
        }
        Ok(())
    }

    pub(crate) fn unfence(&mut self, cleared: Cleared) -> Result<(), Refused> {
        let name = self.member(cleared.member)?.cluster.clone();
        let of = self.members.get_mut(usize::from(cleared.member.0));
        let Some(member) = of.filter(|member| member.fenced) else {
            return Err(Refused::NotFenced(name));
        };
        if member.looked_at != Some(cleared.looked_at) || cleared.quiet.since() < cleared.looked_at
        {
            return Err(Refused::NotLookedAt(name));
        }
        (member.fenced, member.looked_at) = (false, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Member, Slot};

    const A: MemberIndex = MemberIndex(0);
    const B: MemberIndex = MemberIndex(1);

    /// Two members, of which the first owns both slots.
    fn state() -> State {
        let member = |cluster: &str| Member {
            cluster: cluster.to_owned(),
            namespace: "default".to_owned(),
            weight: 1,
            cordoned: false,
            fenced: false,
            looked_at: None,
            uuid: None,
        };
        State::new(vec![member("a"), member("b")], [A; 2])
    }

    /// The first is fenced, and its slots are on their way to the second.
    fn failing_over() -> State {
        let moves = Change::Begin(vec![(0, B), (1, B)]);
        state().after(&Change::All(vec![Change::Fence(A), moves])).unwrap()
    }

    #[test]
    fn a_fenced_members_slots_are_taken_over_once_filters_route_by_it() {
        let failing = failing_over();
        assert!(failing.is_taken_over() && !failing.is_looked_at(A));
        let early = failing.after(&Change::TakeOver(Routed::forced(1)));
        assert_eq!(early, Err(Refused::NotQuiet));
        let over = failing.after(&Change::TakeOver(Routed::forced(2))).unwrap();
        assert_eq!(over.slots[0], Slot { owner: B, former: vec![A], to: None });
        let back = over.after(&Change::Begin(vec![(0, A)])).unwrap_err();
        assert_eq!(back, Refused::Closed("a".into()), "it gets nothing while it is fenced");
    }

    #[test]
    fn slots_of_members_that_are_there_are_not_taken_over() {
        let begun = state().after(&Change::Begin(vec![(0, B)])).unwrap();
        assert_eq!(begun.after(&Change::TakeOver(Routed::forced(2))), Err(Refused::NotQuiet));
        assert_eq!(begun.after(&Change::Fence(B)), Err(Refused::HandoverUnderWay));
        let looking = failing_over().after(&Change::LookAgain(A)).unwrap();
        assert_eq!(looking.after(&Change::TakeOver(Routed::forced(3))), Err(Refused::NotQuiet));
        assert!(looking.after(&Change::Complete(Quiet::forced(3))).is_ok(), "as from any other");
        let one = state().after(&Change::Fence(A)).unwrap();
        assert_eq!(one.after(&Change::Fence(B)), Err(Refused::LastMember("b".into())));
    }

    #[test]
    fn it_comes_back_when_starts_have_looked_at_it_through_the_whole_scan() {
        let over = failing_over().after(&Change::TakeOver(Routed::forced(2))).unwrap();
        let looking = over.after(&Change::LookAgain(A)).unwrap();
        assert!(looking.is_looked_at(A) && looking.is_fenced(A));
        assert_eq!(looking.after(&Change::LookAgain(A)), Err(Refused::Nothing), "since 4 already");
        let clear = |looked_at, quiet| {
            Change::Unfence(Cleared { member: A, looked_at, quiet: Quiet::forced(quiet) })
        };
        let not = Err(Refused::NotLookedAt("a".into()));
        assert_eq!(over.after(&clear(4, 4)), not, "nobody looks at it");
        assert_eq!(looking.after(&clear(4, 3)), not, "filters may have something on its way");
        // Given up and looked at again while an older scan runs: that one has not seen what came between.
        let again = looking.after(&Change::Fence(A)).unwrap();
        let again = again.after(&Change::LookAgain(A)).unwrap();
        assert_eq!(again.after(&clear(4, 6)), not);
        let back = again.after(&clear(6, 6)).unwrap();
        assert!(!back.is_fenced(A) && back.is_looked_at(A));
        assert_eq!(back.after(&Change::LookAgain(A)), Err(Refused::NotFenced("a".into())));
    }

    #[test]
    fn failover_takes_what_the_member_owns_and_nothing_else() {
        let c = Member { cluster: "c".to_owned(), ..state().members[1].clone() };
        let owners = (0..panko_routing::SLOTS).map(|slot| MemberIndex(u16::from(slot >= 1000)));
        let members = [state().members, vec![c]].concat();
        let three = State::new(members, owners);
        let going = three.after(&Change::Begin(vec![(0, B)])).unwrap();
        let over = going.after(&Change::All(going.failover(A).unwrap())).unwrap();
        assert!(over.is_taken_over(), "though c is owed some of b's");
        assert_eq!(over.slots.iter().filter(|slot| slot.to.is_some()).count(), 1000);
        let over = over.after(&Change::TakeOver(Routed::forced(over.version))).unwrap();
        assert_eq!(over.failover(A), Err(Refused::Nothing));
        let looking = over.after(&Change::LookAgain(A)).unwrap();
        assert_eq!(looking.failover(A), Ok(vec![Change::Fence(A)]), "it does not come back");
        let alone = over.after(&Change::Fence(MemberIndex(2))).unwrap();
        assert!(matches!(alone.failover(B), Err(Refused::LastMember(_))));
    }

    #[test]
    fn one_that_is_gone_for_good_leaves_with_what_it_holds() {
        let over = failing_over().after(&Change::TakeOver(Routed::forced(2))).unwrap();
        let left = over.after(&Change::Remove(A)).unwrap();
        assert_eq!(left.slots, [Slot::of(A), Slot::of(A)], "b is the first now");
    }
}
