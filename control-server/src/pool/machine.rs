//! The pool as a state machine: events in, actions out, no I/O and no clock of its own.
//!
//! What it promises (and [`super::simulation`] checks):
//!
//! * A poll on a cluster is never cancelled. It ends with a task, with its own deadline, or by the
//!   cluster's failure.
//! * A task reaches exactly one waiting poll, or is given up once, at its expiry.
//! * A poll is opened only while fewer are open than wait (workflow tasks: than wait or than there
//!   are members), and so that it ends before the poll that it was opened for has to.
//! * Waiting polls are served in the order in which they came.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::event::{Action, Event, Kind, Millis, OpenId, PollId, WorkerId};
use super::members::Members;

/// What polls on a cluster last, in milliseconds. A server answers one second before.
const LONG: Millis = 20_000;
/// With few workers to spare: a poll that one member holds is one that another member misses.
const MEDIUM: Millis = 5_000;
const STICKY: Millis = 6_000;
const SCARCE: Millis = 2_500;
/// Servers refuse a deadline under 2 s; some of it is gone when it reaches them.
const SHORTEST: Millis = 2_200;

/// How many waiting polls a member make [`LONG`] polls harmless.
const PLENTY: usize = 4;

/// A poll that has waited this long is answered empty as soon as no open poll counts on it.
const PATIENCE: Millis = 50_000;

#[derive(Debug, Clone, Copy)]
struct Waiting {
    worker: WorkerId,
    /// From here on no further poll counts on it, and it is answered empty once none does.
    release: Millis,
    answer_by: Millis,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    task: OpenId,
    expires: Millis,
}

/// The pool of one poll key.
#[derive(Debug)]
pub struct Pool {
    kind: Kind,
    members: Members,
    waiting: BTreeMap<PollId, Waiting>,
    open: HashMap<OpenId, usize>,
    held: VecDeque<Held>,
    next_open: u64,
    idle_since: Millis,
}

impl Pool {
    /// A pool without polls over so many members.
    #[must_use]
    pub fn new(kind: Kind, members: usize) -> Self {
        Self {
            kind,
            members: Members::new(members),
            waiting: BTreeMap::new(),
            open: HashMap::new(),
            held: VecDeque::new(),
            next_open: 0,
            idle_since: 0,
        }
    }

    /// Takes an event and appends what is to be done.
    pub fn handle(&mut self, now: Millis, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::PollCame { poll, worker, answer_by } => {
                // A poll too short to count on waits for what others bring.
                let last_use = Some(answer_by.saturating_sub(SHORTEST)).filter(|&use_| use_ > now);
                let release = last_use.unwrap_or(answer_by).min(now + PATIENCE);
                self.waiting.insert(poll, Waiting { worker, release, answer_by });
            }
            Event::PollLeft { poll } => {
                self.waiting.remove(&poll);
            }
            Event::WorkerLeft { worker } => {
                let leaving = self.waiting.extract_if(.., |_, waiting| waiting.worker == worker);
                actions.extend(leaving.map(|(poll, _)| Action::AnswerEmpty { poll }));
            }
            Event::TaskCame { open, expires } => {
                if let Some(member) = self.open.remove(&open) {
                    self.members.brought(member, now);
                }
                self.held.push_back(Held { task: open, expires });
            }
            Event::TaskReturned { task, expires } => self.held.push_front(Held { task, expires }),
            Event::PollEnded { open } => {
                if let Some(member) = self.open.remove(&open) {
                    self.members.empty(member, now);
                }
            }
            Event::PollFailed { open, tell } => {
                if let Some(member) = self.open.remove(&open) {
                    self.members.failed(member, now);
                }
                if let Some((poll, _)) = tell.then(|| self.waiting.pop_first()).flatten() {
                    actions.push(Action::Fail { open, poll });
                }
            }
            Event::Tick => {}
        }
        self.hand_over(actions);
        self.give_up(now, actions);
        self.release(now, actions);
        self.open_polls(now, actions);
        if !self.waiting.is_empty() || !self.open.is_empty() || !self.held.is_empty() {
            self.idle_since = now;
        }
    }

    /// When to send [`Event::Tick`] at the latest.
    #[must_use]
    pub fn wake_at(&self, now: Millis) -> Option<Millis> {
        let held = self.held.iter().map(|held| held.expires).min();
        let waiting = self.waiting.values().map(|waiting| match waiting.release {
            release if release > now => release,
            _ => waiting.answer_by,
        });
        let back = self.members.next_return(now).filter(|_| !self.waiting.is_empty());
        [held, waiting.min(), back].into_iter().flatten().min()
    }

    /// Polls that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Polls open on a member.
    #[must_use]
    pub fn open_on(&self, member: usize) -> usize {
        self.members.open(member)
    }

    /// Polls open on all members.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Tasks that wait for a worker.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Since when the pool has had nothing at all; `None` while it has something.
    #[must_use]
    pub fn idle_since(&self) -> Option<Millis> {
        let idle = self.waiting.is_empty() && self.open.is_empty() && self.held.is_empty();
        idle.then_some(self.idle_since)
    }

    fn hand_over(&mut self, actions: &mut Vec<Action>) {
        while !self.held.is_empty() {
            let Some((poll, _)) = self.waiting.pop_first() else { return };
            if let Some(Held { task, .. }) = self.held.pop_front() {
                actions.push(Action::HandOver { task, poll });
            }
        }
    }

    fn give_up(&mut self, now: Millis, actions: &mut Vec<Action>) {
        self.held.retain(|held| {
            let keep = held.expires > now;
            if !keep {
                actions.push(Action::GiveBack { task: held.task });
            }
            keep
        });
    }

    /// Answers polls that have waited long enough; those that open polls count on, at the last
    /// moment only.
    fn release(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let mut spare = self.waiting.len().saturating_sub(self.open.len());
        let due = self.waiting.extract_if(.., |_, waiting| {
            let spared = now >= waiting.release && spare > 0;
            spare -= usize::from(spared);
            spared || now >= waiting.answer_by
        });
        actions.extend(due.map(|(poll, _)| Action::AnswerEmpty { poll }));
    }

    fn open_polls(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let scarce = self.waiting.len() < self.members.len();
        while self.open.len() < self.members.allowed(self.kind, self.waiting.len()) {
            let Some((like, length)) = self.backing(now, scarce) else { return };
            let Some(member) = self.members.next(now, scarce) else { return };
            let open = OpenId(self.next_open);
            self.next_open += 1;
            self.open.insert(open, member);
            self.members.opened(member, now);
            actions.push(Action::Open { open, member, like, length });
        }
    }

    /// The waiting poll that the next open one counts on, and how long that may last: not beyond
    /// the waiting one, so that a worker is there for whatever comes, and not much beyond its
    /// release. (A cluster answers a second before the deadline.)
    ///
    /// Polls are handed over oldest first, so it is the newest that will still be waiting.
    fn backing(&self, now: Millis, scarce: bool) -> Option<(PollId, Millis)> {
        let newest_first = self.waiting.iter().rev();
        let (&like, waiting) = newest_first.clone().nth(self.open.len()).or_else(|| {
            // Only workflow tasks have more polls open than waiting.
            newest_first.clone().next_back()
        })?;
        let plenty = self.waiting.len() >= PLENTY * self.members.len();
        let wanted = match self.kind {
            Kind::Sticky if scarce => SCARCE,
            Kind::Sticky => STICKY,
            _ if plenty => LONG,
            _ if scarce => SCARCE,
            _ => MEDIUM,
        };
        let end = waiting.answer_by.min(waiting.release + SCARCE);
        let length = wanted.min(end.saturating_sub(now));
        (now < waiting.release && length >= SHORTEST).then_some((like, length))
    }
}
