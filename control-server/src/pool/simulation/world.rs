//! Clusters, workers, replicas and a clock.

use std::collections::{HashSet, VecDeque};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::super::event::{Action, Event, Failure, Kind, Millis, OpenId, PollId, WorkerId};
use super::acts::{Letter, OFFER};
use super::mutant::Mutant;
use super::replica::{Act, InPool, Replica, TaskId};
use super::{Checked, KINDS, must};

/// How long a worker's poll may take, as SDKs ask.
const POLL: Millis = 70_000;
const SHORT: Millis = 2_100;
/// How long a task may be held.
const HOLD: Millis = 5_000;
/// How long a server that stops may take: the longest poll, and then a held task.
const DRAIN: Millis = 25_500;
/// The most replicas at one time.
const REPLICAS: usize = 3;

/// All of it.
#[derive(Debug)]
pub struct World {
    pub(super) now: Millis,
    pub(super) random: SmallRng,
    pub(super) kind: Kind,
    pub(super) mutant: Mutant,
    /// Which of all members are in the namespace.
    pub(super) is_in: Vec<bool>,
    pub(super) up: Vec<bool>,
    /// Which clusters end polls that are withdrawn.
    pub(super) withdraws: Vec<bool>,
    /// Tasks that each cluster has for the pool.
    pub(super) backlog: Vec<VecDeque<TaskId>>,
    pub(super) replicas: Vec<Replica>,
    pub(super) letters: Vec<(Millis, Letter)>,
    pub(super) finished: HashSet<TaskId>,
    /// What was handed over last: it can still turn out that its worker had gone.
    pub(super) last: Option<(usize, OpenId, InPool)>,
    pub(super) next_poll: u64,
    pub(super) next_task: u64,
}

impl World {
    pub fn new(seed: u64, mutant: Mutant) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let kind = KINDS[random.random_range(0..KINDS.len())];
        let members = random.random_range(1..=4);
        let mut world = Self::of(kind, members, mutant, random);
        world.withdraws = (0..members).map(|_| world.random.random_bool(0.5)).collect();
        for _ in 1..world.random.random_range(1..=REPLICAS) {
            world.join();
        }
        world
    }

    /// One replica, nothing broken.
    pub fn alone(kind: Kind, members: usize) -> Self {
        Self::of(kind, members, Mutant::None, SmallRng::seed_from_u64(1))
    }

    fn of(kind: Kind, members: usize, mutant: Mutant, random: SmallRng) -> Self {
        Self {
            now: 1,
            random,
            kind,
            mutant,
            is_in: vec![true; members],
            up: vec![true; members],
            withdraws: vec![false; members],
            backlog: vec![VecDeque::new(); members],
            replicas: vec![Replica::new(kind, mutant, &vec![true; members], 1)],
            letters: Vec::new(),
            finished: HashSet::new(),
            last: None,
            next_poll: 0,
            next_task: 0,
        }
    }

    /// How many things happen.
    pub fn steps(&mut self) -> usize {
        self.random.random_range(10..200)
    }

    fn join(&mut self) {
        if self.replicas.iter().filter(|r| !r.gone).count() < REPLICAS {
            self.replicas.push(Replica::new(self.kind, self.mutant, &self.is_in, self.now));
        }
    }

    pub(super) fn send(&mut self, at: usize, event: Event) -> Checked {
        let mut cancelled: Vec<OpenId> = Vec::new();
        for act in self.replicas[at].hears(self.now, event) {
            match act {
                Act::Does(action) => self.act(at, action)?,
                Act::CancelsAll => cancelled.extend(self.replicas[at].open.keys()),
                Act::CancelsOn(member) => {
                    let open = self.replicas[at].open.iter();
                    let own = open.filter(|(_, poll)| poll.member == member);
                    cancelled.extend(own.map(|(&open, _)| open));
                }
                Act::HandsToTheNewest(task) => {
                    let newest = self.replicas[at].waiting.last_key_value().map(|(&poll, _)| poll);
                    if let Some(poll) = newest {
                        self.act(at, Action::HandOver { task, poll })?;
                    }
                }
            }
        }
        let replica = &self.replicas[at];
        let (pool, kind) = (&replica.pool, self.kind);
        must!(pool.waiting() == replica.waiting.len(), "{kind:?}: polls are missing");
        must!(pool.open() == replica.open.len(), "{kind:?}: open polls are missing");
        must!(pool.held() == replica.tasks.len(), "{kind:?}: held tasks are missing");
        self.cancel(at, cancelled)
    }

    /// A poll that is cancelled takes a task with it that is on its way.
    fn cancel(&mut self, at: usize, polls: Vec<OpenId>) -> Checked {
        for open in polls {
            let Some(poll) = self.replicas[at].open.remove(&open) else { continue };
            let lost =
                self.up[poll.member].then(|| self.backlog[poll.member].pop_front()).flatten();
            must!(lost.is_none(), "a poll was cancelled and its task lost");
            self.send(at, Event::PollEnded { open })?;
        }
        Ok(())
    }

    /// Clusters match their tasks with the polls that are open on them.
    fn match_tasks(&mut self) -> Checked {
        for at in 0..self.replicas.len() {
            for open in self.replicas[at].open.keys().copied().collect::<Vec<_>>() {
                let Some(&poll) = self.replicas[at].open.get(&open) else { continue };
                let up = self.up[poll.member];
                let task = up.then(|| self.backlog[poll.member].pop_front()).flatten();
                if let Some(id) = task {
                    self.replicas[at].open.remove(&open);
                    let expires = self.now + HOLD;
                    let task = InPool { id, member: poll.member, expires, offered_by: None };
                    self.replicas[at].tasks.insert(open, task);
                    self.send(at, Event::TaskCame { open, expires })?;
                } else if self.now >= poll.ends {
                    self.replicas[at].open.remove(&open);
                    let failed = Event::PollFailed { open, failure: Failure::Down };
                    self.send(at, if up { Event::PollEnded { open } } else { failed })?;
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self, at: usize, worker: u64) -> Checked {
        let poll = PollId(self.next_poll);
        self.next_poll += 1;
        // Some callers ask for no more than servers take.
        let lasts = if self.random.random_bool(0.2) { SHORT } else { POLL };
        let answer_by = self.now + lasts;
        self.replicas[at].waiting.insert(poll, answer_by);
        self.send(at, Event::PollCame { poll, worker: WorkerId(worker), answer_by })
    }

    fn leave(&mut self, at: usize) -> Checked {
        let waiting = &mut self.replicas[at].waiting;
        let nth = self.random.random_range(0..waiting.len().max(1));
        match waiting.keys().nth(nth).copied() {
            Some(poll) => {
                waiting.remove(&poll);
                self.send(at, Event::PollLeft { poll })
            }
            None => Ok(()),
        }
    }

    /// A task comes back from a hand-over to a worker that had just gone.
    fn leave_with_a_task(&mut self) -> Checked {
        let Some((at, task, given)) = self.last.take() else { return Ok(()) };
        if self.replicas[at].gone || given.expires <= self.now {
            return Ok(());
        }
        self.finished.remove(&given.id);
        self.replicas[at].tasks.insert(task, given);
        self.send(at, Event::TaskReturned { task, expires: given.expires })
    }

    fn fail(&mut self, member: usize, failure: Failure) -> Checked {
        for at in 0..self.replicas.len() {
            let polls = self.replicas[at].open.iter().filter(|(_, poll)| poll.member == member);
            for open in polls.map(|(&open, _)| open).collect::<Vec<_>>() {
                self.replicas[at].open.remove(&open);
                self.send(at, Event::PollFailed { open, failure })?;
            }
        }
        Ok(())
    }

    /// Lets time pass up to the next thing that happens by itself.
    fn pass(&mut self, at_most: Millis) -> Checked {
        let letters = self.letters.iter().map(|(due, _)| *due);
        let next = self.replicas.iter().filter_map(|r| r.next(self.now)).chain(letters).min();
        let until = self.now + at_most;
        self.now = next.unwrap_or(until).clamp(self.now + 1, until);
        for at in 0..self.replicas.len() {
            if self.replicas[at].gone {
                continue;
            }
            self.send(at, Event::Tick)?;
            let replica = &self.replicas[at];
            must!(replica.waiting.values().all(|&by| by > self.now), "no answer in time");
            let latest = self.now.saturating_sub(OFFER);
            must!(replica.tasks.values().all(|t| t.expires > latest), "a task is held too long");
            if let Some(since) = replica.draining {
                let gone = replica.pool.is_empty();
                must!(gone || self.now - since < DRAIN, "a server does not stop");
                self.replicas[at].gone = gone;
            }
        }
        self.deliver()?;
        self.match_tasks()
    }

    fn one_that_serves(&mut self) -> Option<usize> {
        let serving: Vec<_> =
            (0..self.replicas.len()).filter(|&at| self.replicas[at].serves()).collect();
        let nth = self.random.random_range(0..serving.len().max(1));
        serving.get(nth).copied()
    }

    pub fn something_happens(&mut self) -> Checked {
        let member = self.random.random_range(0..self.is_in.len());
        let Some(at) = self.one_that_serves() else {
            self.join();
            return Ok(());
        };
        match self.random.random_range(0..100) {
            0..30 => {
                let worker = self.random.random_range(0..5);
                self.poll(at, worker)?;
            }
            30..60 => self.add_task(member),
            60..66 => self.leave(at)?,
            66..67 => self.leave_with_a_task()?,
            67..68 => {
                let worker = WorkerId(self.random.random_range(0..5));
                for at in 0..self.replicas.len() {
                    self.send(at, Event::WorkerLeft { worker })?;
                }
            }
            68..70 => {
                self.up[member] = !self.up[member];
                let failures = [Failure::Down, Failure::Exhausted, Failure::Final];
                let failure = failures[self.random.random_range(0..failures.len())];
                self.fail(member, failure)?;
            }
            70..71 => self.join(),
            71..72 => {
                self.replicas[at].draining = Some(self.now);
                self.send(at, Event::Drain)?;
            }
            72..75 => self.members_change()?,
            _ => {
                let at_most = [1, 10, 100, 1_000, 10_000][self.random.random_range(0..5)];
                self.pass(at_most)?;
            }
        }
        self.match_tasks()
    }

    fn add_task(&mut self, member: usize) {
        self.backlog[member].push_back(TaskId(self.next_task));
        self.next_task += 1;
    }

    /// Tasks that are to come to a worker: not those that nobody has taken from a member that has left.
    fn unfinished(&self) -> usize {
        let left = self.is_in.iter().zip(&self.backlog).filter(|(is_in, _)| !**is_in);
        let out_of_reach: usize = left.map(|(_, backlog)| backlog.len()).sum();
        self.next_task as usize - self.finished.len() - out_of_reach
    }

    /// All clusters are up and a worker polls all the time: everything has to come to it. Some that have
    /// left are back, others are not.
    pub fn settle(&mut self) -> Checked {
        self.up.fill(true);
        for is_in in &mut self.is_in {
            *is_in |= self.random.random_bool(0.5);
        }
        self.tell_of_members()?;
        let deadline = self.now + 90_000 + self.unfinished() as Millis * 1_000;
        while self.unfinished() > 0 {
            must!(self.now < deadline, "{} tasks do not come to a worker", self.unfinished());
            let Some(at) = self.replicas.iter().position(Replica::serves) else {
                self.join();
                self.pass(100)?;
                continue;
            };
            if self.replicas[at].waiting.is_empty() {
                self.poll(at, 9)?;
            }
            self.pass(100)?;
        }
        Ok(())
    }

    /// How long one worker with one slot takes for so many tasks of one member.
    pub fn time_of_one_worker(&mut self, member: usize, tasks: u64) -> Result<Millis, String> {
        for _ in 0..tasks {
            self.add_task(member);
        }
        let began = self.now;
        while self.unfinished() > 0 {
            if self.replicas[0].waiting.is_empty() {
                self.poll(0, 1)?;
            }
            self.pass(10)?;
        }
        Ok(self.now - began)
    }

    /// One worker, and a task a second on all members in turn: how long the longest waits, once the
    /// first ten are over.
    pub fn longest_wait(&mut self, tasks: u64) -> Result<Millis, String> {
        let mut longest = 0;
        let (began, mut added) = (self.now, Vec::new());
        while self.unfinished() > 0 || (added.len() as u64) < tasks {
            if self.now - began >= added.len() as Millis * 1_000 && (added.len() as u64) < tasks {
                // Not in step with the polls.
                self.add_task(added.len() % self.is_in.len());
                added.push(self.now);
            }
            if self.replicas[0].waiting.is_empty() {
                self.poll(0, 1)?;
            }
            self.pass(10)?;
            let open = added
                .iter()
                .enumerate()
                .skip(10)
                .filter(|(n, _)| !self.finished.contains(&TaskId(*n as u64)));
            longest = open.map(|(_, &at)| self.now - at).chain([longest]).max().unwrap_or(0);
        }
        Ok(longest)
    }
}
