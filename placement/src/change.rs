//! Everything that can become of a placement.

use panko_routing::placement::MemberIndex;
use serde::{Deserialize, Serialize};

use crate::fence::Cleared;
use crate::participants::{Quiet, Routed};
use crate::state::{Member, Slot, State};

/// A change. Each gives the placement its next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Start-type calls on these slots go through a control server, which still sends them to the owner. Then
    /// [`Change::Complete`] gives each slot to the member beside it, or [`Change::Cancel`] ends it.
    Begin(Vec<(usize, MemberIndex)>),
    /// The handover's slots get their new owners. The old ones are remembered as former owners.
    Complete(Quiet),
    /// The same for a handover all of whose slots are taken from members that starts look away from: what is on its way there
    /// is not waited for.
    TakeOver(Routed),
    /// The handover ends and leaves everything as it was: nothing has been started at the new owners.
    Cancel,
    /// A member that never owned a slot may hold workflows of it from now on: it counts as a former owner.
    Claim(usize, MemberIndex),
    /// These members hold nothing of these slots any more.
    Release(Vec<(usize, MemberIndex)>),
    /// A member that was not there, or another weight or state of one that was.
    Put(Member),
    /// A member leaves. It must own no slot, and be no slot's former owner unless it is fenced.
    Remove(MemberIndex),
    /// A member is given up ([`crate::fence`]).
    Fence(MemberIndex),
    /// Starts look at a fenced member again. Nothing else of it changes.
    LookAgain(MemberIndex),
    /// A fenced member is as the others again.
    Unfence(Cleared),
    /// All of these, in order and at once.
    All(Vec<Change>),
}

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refused {
    /// Handovers are one at a time.
    #[error("slots are being handed over already; wait until that is done, or cancel it")]
    HandoverUnderWay,
    /// There is none.
    #[error("no slots are being handed over")]
    NoHandover,
    /// Nothing is to be handed over.
    #[error("no slot would move")]
    Nothing,
    /// A slot's number is too large.
    #[error("there is no slot {0}")]
    NoSuchSlot(usize),
    /// A position is not in the list of members.
    #[error("there is no member {0}")]
    NoSuchMember(u16),
    /// A member that gets nothing new.
    #[error(
        "{0} is cordoned or fenced, so it gets no slots; `panko uncordon` it, or `panko failback` it, first"
    )]
    Closed(String),
    /// Not all filters are known to send these slots' owners nothing by themselves.
    #[error("not every filter has said that none of its calls is on its way to these slots")]
    NotQuiet,
    /// A member that owns slots cannot leave.
    #[error("{0} still owns {1} slots; drain it first")]
    OwnsSlots(String, usize),
    /// A member that may hold workflows cannot leave just so.
    #[error("{0} may still hold workflows of {1} slots; wait until it is empty")]
    HoldsWorkflows(String, usize),
    /// What is only done to a fenced member.
    #[error("{0} is not fenced")]
    NotFenced(String),
    /// A fenced member comes back only after starts have looked at it for as long as it takes.
    #[error("{0} has not been looked at since its scan began; run `panko failback` again")]
    NotLookedAt(String),
    /// Slots cannot be without an owner.
    #[error("{0} is the last member")]
    LastMember(String),
}

impl State {
    /// The placement after a change. Fails, and changes nothing, where the change makes no sense.
    pub fn after(&self, change: &Change) -> Result<State, Refused> {
        let mut next = self.clone();
        next.version += 1;
        next.apply(change)?;
        Ok(next)
    }

    fn apply(&mut self, change: &Change) -> Result<(), Refused> {
        match change {
            Change::Begin(moves) => self.begin(moves),
            Change::Complete(quiet) => self.complete(*quiet),
            Change::TakeOver(routed) => self.take_over(*routed),
            Change::Cancel => self.cancel(),
            Change::Claim(slot, member) => self.claim(*slot, *member),
            Change::Release(released) => self.release(released),
            Change::Put(member) => {
                self.put(member.clone());
                Ok(())
            }
            Change::Remove(member) => self.remove(*member),
            Change::Fence(member) => self.fence(*member),
            Change::LookAgain(member) => self.look_again(*member),
            Change::Unfence(cleared) => self.unfence(*cleared),
            Change::All(changes) => changes.iter().try_for_each(|change| self.apply(change)),
        }
    }

    fn begin(&mut self, moves: &[(usize, MemberIndex)]) -> Result<(), Refused> {
        if self.handover.is_some() {
            return Err(Refused::HandoverUnderWay);
        }
        let mut any = false;
        for &(number, to) in moves {
            let member = self.member(to)?;
            if member.cordoned || member.fenced {
                return Err(Refused::Closed(member.cluster.clone()));
            }
            let slot = self.slot(number)?;
            if slot.owner != to {
                slot.to = Some(to);
                any = true;
            }
        }
        self.handover = Some(self.version);
        any.then_some(()).ok_or(Refused::Nothing)
    }

    fn complete(&mut self, quiet: Quiet) -> Result<(), Refused> {
        let began = self.handover.take().ok_or(Refused::NoHandover)?;
        if quiet.since() < began {
            return Err(Refused::NotQuiet);
        }
        self.hand_over();
        Ok(())
    }

    /// The handover's slots get their new owners.
    pub(crate) fn hand_over(&mut self) {
        for slot in &mut self.slots {
            if let Some(to) = slot.to.take() {
                slot.former.retain(|member| *member != to);
                slot.former.push(slot.owner);
                slot.former.sort_unstable();
                slot.owner = to;
            }
        }
    }

    fn cancel(&mut self) -> Result<(), Refused> {
        self.handover.take().ok_or(Refused::NoHandover)?;
        self.slots.iter_mut().for_each(|slot| slot.to = None);
        Ok(())
    }

    fn claim(&mut self, number: usize, member: MemberIndex) -> Result<(), Refused> {
        self.member(member)?;
        let slot = self.slot(number)?;
        if slot.owner == member || slot.former.contains(&member) {
            return Err(Refused::Nothing);
        }
        slot.former.push(member);
        slot.former.sort_unstable();
        Ok(())
    }

    fn release(&mut self, released: &[(usize, MemberIndex)]) -> Result<(), Refused> {
        for &(number, member) in released {
            self.slot(number)?.former.retain(|former| *former != member);
        }
        Ok(())
    }

    fn put(&mut self, member: Member) {
        let here = self.position(&member.cluster, &member.namespace);
        match here.and_then(|at| self.members.get_mut(usize::from(at.0))) {
            Some(here) => *here = member,
            None => self.members.push(member),
        }
    }

    fn remove(&mut self, member: MemberIndex) -> Result<(), Refused> {
        let Member { cluster: name, fenced, .. } = self.member(member)?.clone();
        let counts = self.counts().get(usize::from(member.0)).copied().unwrap_or_default();
        if self.members.len() == 1 {
            return Err(Refused::LastMember(name));
        }
        if counts.owned + counts.coming > 0 {
            return Err(Refused::OwnsSlots(name, counts.owned + counts.coming));
        }
        // What a fenced one holds has been given up.
        if counts.former > 0 && !fenced {
            return Err(Refused::HoldsWorkflows(name, counts.former));
        }
        self.members.remove(usize::from(member.0));
        let moved = |at: MemberIndex| MemberIndex(at.0 - u16::from(at > member));
        for slot in &mut self.slots {
            slot.former.retain(|former| *former != member);
            slot.former.iter_mut().for_each(|former| *former = moved(*former));
            slot.owner = moved(slot.owner);
            slot.to = slot.to.map(moved);
        }
        Ok(())
    }

    pub(crate) fn member(&self, at: MemberIndex) -> Result<&Member, Refused> {
        self.members.get(usize::from(at.0)).ok_or(Refused::NoSuchMember(at.0))
    }

    fn slot(&mut self, number: usize) -> Result<&mut Slot, Refused> {
        self.slots.get_mut(number).ok_or(Refused::NoSuchSlot(number))
    }
}

#[cfg(test)]
mod tests {
    use panko_routing::placement::Starts;

    use super::*;

    fn member(cluster: &str) -> Member {
        let (cluster, namespace) = (cluster.to_owned(), "default".to_owned());
        Member {
            cluster,
            namespace,
            weight: 1,
            cordoned: false,
            fenced: false,
            looked_at: None,
            uuid: None,
        }
    }

    /// Two members, of which the first owns all three slots.
    fn state() -> State {
        State::new(vec![member("a"), member("b")], [MemberIndex(0); 3])
    }

    const B: MemberIndex = MemberIndex(1);

    #[test]
    fn a_slot_changes_owner_in_two_steps_and_back() {
        let begun = state().after(&Change::Begin(vec![(1, B)])).unwrap();
        assert_eq!(
            (begun.version, begun.handover, begun.slots[1].starts()),
            (2, Some(2), Starts::Locate)
        );
        assert_eq!(begun.slots[1].owner, MemberIndex(0), "calls that start nothing go on");
        assert_eq!(begun.after(&Change::Complete(Quiet::forced(1))), Err(Refused::NotQuiet));
        let moved = begun.after(&Change::Complete(Quiet::forced(2))).unwrap();
        let former = vec![MemberIndex(0)];
        assert_eq!(moved.slots[1], Slot { owner: B, former, to: None });
        let back = moved.after(&Change::Begin(vec![(1, MemberIndex(0))])).unwrap();
        let back = back.after(&Change::Complete(Quiet::forced(4))).unwrap();
        assert_eq!(back.slots[1], Slot { owner: MemberIndex(0), former: vec![B], to: None });
        let done = back.after(&Change::Release(vec![(1, B)])).unwrap();
        assert_eq!((&done.slots, done.version), (&state().slots, 6));
        let cancelled = begun.after(&Change::Cancel).unwrap();
        assert_eq!((&cancelled.slots, cancelled.handover), (&state().slots, None));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let state = state();
        let refused = |state: &State, change| state.after(&change).unwrap_err();
        assert_eq!(refused(&state, Change::Begin(vec![(0, MemberIndex(0))])), Refused::Nothing);
        assert_eq!(refused(&state, Change::Begin(vec![(9, B)])), Refused::NoSuchSlot(9));
        assert_eq!(
            refused(&state, Change::Begin(vec![(0, MemberIndex(2))])),
            Refused::NoSuchMember(2)
        );
        assert_eq!(refused(&state, Change::Cancel), Refused::NoHandover);
        let begun = state.after(&Change::Begin(vec![(1, B)])).unwrap();
        assert_eq!(refused(&begun, Change::Begin(vec![(2, B)])), Refused::HandoverUnderWay);
        let cordoned = Member { cordoned: true, ..member("b") };
        let cordoned = state.after(&Change::Put(cordoned)).unwrap();
        assert_eq!(refused(&cordoned, Change::Begin(vec![(1, B)])), Refused::Closed("b".into()));
    }

    #[test]
    fn a_member_leaves_when_it_is_empty() {
        let state = state();
        let three = state.after(&Change::Put(member("c"))).unwrap();
        let owns = three.after(&Change::Remove(MemberIndex(0))).unwrap_err();
        assert_eq!(owns, Refused::OwnsSlots("a".into(), 3));
        let all = (0..3).map(|slot| (slot, MemberIndex(2))).collect();
        let moved = three.after(&Change::Begin(all)).unwrap();
        let moved = moved.after(&Change::Complete(Quiet::forced(3))).unwrap();
        let holds = moved.after(&Change::Remove(MemberIndex(0))).unwrap_err();
        assert_eq!(holds, Refused::HoldsWorkflows("a".into(), 3));
        let empty = (0..3).map(|slot| (slot, MemberIndex(0))).collect();
        let left = moved.after(&Change::Release(empty)).unwrap();
        let left = left.after(&Change::Remove(MemberIndex(0))).unwrap();
        assert_eq!(left.members, [member("b"), member("c")]);
        assert!(left.slots.iter().all(|slot| *slot == Slot::of(B)), "c is at another position now");
        let last = State::new(vec![member("a")], []).after(&Change::Remove(MemberIndex(0)));
        assert_eq!(last, Err(Refused::LastMember("a".into())));
    }
}
