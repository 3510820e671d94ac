//! The pool as a state machine: events in, actions out, no I/O and no clock of its own.
//!
//! What it promises (and [`super::simulation`] checks):
//!
//! * A poll on a cluster is never cancelled. It ends with a task, with its own deadline, or by the
//!   cluster's failure; it is withdrawn only when nobody is there for what it would bring.
//! * A task reaches exactly one waiting poll, here or on another replica, or is given up once, at its
//!   expiry.
//! * A poll is opened only while fewer are open than wait (workflow tasks: or as the only one on its
//!   member), and so that it ends before the poll that it was opened for has to.
//! * None is opened on a member that has left. What is open there goes on, and its tasks are as good
//!   as others.
//! * Waiting polls are served in the order in which they came.

use std::collections::HashMap;

use super::event::{Action, Event, Failure, Kind, Millis, OpenId, PollId};
use super::held::HeldTasks;
use super::members::Members;
use super::waiting::Waiting;

/// What polls on a cluster last, in milliseconds.
const LONG: Millis = 20_000;
/// With few workers to spare: a poll that one member holds is one that another member misses.
const MEDIUM: Millis = 5_000;
/// With fewer workers than members, for tasks that cannot be given back.
const SCARCE: Millis = 2_500;
/// Servers refuse a deadline under 2 s; some of it is gone when it reaches them.
const SHORTEST: Millis = 2_200;

/// A server answers this long before the deadline.
const EARLY: Millis = 1_000;

/// How many waiting polls a member make [`LONG`] polls harmless.
const PLENTY: usize = 2;

/// How many waiting polls are looked at for one that an open poll can count on.
const LOOK: usize = 64;

/// How long more polls may be open than wait before they are withdrawn, when workers went without a
/// word: one that is only late with its next poll is back by then.
const EXCESS: Millis = 100;

/// A poll that is open on a cluster.
#[derive(Debug, Clone, Copy)]
struct Open {
    member: usize,
    /// It is to end as soon as it can, and is not asked again to.
    withdrawn: bool,
}

/// The pool of one poll key.
#[derive(Debug)]
pub struct Pool {
    kind: Kind,
    members: Members,
    waiting: Waiting,
    open: HashMap<OpenId, Open>,
    held: HeldTasks,
    next_open: u64,
    draining: bool,
    /// The last of the workers has said that it shuts down; of a sticky queue, which has one worker:
    /// or its last waiting poll has gone.
    deserted: bool,
    /// Since when more polls are open than wait, where that must not be.
    excess_since: Option<Millis>,
    idle_since: Millis,
}

impl Pool {
    /// A pool without polls, and without members until they join. `peers` says that there are other
    /// replicas.
    #[must_use]
    pub fn new(kind: Kind, peers: bool) -> Self {
        Self {
            kind,
            members: Members::default(),
            waiting: Waiting::default(),
            open: HashMap::new(),
            held: HeldTasks::new(peers),
            next_open: 0,
            draining: false,
            deserted: false,
            excess_since: None,
            idle_since: 0,
        }
    }

    /// A number that no poll and no task of this pool has.
    pub fn number(&mut self) -> OpenId {
        let number = OpenId(self.next_open);
        self.next_open += 1;
        number
    }

    /// Takes an event and appends what is to be done.
    pub fn handle(&mut self, now: Millis, event: Event, actions: &mut Vec<Action>) {
        self.take(now, event, actions);
        if event.is_of_members() {
            // Others may change with it: none of those is to be asked now.
            return;
        }
        self.give_back(now, actions);
        self.hand_over(actions);
        self.offer(now, actions);
        self.release(now, actions);
        self.withdraw(now, actions);
        self.open_polls(now, actions);
        if !self.is_empty() {
            self.idle_since = now;
        }
    }

    fn take(&mut self, now: Millis, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::PollCame { poll, worker, answer_by } => {
                self.deserted = false;
                self.waiting.insert(now, poll, worker, answer_by, SHORTEST - EARLY);
            }
            Event::PollLeft { poll } => {
                if self.waiting.remove(poll).is_some() {
                    self.deserted = self.waiting.is_empty() && self.kind == Kind::Sticky;
                }
            }
            Event::WorkerLeft { worker } => {
                for poll in self.waiting.of(worker) {
                    self.waiting.remove(poll);
                    actions.push(Action::AnswerEmpty { poll });
                    self.deserted = self.waiting.is_empty();
                }
            }
            Event::TaskCame { open, expires } => {
                if let Some(Open { member, .. }) = self.open.remove(&open) {
                    self.members.brought(member, now);
                }
                self.held.push(open, expires, now);
            }
            Event::TaskReturned { task, expires } => self.held.push_front(task, expires, now),
            Event::TaskOffered { task, expires } => {
                // A server that stops needs its waiting polls for what it has asked for itself.
                if self.waiting.is_empty() || self.draining || expires <= now {
                    actions.push(Action::Decline { task });
                } else {
                    self.held.push(task, expires, now);
                }
            }
            Event::OfferEnded { task, taken } => self.held.offer_ended(task, taken, now),
            Event::PollEnded { open } => {
                if let Some(Open { member, .. }) = self.open.remove(&open) {
                    self.members.empty(member, now);
                }
            }
            Event::PollFailed { open, failure } => {
                if let Some(Open { member, .. }) = self.open.remove(&open) {
                    self.members.failed(member, failure, now);
                }
                if failure == Failure::Final
                    && let Some(poll) = self.waiting.pop_oldest()
                {
                    actions.push(Action::Fail { open, poll });
                }
            }
            Event::MemberJoined { member } => self.members.joined(member, now),
            Event::MemberLeft { member } => self.members.left(member),
            Event::Drain => self.draining = true,
            Event::Tick => {}
        }
    }

    /// When to send [`Event::Tick`] at the latest.
    #[must_use]
    pub fn wake_at(&self, now: Millis) -> Option<Millis> {
        let back = self.members.next_return(now).filter(|_| !self.waiting.is_empty());
        let excess = self.excess_since.map(|since| since + EXCESS);
        [self.held.next_due(), self.waiting.next_due(), back, excess].into_iter().flatten().min()
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

    /// Whether nothing waits, is open, or is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.open.is_empty() && self.held.is_empty()
    }

    /// Since when the pool has had nothing at all; `None` while it has something.
    #[must_use]
    pub fn idle_since(&self) -> Option<Millis> {
        self.is_empty().then_some(self.idle_since)
    }

    fn hand_over(&mut self, actions: &mut Vec<Action>) {
        while !self.held.none_here() {
            let Some(poll) = self.waiting.pop_oldest() else { return };
            if let Some(task) = self.held.pop() {
                actions.push(Action::HandOver { task, poll });
            }
        }
    }

    /// What has expired goes back to its cluster, also when a worker has just come: the cluster may
    /// have started it again. A task of a sticky queue whose worker has gone waits for nobody.
    fn give_back(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let hopeless = self.kind == Kind::Sticky && self.deserted;
        let expired = self.held.take_expired(if hopeless { Millis::MAX } else { now });
        actions.extend(expired.into_iter().map(|task| Action::GiveBack { task }));
    }

    /// What nobody here takes goes to the other replicas.
    fn offer(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let offered = self.held.offer(now);
        actions.extend(offered.into_iter().map(|task| Action::Offer { task }));
    }

    /// Answers polls that have waited long enough; those that open polls count on, at the last
    /// moment only. When the server stops, no others are needed.
    fn release(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let spare = self.waiting.len().saturating_sub(self.open.len());
        let due = self.waiting.take_due(now, spare);
        actions.extend(due.into_iter().map(|poll| Action::AnswerEmpty { poll }));
        while self.draining && self.waiting.len() > self.open.len() {
            let Some((poll, _)) = self.waiting.from_newest(0).next() else { return };
            self.waiting.remove(poll);
            actions.push(Action::AnswerEmpty { poll });
        }
    }

    /// A task that cannot be given back should not come to a pool without a worker for it.
    fn withdraw(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let excess = self.is_strict() && self.open.len() > self.waiting.len();
        if !excess || self.open.values().filter(|o| !o.withdrawn).count() <= self.waiting.len() {
            self.excess_since = None;
            return;
        }
        let since = *self.excess_since.get_or_insert(now);
        if self.deserted || now.saturating_sub(since) >= EXCESS {
            self.excess_since = None;
            self.open.values_mut().for_each(|open| open.withdrawn = true);
            actions.push(Action::Withdraw);
        }
    }

    fn open_polls(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let scarce = self.waiting.len() < self.members.count();
        while !self.draining {
            let Some(member) = self.members.next(now, scarce) else { return };
            if !self.may_open(member) {
                return;
            }
            let Some((backing, length)) = self.backing(now, scarce) else { return };
            let open = self.number();
            self.open.insert(open, Open { member, withdrawn: false });
            self.members.opened(member, now);
            let share = self.members.share(member, now);
            actions.push(Action::Open { open, member, backing, length, share });
        }
    }

    /// Whether a further poll may be open on a member: while fewer are open than wait. A workflow task can
    /// be given back, so one on each member is allowed besides.
    fn may_open(&self, member: usize) -> bool {
        let alone = !self.is_strict() && self.members.open(member) == 0;
        self.open.len() < self.waiting.len() || (alone && !self.waiting.is_empty())
    }

    /// The waiting poll that the next open one counts on, and how long that may last: not beyond
    /// the waiting one, so that a worker is there for whatever comes, and not much beyond its
    /// release. (A cluster answers a second before the deadline.)
    ///
    /// Polls are handed over oldest first, so it is the newest that will still be waiting.
    fn backing(&self, now: Millis, scarce: bool) -> Option<(PollId, Millis)> {
        let plenty = self.waiting.len() >= PLENTY * self.members.count();
        let wanted = match self.kind {
            Kind::Sticky => MEDIUM,
            _ if plenty => LONG,
            _ if scarce && self.is_strict() => SCARCE,
            _ => MEDIUM,
        };
        // Only workflow tasks have more polls open than waiting: then it is the oldest. Polls that are
        // too short, or nearly over, carry no other; those before them may.
        self.waiting.from_newest(self.open.len()).take(LOOK).find_map(|(poll, waiting)| {
            let end = waiting.answer_by.min(waiting.release + SCARCE);
            // The shortest may end after the worker's poll: the cluster's answer comes before.
            let length = wanted.min(end.saturating_sub(now)).max(SHORTEST);
            (waiting.carries && now < waiting.release).then_some((poll, length))
        })
    }

    /// Whether its tasks must not come while nobody waits for them.
    fn is_strict(&self) -> bool {
        matches!(self.kind, Kind::Activity | Kind::Nexus)
    }
}
