//! Drives one pool's machine: polls clusters, answers workers, keeps time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::event::{Action, Event, Millis, OpenId, PollId, WorkerId};
use super::key::Poll;
use super::machine::Pool;
use super::{request, task};
use crate::metrics::PoolMetrics;
use crate::topology::VirtualNamespace;

/// How long a pool without anything is kept.
pub const IDLE: Duration = Duration::from_secs(60);

/// How long a cluster has for taking a task back.
const GIVE_BACK_DEADLINE: Duration = Duration::from_secs(5);

/// What a pool is told.
#[derive(Debug)]
pub enum Message {
    /// A worker polls.
    Came(Box<Arrival>),
    /// A worker's poll went away.
    Left(PollId),
    /// A worker shuts down.
    WorkerLeft(WorkerId),
    /// A poll on a cluster ended.
    Ended(OpenId, Result<Bytes, Status>),
}

/// A worker's poll as it comes to its pool.
#[derive(Debug)]
pub struct Arrival {
    /// Its number.
    pub id: PollId,
    /// What it says.
    pub poll: Poll,
    /// By when it must have an answer.
    pub answer_by: Instant,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Bytes, Status>>,
}

/// A task that is on its way through the pool.
#[derive(Debug)]
struct Task {
    answer: Bytes,
    /// The member that gave it, and the poll that was used: who may give it back.
    member: usize,
    like: Poll,
    came: Instant,
    expires: Instant,
}

/// One pool at work.
pub struct Shell {
    pool: Pool,
    namespace: Arc<VirtualNamespace>,
    instance_key: Arc<str>,
    /// To itself: what open polls report to.
    own: mpsc::UnboundedSender<Message>,
    parked: HashMap<PollId, Box<Arrival>>,
    open: HashMap<OpenId, (usize, Poll)>,
    tasks: HashMap<OpenId, Task>,
    failures: HashMap<OpenId, Status>,
    metrics: PoolMetrics,
    began: Instant,
    actions: Vec<Action>,
}

impl Shell {
    /// A pool without polls. `own` sends to the receiver that [`Shell::run`] is given.
    #[must_use]
    pub fn new(
        pool: Pool,
        namespace: Arc<VirtualNamespace>,
        instance_key: Arc<str>,
        own: mpsc::UnboundedSender<Message>,
        metrics: PoolMetrics,
    ) -> Self {
        Self {
            pool,
            namespace,
            instance_key,
            own,
            parked: HashMap::new(),
            open: HashMap::new(),
            tasks: HashMap::new(),
            failures: HashMap::new(),
            metrics,
            began: Instant::now(),
            actions: Vec::new(),
        }
    }

    /// Runs until the pool has been idle for [`IDLE`] and `may_end` agrees.
    pub async fn run(
        mut self,
        mut messages: mpsc::UnboundedReceiver<Message>,
        may_end: impl Fn(&mpsc::UnboundedReceiver<Message>) -> bool,
    ) {
        loop {
            let wake = match self.pool.wake_at(self.now()) {
                Some(at) => self.began + Duration::from_millis(at.max(self.now() + 1)),
                None => Instant::now() + IDLE,
            };
            tokio::select! {
                Some(message) = messages.recv() => self.on(message),
                () = tokio::time::sleep_until(wake) => self.step(Event::Tick),
            }
            let idle = self.pool.idle_since().map(|since| self.now().saturating_sub(since));
            if idle.is_some_and(|idle| idle >= IDLE.as_millis() as Millis) && may_end(&messages) {
                return;
            }
        }
    }

    fn now(&self) -> Millis {
        self.millis(Instant::now())
    }

    fn millis(&self, at: Instant) -> Millis {
        at.saturating_duration_since(self.began).as_millis() as Millis
    }

    fn on(&mut self, message: Message) {
        match message {
            Message::Came(arrival) => {
                let (poll, worker) = (arrival.id, arrival.poll.worker);
                let answer_by = self.millis(arrival.answer_by);
                self.parked.insert(poll, arrival);
                self.step(Event::PollCame { poll, worker, answer_by });
            }
            Message::Left(poll) => {
                self.parked.remove(&poll);
                self.step(Event::PollLeft { poll });
            }
            Message::WorkerLeft(worker) => self.step(Event::WorkerLeft { worker }),
            Message::Ended(open, result) => self.ended(open, result),
        }
    }

    fn ended(&mut self, open: OpenId, result: Result<Bytes, Status>) {
        let Some((member, like)) = self.open.remove(&open) else { return };
        match result {
            Ok(answer) if task::is_task(&answer) => {
                let now = Instant::now();
                let expires = now + task::hold(like.kind, &answer);
                self.metrics.sync(self.pool.waiting() > 0);
                self.tasks.insert(open, Task { answer, member, like, came: now, expires });
                self.step(Event::TaskCame { open, expires: self.millis(expires) });
            }
            Ok(_) => {
                self.metrics.empty();
                self.step(Event::PollEnded { open });
            }
            Err(status) => {
                let tell = is_final(&status);
                self.metrics.failed(self.member(member), status.code());
                tracing::debug!(member = %self.member(member), task_queue = like.task_queue, %status, "a poll failed");
                if tell {
                    self.failures.insert(open, status);
                }
                self.step(Event::PollFailed { open, tell });
                self.failures.clear();
            }
        }
    }

    fn step(&mut self, event: Event) {
        let mut actions = std::mem::take(&mut self.actions);
        self.pool.handle(self.now(), event, &mut actions);
        for action in actions.drain(..) {
            self.act(action);
        }
        self.actions = actions;
        self.metrics.show(&self.pool, &self.namespace);
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Open { open, member, like, length } => {
                self.open_poll(open, member, like, length)
            }
            Action::HandOver { task, poll } => self.hand_over(task, poll),
            Action::AnswerEmpty { poll } => self.answer(poll, Ok(Bytes::new())),
            Action::Fail { open, poll } => {
                let status = self.failures.remove(&open);
                self.answer(
                    poll,
                    Err(status.unwrap_or_else(|| Status::unavailable("a poll failed"))),
                );
            }
            Action::GiveBack { task } => self.give_back(task),
        }
    }

    fn open_poll(&mut self, open: OpenId, member: usize, like: PollId, length: Millis) {
        let handle = self.namespace.members.get(member).map(|m| m.cluster.clone());
        let like = self.parked.get(&like).map(|arrival| arrival.poll.clone());
        let (Some(cluster), Some(like)) = (handle, like) else {
            // The machine knows only members and waiting polls that are here.
            let missing = Err(Status::internal("a poll of nobody"));
            let _ = self.own.send(Message::Ended(open, missing));
            return;
        };
        let body = request::pooled(&like, &self.instance_key);
        let (method, caller, own) = (like.method, like.caller.clone(), self.own.clone());
        self.open.insert(open, (member, like));
        tokio::spawn(async move {
            let result = cluster.call(method, &caller, body, Duration::from_millis(length)).await;
            // The pool outlives its open polls, so it listens.
            let _ = own.send(Message::Ended(open, result));
        });
    }

    fn answer(&mut self, poll: PollId, answer: Result<Bytes, Status>) {
        if let Some(arrival) = self.parked.remove(&poll) {
            // A poll that has just gone wants no answer.
            let _ = arrival.answer.send(answer);
        }
    }

    fn hand_over(&mut self, id: OpenId, poll: PollId) {
        let (Some(task), Some(arrival)) = (self.tasks.remove(&id), self.parked.remove(&poll))
        else {
            return;
        };
        match arrival.answer.send(Ok(task.answer.clone())) {
            Ok(()) => self.metrics.handed_over(task.came.elapsed()),
            Err(_) => {
                let expires = self.millis(task.expires);
                self.tasks.insert(id, task);
                self.step_again(Event::TaskReturned { task: id, expires });
            }
        }
    }

    /// A step from within a step: its actions come after those that are under way.
    fn step_again(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.pool.handle(self.now(), event, &mut actions);
        for action in actions {
            self.act(action);
        }
    }

    fn give_back(&mut self, id: OpenId) {
        let Some(task) = self.tasks.remove(&id) else { return };
        let member = self.namespace.members.get(task.member);
        let call = task::give_back(task.like.kind, &task.like.namespace, &task.answer);
        let (Some(member), Some((method, body))) = (member, call) else {
            self.metrics.lost();
            tracing::warn!(
                task_queue = task.like.task_queue,
                "nobody came for an activity task, which cannot be given back; its cluster's timeout starts it again"
            );
            return;
        };
        self.metrics.given_back();
        let cluster = member.cluster.clone();
        tracing::info!(cluster = %cluster.name(), task_queue = task.like.task_queue, "nobody came for a task: given back");
        tokio::spawn(async move {
            let result = cluster.call(method, &task.like.caller, body, GIVE_BACK_DEADLINE).await;
            if let Err(status) = result {
                tracing::warn!(cluster = %cluster.name(), %status, "a task could not be given back; its timeout starts it again");
            }
        });
    }

    fn member(&self, member: usize) -> &str {
        self.namespace.members.get(member).map_or("", |m| m.cluster.name())
    }
}

/// Whether another try cannot mend it: the worker has to hear of it, as from one cluster.
fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::Unimplemented
    )
}
