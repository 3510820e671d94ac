//! The polls of workers that wait, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{Millis, PollId, WorkerId};

/// A poll that has waited this long is answered empty as soon as no open poll counts on it. Clusters
/// do so after 50 to 60 s (`matching.longPollExpirationInterval` less its jitter).
const PATIENCE: Millis = 50_000;

/// Polls that came together do not go together: by up to this much, as on a cluster.
const JITTER: Millis = 10_000;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Whose it is.
    pub worker: WorkerId,
    /// From here on no further poll counts on it, and it is answered empty once none does.
    pub release: Millis,
    /// When it must have an answer.
    pub answer_by: Millis,
    /// Whether an open poll can count on it at all: one that is too short waits for what others
    /// bring.
    pub carries: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Waiting {
    polls: BTreeMap<PollId, Entry>,
    /// When each is to be looked at: at its release, and then when its answer is due.
    due: BTreeSet<(Millis, PollId)>,
    /// Those that are past their release, and stay because an open poll counts on them.
    late: BTreeSet<PollId>,
}

impl Waiting {
    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.polls.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.polls.is_empty()
    }

    /// A poll comes. `shortest` is what a cluster's answer takes at least.
    pub fn insert(
        &mut self,
        now: Millis,
        poll: PollId,
        worker: WorkerId,
        answer_by: Millis,
        shortest: Millis,
    ) {
        let last_use = answer_by.saturating_sub(shortest);
        let carries = last_use > now;
        let patience = PATIENCE + poll.0.wrapping_mul(7_919) % JITTER;
        let release = if carries { last_use } else { answer_by }.min(now + patience);
        self.polls.insert(poll, Entry { worker, release, answer_by, carries });
        self.due.insert((release, poll));
    }

    /// A poll goes.
    pub fn remove(&mut self, poll: PollId) -> Option<Entry> {
        let entry = self.polls.remove(&poll)?;
        if self.late.remove(&poll) {
            self.due.remove(&(entry.answer_by, poll));
        } else {
            self.due.remove(&(entry.release, poll));
        }
        Some(entry)
    }

    /// Takes the one that has waited longest.
    pub fn pop_oldest(&mut self) -> Option<PollId> {
        let (&poll, _) = self.polls.first_key_value()?;
        self.remove(poll);
        Some(poll)
    }

    /// The n-th newest and those that came before it, at least the oldest: tasks go to the oldest, so
    /// the n-th newest is still there when n open polls have brought theirs.
    pub fn from_newest(&self, n: usize) -> impl Iterator<Item = (PollId, Entry)> {
        let n = n.min(self.polls.len().saturating_sub(1));
        self.polls.iter().rev().skip(n).map(|(&poll, &entry)| (poll, entry))
    }

    /// The polls of one worker.
    #[must_use]
    pub fn of(&self, worker: WorkerId) -> Vec<PollId> {
        let own = self.polls.iter().filter(|(_, entry)| entry.worker == worker);
        own.map(|(&poll, _)| poll).collect()
    }

    /// Takes those whose time has come: at their release while there are `spare` ones that no open
    /// poll counts on, and when their answer is due in any case.
    pub fn take_due(&mut self, now: Millis, mut spare: usize) -> Vec<PollId> {
        let mut taken = Vec::new();
        while let Some(&(at, poll)) = self.due.first().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, poll));
            let Some(entry) = self.polls.get(&poll).copied() else { continue };
            if now >= entry.answer_by {
                spare = spare.saturating_sub(1);
                self.late.remove(&poll);
                self.polls.remove(&poll);
                taken.push(poll);
            } else {
                self.late.insert(poll);
                self.due.insert((entry.answer_by, poll));
            }
        }
        while spare > 0 {
            let Some(&poll) = self.late.first() else { break };
            self.remove(poll);
            spare -= 1;
            taken.push(poll);
        }
        taken
    }

    /// When [`Waiting::take_due`] has to be asked again.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(at, _)| *at)
    }
}
