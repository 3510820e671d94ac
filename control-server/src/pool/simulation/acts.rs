//! What the world makes of what pools do, and the messages between replicas.

use rand::Rng;

use super::super::event::{Action, Event, Kind, Millis, OpenId};
use super::replica::{InPool, OnCluster};
use super::world::World;
use super::{Checked, must};

/// The least that servers take.
const SERVER_MINIMUM: Millis = 2_000;
/// How long before its deadline a server answers a poll.
pub(super) const EARLY: Millis = 1_000;
/// How long a server takes to end a poll that is withdrawn.
const WITHDRAWAL: Millis = 5;
/// How long it is on offer at most beyond that.
pub(super) const OFFER: Millis = 100;

/// A message between replicas.
#[derive(Debug, Clone, Copy)]
pub(super) enum Letter {
    Offer {
        to: usize,
        from: usize,
        task: OpenId,
    },
    Answer {
        to: usize,
        task: OpenId,
        taken: bool,
    },
    /// Not of a replica's: whoever knows the namespace's members tells of them.
    Members {
        to: usize,
    },
}

impl World {
    pub(super) fn act(&mut self, at: usize, action: Action) -> Checked {
        let (now, kind) = (self.now, self.kind);
        let replica = &mut self.replicas[at];
        match action {
            Action::Open { open, member, backing, length, share } => {
                let answer_by = replica.waiting.get(&backing).copied().unwrap_or(0);
                must!(length >= SERVER_MINIMUM, "a server refuses {length} ms");
                must!(now + length - EARLY <= answer_by, "the open poll outlives its worker's");
                must!((0.0..=1.0).contains(&share), "a share of {share}");
                must!(replica.draining.is_none(), "a server that stops opens a poll");
                let (member, is_in) = replica.roster[member];
                must!(is_in, "a poll on a member that has left");
                let poll = OnCluster { member, ends: now + length - EARLY };
                must!(replica.open.insert(open, poll).is_none(), "one id twice");
                let alone = replica.open.values().filter(|poll| poll.member == member).count() == 1;
                let allowed = match kind {
                    Kind::Workflow | Kind::Sticky => alone && !replica.waiting.is_empty(),
                    Kind::Activity | Kind::Nexus => false,
                };
                let fits = replica.open.len() <= replica.waiting.len();
                must!(fits || allowed, "{kind:?}: more polls open than workers wait");
            }
            Action::Withdraw => {
                must!(replica.open.len() > replica.waiting.len(), "withdrawn under a worker");
                must!(matches!(kind, Kind::Activity | Kind::Nexus), "withdrawn without need");
                for poll in replica.open.values_mut().filter(|poll| self.withdraws[poll.member]) {
                    poll.ends = poll.ends.min(now + WITHDRAWAL);
                }
            }
            Action::HandOver { task, poll } => {
                let oldest = replica.waiting.first_key_value().map(|(&oldest, _)| oldest);
                must!(oldest == Some(poll), "first come, first served");
                replica.waiting.remove(&poll);
                let Some(mut given) = replica.tasks.remove(&task) else {
                    return Err("a task that the pool does not have".to_owned());
                };
                must!(self.finished.insert(given.id), "a task for two");
                self.answer_offer(given.offered_by.take(), true);
                self.last = Some((at, task, given));
            }
            Action::Decline { task } => {
                let declined = replica.tasks.remove(&task);
                must!(declined.is_some(), "a task that nobody offered");
                self.answer_offer(declined.and_then(|task| task.offered_by), false);
            }
            Action::Offer { task } => {
                let others: Vec<_> = (0..self.replicas.len())
                    .filter(|&to| to != at && !self.replicas[to].gone)
                    .collect();
                let due = now + self.random.random_range(0..OFFER / 2);
                let letter = if others.is_empty() {
                    Letter::Answer { to: at, task, taken: false }
                } else {
                    let to = others[self.random.random_range(0..others.len())];
                    Letter::Offer { to, from: at, task }
                };
                self.letters.push((due, letter));
            }
            Action::GiveBack { task } => {
                let Some(given) = replica.tasks.remove(&task) else {
                    return Err("a task that the pool does not have".to_owned());
                };
                let hopeless = kind == Kind::Sticky && replica.waiting.is_empty();
                must!(given.expires <= now || hopeless, "given back before its time");
                self.backlog[given.member].push_back(given.id);
            }
            Action::AnswerEmpty { poll } | Action::Fail { poll, .. } => {
                must!(replica.waiting.remove(&poll).is_some(), "an answer for nobody");
            }
        }
        Ok(())
    }

    fn answer_offer(&mut self, offered_by: Option<(usize, OpenId)>, taken: bool) {
        if let Some((to, task)) = offered_by {
            let due = self.now + self.random.random_range(0..OFFER / 2);
            self.letters.push((due, Letter::Answer { to, task, taken }));
        }
    }

    pub(super) fn deliver(&mut self) -> Checked {
        let (due, later) = self.letters.drain(..).partition(|(due, _)| *due <= self.now);
        self.letters = later;
        let due: Vec<(Millis, Letter)> = due;
        for (_, letter) in due {
            match letter {
                Letter::Answer { to, task, taken } => {
                    if taken {
                        self.replicas[to].tasks.remove(&task);
                    }
                    self.send(to, Event::OfferEnded { task, taken })?;
                }
                Letter::Members { to } => self.hear_of_members(to)?,
                Letter::Offer { to, from, task } if self.replicas[to].gone => {
                    self.answer_offer(Some((from, task)), false);
                }
                Letter::Offer { to, from, task } => {
                    let Some(&offered) = self.replicas[from].tasks.get(&task) else { continue };
                    let number = self.replicas[to].pool.number();
                    let here = InPool { offered_by: Some((from, task)), ..offered };
                    self.replicas[to].tasks.insert(number, here);
                    let expires = offered.expires;
                    self.send(to, Event::TaskOffered { task: number, expires })?;
                }
            }
        }
        Ok(())
    }
}
