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
    HandsToTheNewest(OpenId),
}

/// One control server's pool.
#[derive(Debug)]
pub struct Replica {
    pub pool: Pool,
    pub mutant: Mutant,
    /// Waiting polls: when each must have its answer.
    pub waiting: BTreeMap<PollId, Millis>,
    pub open: BTreeMap<OpenId, OnCluster>,
    pub tasks: HashMap<OpenId, InPool>,
    /// Since when it stops.
    pub draining: Option<Millis>,
    pub gone: bool,
}

impl Replica {
    pub fn new(kind: Kind, members: usize, mutant: Mutant) -> Self {
        Self {
            pool: Pool::new(kind, members, true),
            mutant,
            waiting: BTreeMap::new(),
            open: BTreeMap::new(),
            tasks: HashMap::new(),
            draining: None,
            gone: false,
        }
    }

    /// Whether it takes polls.
    pub fn serves(&self) -> bool {
        !self.gone && self.draining.is_none()
    }

    pub fn hears(&mut self, now: Millis, event: Event) -> Vec<Act> {
        let mut actions = Vec::new();
        let event = self.mutant.hears(event, &self.pool);
        self.pool.handle(now, event, &mut actions);
        self.mutant.does(actions, &mut self.pool)
    }

    /// When something happens to it by itself.
    pub fn next(&self, now: Millis) -> Option<Millis> {
        let ends = self.open.values().map(|poll| poll.ends).filter(|&ends| ends > now);
        ends.chain(self.pool.wake_at(now)).min().filter(|_| !self.gone)
    }
}
