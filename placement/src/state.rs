//! A placement as the store keeps it.

use panko_routing::placement::{MemberIndex, Starts};
use serde::{Deserialize, Serialize};

/// A placement: members and slots of one virtual namespace, under one version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State {
    /// Grows by one with each change.
    pub version: u64,
    /// The members. Slots name them by their position.
    pub members: Vec<Member>,
    /// All slots, by their number.
    #[serde(with = "runs")]
    pub slots: Vec<Slot>,
    /// The version at which the handover that is under way began; slots with [`Slot::to`] belong to it.
    pub handover: Option<u64>,
}

/// A physical namespace's place in a virtual namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The cluster's name.
    pub cluster: String,
    /// The physical namespace's name.
    pub namespace: String,
    /// Its share of the slots, relative to the other members' weights.
    pub weight: u32,
    /// Whether it gets no further slots; it keeps those that it has.
    pub cordoned: bool,
    /// Whether it has been given up ([`crate::fence`]): nobody looks there before a start any more.
    pub fenced: bool,
    /// While it is fenced and about to come back: the version since which starts look at it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<u64>,
    /// The physical namespace's UUID, which its task tokens begin with. None before the cluster has told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// Who owns a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The member that gets its new workflows.
    pub owner: MemberIndex,
    /// Members that owned it before and may still hold workflows of it, in no order.
    pub former: Vec<MemberIndex>,
    /// The member that it is being handed over to.
    pub to: Option<MemberIndex>,
}

impl Slot {
    /// A slot that nobody had before.
    #[must_use]
    pub fn of(owner: MemberIndex) -> Self {
        Self { owner, former: Vec::new(), to: None }
    }

    /// What becomes of start-type calls on it.
    #[must_use]
    pub fn starts(&self) -> Starts {
        match self.to.is_none() && self.former.is_empty() {
            true => Starts::Direct,
            false => Starts::Locate,
        }
    }
}

impl Member {
    /// Its share of the slots as [`crate::plan`] gives them out: none if it gets no further ones.
    #[must_use]
    pub fn share(&self) -> u32 {
        if self.cordoned || self.fenced { 0 } else { self.weight }
    }
}

impl State {
    /// A first placement: these members, and slots that nobody had before.
    #[must_use]
    pub fn new(members: Vec<Member>, owners: impl IntoIterator<Item = MemberIndex>) -> Self {
        let slots = owners.into_iter().map(Slot::of).collect();
        Self { version: 1, members, slots, handover: None }
    }

    /// Whether positions mean the same members here and there.
    #[must_use]
    pub fn has_the_members_of(&self, other: &Self) -> bool {
        fn name(member: &Member) -> (&str, &str) {
            (&member.cluster, &member.namespace)
        }
        self.members.iter().map(name).eq(other.members.iter().map(name))
    }

    /// The position of a member.
    #[must_use]
    pub fn position(&self, cluster: &str, namespace: &str) -> Option<MemberIndex> {
        let is = |m: &Member| m.cluster == cluster && m.namespace == namespace;
        let at = self.members.iter().position(is)?;
        u16::try_from(at).ok().map(MemberIndex)
    }

    /// By member: how many slots it owns, how many it owned before, and how many are on their way to it.
    #[must_use]
    pub fn counts(&self) -> Vec<Counts> {
        let mut counts = vec![Counts::default(); self.members.len()];
        let mut add = |member: MemberIndex, which: fn(&mut Counts) -> &mut usize| {
            if let Some(counts) = counts.get_mut(usize::from(member.0)) {
                *which(counts) += 1;
            }
        };
        for slot in &self.slots {
            add(slot.owner, |c| &mut c.owned);
            slot.former.iter().for_each(|&member| add(member, |c| &mut c.former));
            slot.to.iter().for_each(|&member| add(member, |c| &mut c.coming));
        }
        counts
    }
}

/// How many slots a member has to do with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// It owns them.
    pub owned: usize,
    /// It owned them before, and may still hold workflows of them.
    pub former: usize,
    /// They are being handed over to it.
    pub coming: usize,
}

/// Slots are many and mostly alike, so they are written as runs.
#[derive(Serialize, Deserialize)]
struct Run {
    length: usize,
    owner: u16,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<u16>,
}

/// For `#[serde(with = …)]` on [`State::slots`].
pub mod runs {
    use super::{MemberIndex, Run, Slot};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes slots as runs.
    pub fn serialize<S: Serializer>(slots: &[Slot], to: S) -> Result<S::Ok, S::Error> {
        let mut runs: Vec<Run> = Vec::new();
        let mut last: Option<&Slot> = None;
        for slot in slots {
            match runs.last_mut() {
                Some(run) if last == Some(slot) => run.length += 1,
                _ => runs.push(Run {
                    length: 1,
                    owner: slot.owner.0,
                    former: slot.former.iter().map(|m| m.0).collect(),
                    to: slot.to.map(|m| m.0),
                }),
            }
            last = Some(slot);
        }
        runs.serialize(to)
    }

    /// Reads them back.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Slot>, D::Error> {
        let runs = Vec::<Run>::deserialize(from)?;
        let slots = runs.into_iter().flat_map(|run| {
            let slot = Slot {
                owner: MemberIndex(run.owner),
                former: run.former.into_iter().map(MemberIndex).collect(),
                to: run.to.map(MemberIndex),
            };
            std::iter::repeat_n(slot, run.length)
        });
        Ok(slots.collect())
    }
}
