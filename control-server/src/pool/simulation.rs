//! The machine in a simulated world: clusters, workers and a clock, driven by a seed.
//!
//! Every schedule (`PANKO_SCHEDULES` of them) checks what [`super::machine`] promises. A failing one prints its seed; put it
//! into [`replay`] to see it again.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::event::{Action, Event, Kind, Millis, OpenId, PollId, WorkerId};
use super::machine::Pool;

const KINDS: [Kind; 4] = [Kind::Workflow, Kind::Sticky, Kind::Activity, Kind::Nexus];

/// How long a worker's poll may take, as SDKs ask.
const POLL: Millis = 70_000;
/// How long a task may be held.
const HOLD: Millis = 5_000;
/// The least that servers take.
const SERVER_MINIMUM: Millis = 2_000;

/// A poll on a cluster.
struct OnCluster {
    member: usize,
    ends: Millis,
}

struct World {
    now: Millis,
    random: SmallRng,
    kind: Kind,
    pool: Pool,
    members: usize,
    up: Vec<bool>,
    /// Tasks that each cluster has for the pool: since when.
    backlog: Vec<VecDeque<Millis>>,
    on_cluster: BTreeMap<OpenId, OnCluster>,
    /// Waiting polls: when each must have its answer.
    waiting: BTreeMap<PollId, Millis>,
    /// Tasks that the pool has: when each expires.
    in_pool: HashMap<OpenId, Millis>,
    finished: HashSet<OpenId>,
    next_poll: u64,
    longest_wait: Millis,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let kind = KINDS[random.random_range(0..KINDS.len())];
        let members = random.random_range(1..=4);
        Self {
            now: 1,
            kind,
            pool: Pool::new(kind, members),
            members,
            up: vec![true; members],
            backlog: vec![VecDeque::new(); members],
            on_cluster: BTreeMap::new(),
            waiting: BTreeMap::new(),
            in_pool: HashMap::new(),
            finished: HashSet::new(),
            next_poll: 0,
            longest_wait: 0,
            random,
        }
    }

    fn send(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.pool.handle(self.now, event, &mut actions);
        for action in actions {
            self.act(action);
        }
        assert_eq!(self.pool.waiting(), self.waiting.len());
        assert_eq!(self.pool.open(), self.on_cluster.len());
        assert_eq!(self.pool.held(), self.in_pool.len());
        assert!(self.pool.held() == 0 || self.pool.waiting() == 0, "a task waits beside a worker");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Open { open, member, like, length } => {
                let answer_by = self.waiting[&like];
                assert!(length >= SERVER_MINIMUM, "a server refuses {length} ms");
                assert!(self.now + length <= answer_by, "the open poll outlives its worker's");
                let poll = OnCluster { member, ends: self.now + length - 1_000 };
                assert!(self.on_cluster.insert(open, poll).is_none(), "one id twice");
                let bound = match self.kind {
                    Kind::Workflow | Kind::Sticky => self.waiting.len().max(self.members),
                    Kind::Activity | Kind::Nexus => self.waiting.len(),
                };
                assert!(self.on_cluster.len() <= bound, "more polls open than workers wait");
            }
            Action::HandOver { task, poll } => {
                let (&oldest, _) = self.waiting.first_key_value().expect("a waiting poll");
                assert_eq!(poll, oldest, "first come, first served");
                self.waiting.remove(&poll);
                self.finish(task);
            }
            Action::GiveBack { task } => {
                assert!(self.in_pool[&task] <= self.now, "given back before its time");
                self.finish(task);
            }
            Action::AnswerEmpty { poll } | Action::Fail { poll, .. } => {
                assert!(self.waiting.remove(&poll).is_some(), "an answer for nobody");
            }
        }
    }

    fn finish(&mut self, task: OpenId) {
        assert!(self.in_pool.remove(&task).is_some(), "a task that the pool does not have");
        assert!(self.finished.insert(task), "a task for two");
    }

    /// A cluster matches its tasks with the polls that are open on it.
    fn match_tasks(&mut self) {
        let open: Vec<OpenId> = self.on_cluster.keys().copied().collect();
        for id in open {
            let Some(poll) = self.on_cluster.get(&id) else { continue };
            if !self.up[poll.member] {
                continue;
            }
            if let Some(since) = self.backlog[poll.member].pop_front() {
                self.longest_wait = self.longest_wait.max(self.now - since);
                self.on_cluster.remove(&id);
                let expires = self.now + HOLD;
                self.in_pool.insert(id, expires);
                self.send(Event::TaskCame { open: id, expires });
            } else if self.now >= poll.ends {
                self.on_cluster.remove(&id);
                self.send(Event::PollEnded { open: id });
            }
        }
    }

    fn poll(&mut self, worker: u64) {
        let poll = PollId(self.next_poll);
        self.next_poll += 1;
        let answer_by = self.now + POLL;
        self.waiting.insert(poll, answer_by);
        self.send(Event::PollCame { poll, worker: WorkerId(worker), answer_by });
    }

    fn leave(&mut self) {
        let nth = self.random.random_range(0..self.waiting.len().max(1));
        if let Some((&poll, _)) = self.waiting.iter().nth(nth) {
            self.waiting.remove(&poll);
            self.send(Event::PollLeft { poll });
        }
    }

    /// A task comes back from a hand-over to a worker that has just gone.
    fn leave_with_a_task(&mut self) {
        if let Some(&task) = self.finished.iter().next() {
            self.finished.remove(&task);
            let expires = self.now + HOLD;
            self.in_pool.insert(task, expires);
            self.send(Event::TaskReturned { task, expires });
        }
    }

    fn fail(&mut self, member: usize, tell: bool) {
        let failing = self.on_cluster.iter().filter(|(_, poll)| poll.member == member);
        for id in failing.map(|(&id, _)| id).collect::<Vec<_>>() {
            self.on_cluster.remove(&id);
            self.send(Event::PollFailed { open: id, tell });
        }
    }

    /// Lets time pass up to the next thing that happens by itself.
    fn pass(&mut self, at_most: Millis) {
        let mut until = self.now + at_most;
        until = self.pool.wake_at(self.now).unwrap_or(until).clamp(self.now + 1, until);
        let ends = self.on_cluster.values().map(|poll| poll.ends).filter(|&ends| ends > self.now);
        self.now = ends.min().unwrap_or(until).min(until);
        self.send(Event::Tick);
        assert!(self.waiting.values().all(|&by| by > self.now), "a poll had no answer in time");
        assert!(self.in_pool.values().all(|&by| by > self.now), "a task is held too long");
        self.match_tasks();
    }

    fn something_happens(&mut self) {
        let member = self.random.random_range(0..self.members);
        match self.random.random_range(0..100) {
            0..30 => {
                let worker = self.random.random_range(0..5);
                self.poll(worker);
            }
            30..60 => self.backlog[member].push_back(self.now),
            60..66 => self.leave(),
            66..67 => self.leave_with_a_task(),
            67..68 => {
                let worker = WorkerId(self.random.random_range(0..5));
                self.send(Event::WorkerLeft { worker });
            }
            68..70 => {
                self.up[member] = !self.up[member];
                let tell = self.random.random_bool(0.2);
                self.fail(member, tell);
            }
            _ => {
                let at_most = [1, 10, 100, 1_000, 10_000][self.random.random_range(0..5)];
                self.pass(at_most);
            }
        }
        self.match_tasks();
    }

    /// All clusters are up and a worker polls all the time: everything has to come to it.
    fn settle(&mut self) {
        self.up.fill(true);
        let left: usize = self.backlog.iter().map(VecDeque::len).sum();
        let deadline = self.now + 60_000 + left as Millis * 1_000;
        while self.backlog.iter().any(|backlog| !backlog.is_empty()) {
            assert!(self.now < deadline, "tasks wait on a cluster and nobody asks for them");
            if self.waiting.is_empty() {
                self.poll(9);
            }
            self.pass(100);
        }
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..world.random.random_range(10..200) {
        world.something_happens();
    }
    world.settle();
}

#[test]
fn every_schedule_keeps_the_promises() {
    let schedules = std::env::var("PANKO_SCHEDULES").map_or(20_000, |n| n.parse().unwrap());
    for seed in 0..schedules {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn replay() {
    run(0);
}

/// One worker with one slot and tasks on one of eight members: the others are asked seldom enough.
#[test]
fn a_scarce_worker_finds_the_member_that_has_tasks() {
    for kind in KINDS {
        let mut world = World::new(1);
        world.kind = kind;
        world.members = 8;
        world.pool = Pool::new(kind, 8);
        world.up = vec![true; 8];
        world.backlog = vec![VecDeque::new(); 8];
        for _ in 0..50 {
            world.backlog[5].push_back(world.now);
        }
        let began = world.now;
        while !world.backlog[5].is_empty() {
            if world.waiting.is_empty() {
                world.poll(1);
            }
            world.pass(10);
        }
        let took = world.now - began;
        // Once around all members, then each cold one again every five seconds.
        assert!(took < 60_000, "{kind:?}: 50 tasks took {took} ms");
    }
}
