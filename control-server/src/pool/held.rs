//! Tasks for which nobody waits.

use std::collections::{HashMap, VecDeque};

use super::event::{Millis, OpenId};

/// Between two offers of the same task to the other replicas.
const OFFER_AGAIN: Millis = 500;

/// A task that waits for a worker.
#[derive(Debug, Clone, Copy)]
struct Held {
    task: OpenId,
    expires: Millis,
    /// When to offer it (again). Never, where there is no other replica.
    offer_at: Millis,
}

/// All of them: here, and on offer to other replicas.
#[derive(Debug, Default)]
pub struct HeldTasks {
    here: VecDeque<Held>,
    /// On offer, so not to be given to anybody here: when each expires.
    away: HashMap<OpenId, Millis>,
    peers: bool,
}

impl HeldTasks {
    /// None yet. `peers` says that there are other replicas.
    #[must_use]
    pub fn new(peers: bool) -> Self {
        Self { peers, ..Self::default() }
    }

    /// How many, those on offer included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.here.len() + self.away.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is none that could be handed over now.
    #[must_use]
    pub fn none_here(&self) -> bool {
        self.here.is_empty()
    }

    /// A task comes.
    pub fn push(&mut self, task: OpenId, expires: Millis, now: Millis) {
        self.here.push_back(Held { task, expires, offer_at: self.first_offer(now) });
    }

    /// A task comes back, and is first in turn.
    pub fn push_front(&mut self, task: OpenId, expires: Millis, now: Millis) {
        self.here.push_front(Held { task, expires, offer_at: self.first_offer(now) });
    }

    /// Takes the one that is first in turn.
    pub fn pop(&mut self) -> Option<OpenId> {
        self.here.pop_front().map(|held| held.task)
    }

    /// Takes those that have expired.
    pub fn take_expired(&mut self, now: Millis) -> Vec<OpenId> {
        let mut expired = Vec::new();
        self.here.retain(|held| {
            let keep = held.expires > now;
            if !keep {
                expired.push(held.task);
            }
            keep
        });
        expired
    }

    /// Puts those on offer that are due for it.
    pub fn offer(&mut self, now: Millis) -> Vec<OpenId> {
        let mut offered = Vec::new();
        self.here.retain(|held| {
            let keep = held.offer_at > now;
            if !keep {
                self.away.insert(held.task, held.expires);
                offered.push(held.task);
            }
            keep
        });
        offered
    }

    /// An offer has ended: taken, or the task is here again.
    pub fn offer_ended(&mut self, task: OpenId, taken: bool, now: Millis) {
        let expires = self.away.remove(&task);
        if let Some(expires) = expires.filter(|_| !taken) {
            self.here.push_front(Held { task, expires, offer_at: now + OFFER_AGAIN });
        }
    }

    /// When the next one expires or is to be offered.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        self.here.iter().map(|held| held.expires.min(held.offer_at)).min()
    }

    fn first_offer(&self, now: Millis) -> Millis {
        if self.peers { now } else { Millis::MAX }
    }
}
