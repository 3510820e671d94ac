//! One control server's pool in the simulated world, and what the world knows of it.

use std::collections::{BTreeMap, HashMap};

use super::super::event::{Action, Event, Kind, Millis, OpenId, PollId};
use super::super::machine::Pool;
use super::mutant::Mutant;

/// A task as its cluster knows it, whatever pools call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

/// A poll on a cluster.
#[derive(Debug, Clone, Copy)]
pub struct OnCluster {
    pub member: usize,
    pub ends: Millis,
}

/// A task in a pool.
#[derive(Debug, Clone, Copy)]
pub struct InPool {
    pub id: TaskId,
    pub member: usize,
    pub expires: Millis,
    /// The replica and its number there, if that one has offered it and waits for an answer.
    pub offered_by: Option<(usize, OpenId)>,
}

/// What a pool does, broken ones included.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    Does(Action),
    CancelsAll,
    /// All that are open on a member.
    CancelsOn(usize),
    HandsToTheNewest(OpenId),
}

/// One control server's pool.
#[derive(Debug)]
pub struct Replica {
    pub pool: Pool,
    pub mutant: Mutant,
    /// The members that it knows, in the order of its numbers for them, and whether they are in.
    pub roster: Vec<(usize, bool)>,
    /// Waiting polls: when each must have its answer.
    pub waiting: BTreeMap<PollId, Millis>,
    pub open: BTreeMap<OpenId, OnCluster>,
    pub tasks: HashMap<OpenId, InPool>,
    /// Since when it stops.
    pub draining: Option<Millis>,
    pub gone: bool,
}

impl Replica {
    /// One that begins with these members.
    pub fn new(kind: Kind, mutant: Mutant, is_in: &[bool], now: Millis) -> Self {
        let mut replica = Self {
            pool: Pool::new(kind, true),
            mutant,
            roster: Vec::new(),
            waiting: BTreeMap::new(),
            open: BTreeMap::new(),
            tasks: HashMap::new(),
            draining: None,
            gone: false,
        };
        for event in replica.learns(is_in) {
            replica.pool.handle(now, event, &mut Vec::new());
        }
        replica
    }

    /// Whether it takes polls.
    pub fn serves(&self) -> bool {
        !self.gone && self.draining.is_none()
    }

    /// Takes over which members are in. What its pool is told of that.
    pub fn learns(&mut self, is_in: &[bool]) -> Vec<Event> {
        let mut events = Vec::new();
        for (member, (of, known)) in self.roster.iter_mut().enumerate() {
            match (*known, is_in[*of]) {
                (true, false) => events.push(Event::MemberLeft { member }),
                (false, true) => events.push(Event::MemberJoined { member }),
                // It may be reached in another way now.
                (true, true) => events.push(Event::MemberJoined { member }),
                (false, false) => {}
            }
            *known = is_in[*of];
        }
        for of in (0..is_in.len()).filter(|of| is_in[*of]) {
            if self.roster.iter().all(|(known, _)| *known != of) {
                events.push(Event::MemberJoined { member: self.roster.len() });
                self.roster.push((of, true));
            }
        }
        events
    }

    /// Whether a member is not in any more, as far as it knows.
    pub fn has_left(&self, member: usize) -> bool {
        self.roster.contains(&(member, false))
    }

    pub fn hears(&mut self, now: Millis, event: Event) -> Vec<Act> {
        let mut actions = Vec::new();
        let mut acts = self.mutant.reacts(event, self);
        let event = self.mutant.hears(event, self);
        self.pool.handle(now, event, &mut actions);
        acts.extend(self.mutant.does(actions, &mut self.pool));
        acts
    }

    /// When something happens to it by itself.
    pub fn next(&self, now: Millis) -> Option<Millis> {
        let ends = self.open.values().map(|poll| poll.ends).filter(|&ends| ends > now);
        ends.chain(self.pool.wake_at(now)).min().filter(|_| !self.gone)
    }
}
