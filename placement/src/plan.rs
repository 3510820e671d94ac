//! Which slots should move.

use panko_routing::SLOTS;
use panko_routing::placement::MemberIndex;
use panko_routing::placement::assign::assign;

use crate::state::State;

/// Slots and who should own them.
pub type Moves = Vec<(usize, MemberIndex)>;

impl State {
    /// The moves after which every member owns its share by weight, as few as possible. None when no member has
    /// a share: there would be nobody to give slots to.
    #[must_use]
    pub fn balance(&self) -> Option<Moves> {
        let shares: Vec<u32> = self.members.iter().map(|member| member.share()).collect();
        let mut owners = Box::new([MemberIndex(0); SLOTS]);
        for (owner, slot) in owners.iter_mut().zip(&self.slots) {
            *owner = slot.owner;
        }
        let wanted = assign(&shares, Some(&owners))?;
        let moved = self.slots.iter().zip(wanted.iter()).enumerate();
        let moved = moved.filter(|(_, (slot, wanted))| slot.owner != **wanted);
        Some(moved.map(|(number, (_, wanted))| (number, *wanted)).collect())
    }

    /// `count` slots of one member for another, those that it had before first: nothing of them need be looked
    /// for anywhere else once they are back.
    #[must_use]
    pub fn moves(&self, from: MemberIndex, to: MemberIndex, count: usize) -> Moves {
        let own = self.slots.iter().enumerate().filter(|(_, slot)| slot.owner == from);
        let (before, others): (Vec<_>, Vec<_>) =
            own.partition(|(_, slot)| slot.former.contains(&to));
        before.into_iter().chain(others).take(count).map(|(number, _)| (number, to)).collect()
    }
}

#[cfg(test)]
mod tests {
    use panko_routing::Key;

    use super::*;
    use crate::change::Change;
    use crate::participants::Quiet;
    use crate::state::Member;

    fn state(weights: &[u32]) -> State {
        let member = |(n, &weight): (usize, &u32)| Member {
            cluster: format!("c{n}"),
            namespace: "default".to_owned(),
            weight,
            cordoned: false,
            fenced: false,
            looked_at: None,
            uuid: None,
        };
        let owners = assign(weights, None).unwrap();
        State::new(weights.iter().enumerate().map(member).collect(), owners.iter().copied())
    }

    fn moved(state: &State, moves: Moves) -> State {
        let begun = state.after(&Change::Begin(moves)).unwrap();
        begun.after(&Change::Complete(Quiet::forced(begun.version))).unwrap()
    }

    #[test]
    fn a_fourth_member_gets_a_quarter_and_none_moves_between_the_others() {
        let mut four = state(&[1, 1, 1]);
        four.members.push(Member { cluster: "c3".to_owned(), ..four.members[0].clone() });
        let moves = four.balance().unwrap();
        assert_eq!(moves.len(), SLOTS / 4);
        assert!(moves.iter().all(|(_, to)| *to == MemberIndex(3)));
        let after = moved(&four, moves);
        assert_eq!(after.counts().iter().map(|c| c.owned).collect::<Vec<_>>(), [1024; 4]);
        assert_eq!(after.balance(), Some(Vec::new()), "there is nothing left to do");
    }

    #[test]
    fn ids_are_spread_as_the_weights_say() {
        let state = state(&[1, 1, 2]);
        let mut counts = [0u32; 3];
        for n in 0..100_000 {
            let id = format!("order-{n}");
            let slot = Key { kind: "workflow", id: id.as_bytes() }.slot();
            counts[usize::from(state.slots[slot.index()].owner.0)] += 1;
        }
        for (count, percent) in counts.into_iter().zip([25.0, 25.0, 50.0]) {
            let off = f64::from(count) / 1000.0 - percent;
            assert!(off.abs() < 1.0, "{counts:?}");
        }
    }

    #[test]
    fn a_drained_member_gives_all_and_gets_the_same_back() {
        let three = state(&[1, 1, 1]);
        let mut drained = three.clone();
        drained.members[0].weight = 0;
        let after = moved(&drained, drained.balance().unwrap());
        assert_eq!(after.counts()[0].owned, 0);
        let mut back = after.clone();
        for other in [1, 2] {
            let (a, other) = (MemberIndex(0), MemberIndex(other));
            let got = back.slots.iter().filter(|s| s.owner == other && s.former.contains(&a));
            let moves = back.moves(other, a, got.count());
            back = moved(&back, moves);
        }
        let owners = |state: &State| state.slots.iter().map(|s| s.owner).collect::<Vec<_>>();
        assert_eq!(owners(&back), owners(&three));
    }

    #[test]
    fn slots_that_the_other_had_before_go_first() {
        let two = state(&[1, 1]);
        let (a, b) = (MemberIndex(0), MemberIndex(1));
        let there = moved(&two, two.moves(a, b, 10));
        assert_eq!(there.counts()[1].owned, SLOTS / 2 + 10);
        let back = moved(&there, there.moves(b, a, 10));
        assert_eq!(back.slots.iter().filter(|s| s.owner == a).count(), SLOTS / 2);
        assert_eq!(two.moves(a, b, 10).len(), 10);
        assert!(there.moves(b, a, 10).iter().all(|(n, _)| two.slots[*n].owner == a));
    }

    #[test]
    fn it_is_the_same_after_being_written_and_read() {
        let there = moved(&state(&[1, 2]), state(&[1, 2]).moves(MemberIndex(1), MemberIndex(0), 9));
        let begun = there.after(&Change::Begin(there.moves(MemberIndex(0), MemberIndex(1), 3)));
        let begun = begun.unwrap();
        let text = serde_json::to_string(&begun).unwrap();
        assert!(text.len() < 2_000, "{} bytes", text.len());
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), begun);
    }
}
