//! Drives one pool's machine: hears messages, keeps time. What it then does is in [`super::act`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::delivery::Receipt;
use super::event::{Action, Event, Failure, Millis, OpenId, PollId, WorkerId};
use super::key::{Poll, PoolKey};
use super::machine::Pool;
use super::proof::{Candidate, Proven};
use super::roster::Roster;
use super::scaling;
use super::status::{self, PoolStatus};
use super::task;
use super::totals::{self, Totals};
use crate::metrics::pool::PoolMetrics;
use crate::replicas::Replicas;
use crate::topology::{Member, VirtualNamespace};

/// How long a pool without anything is kept.
pub const IDLE: Duration = Duration::from_secs(60);

/// What a pool is told.
#[derive(Debug)]
pub enum Message {
    /// A worker polls.
    Came(Box<Arrival>),
    /// What a cluster says of a poll whose right was to be proven.
    Proved(OpenId, Result<Bytes, Status>),
    /// A worker's poll went away.
    Left(PollId),
    /// A worker shuts down.
    WorkerLeft(WorkerId),
    /// A poll on a cluster ended.
    Ended(OpenId, Result<Bytes, Status>),
    /// What became of a task that was handed over.
    Written {
        /// The task.
        task: OpenId,
        /// Whether it went out on the worker's connection.
        written: bool,
    },
    /// Another replica offers a task.
    Offered(Box<Offered>),
    /// The other replicas have answered an offer.
    OfferEnded(OpenId, bool),
    /// The namespace has other members.
    MembersChanged(Arc<VirtualNamespace>),
    /// The namespace is gone.
    NamespaceGone,
    /// The control server stops.
    Drain,
    /// An operator wants to know how it stands.
    Status(oneshot::Sender<PoolStatus>),
}

/// A worker's poll as it comes to its pool.
#[derive(Debug)]
pub struct Arrival {
    /// Its number.
    pub id: PollId,
    /// What it says.
    pub poll: Poll,
    /// Its namespace.
    pub namespace: Arc<VirtualNamespace>,
    /// By when it must have an answer.
    pub answer_by: Instant,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Result<Answer, Status>>,
}

/// What a worker's poll is answered.
#[derive(Debug)]
pub struct Answer {
    /// The response's bytes; none without a task.
    pub body: Bytes,
    /// Goes with a task to the worker's connection.
    pub receipt: Option<Arc<Receipt>>,
}

/// A task that another replica has no worker for.
#[derive(Debug)]
pub struct Offered {
    /// What the poll on the cluster brought.
    pub body: Bytes,
    /// The cluster that gave it.
    pub cluster: String,
    /// The physical namespace there.
    pub namespace: String,
    /// Until when it may be held.
    pub expires: Instant,
    /// Whether it is taken.
    pub taken: oneshot::Sender<bool>,
}

/// A worker's poll that waits.
#[derive(Debug)]
pub(super) struct Parked {
    pub answer: oneshot::Sender<Result<Answer, Status>>,
    pub came: Instant,
}

/// A poll of the pool's own on a cluster.
#[derive(Debug)]
pub(super) struct OnCluster {
    /// The member's number.
    pub member: usize,
    /// How it was reached.
    pub through: Arc<Member>,
}

/// A task that is on its way through the pool.
#[derive(Debug)]
pub(super) struct Task {
    pub body: Bytes,
    /// The member that gave it, and may get it back.
    pub member: usize,
    pub came: Instant,
    pub expires: Instant,
    /// Whether nobody waited for it when it came.
    pub held: bool,
    /// Where another replica, which offers it, waits for word.
    pub taken: Option<oneshot::Sender<bool>>,
}

/// What all pools of a control server share.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Its name among the replicas, new with each start.
    pub server: Arc<str>,
    /// The other replicas.
    pub replicas: Arc<Replicas>,
    /// Sums over all pools.
    pub totals: Arc<Totals>,
}

/// One pool at work.
#[derive(Debug)]
pub struct Shell {
    pub(super) pool: Pool,
    pub(super) key: PoolKey,
    pub(super) roster: Roster,
    pub(super) around: Surroundings,
    /// To itself: what open polls and receipts report to.
    pub(super) own: mpsc::UnboundedSender<Message>,
    /// The newest poll: what the pool's own are made of, with its credentials.
    pub(super) newest: Poll,
    /// The instance key of the pool's own polls; another one after each withdrawal.
    pub(super) instance_key: Arc<str>,
    pub(super) parked: HashMap<PollId, Parked>,
    pub(super) draining: bool,
    pub(super) proven: Proven,
    pub(super) candidates: HashMap<OpenId, Candidate>,
    pub(super) open: HashMap<OpenId, OnCluster>,
    pub(super) tasks: HashMap<OpenId, Task>,
    pub(super) failures: HashMap<OpenId, Status>,
    pub(super) metrics: PoolMetrics,
    pub(super) scaling_offered: bool,
    shown: totals::Share,
    began: Instant,
    actions: Vec<Action>,
}

impl Shell {
    /// A pool for polls like `newest`. `own` sends to the receiver that [`Shell::run`] is given.
    #[must_use]
    pub fn new(
        namespace: &Arc<VirtualNamespace>,
        newest: Poll,
        around: Surroundings,
        own: mpsc::UnboundedSender<Message>,
        metrics: PoolMetrics,
    ) -> Self {
        let peers = !around.replicas.is_empty();
        let shown = around.totals.share();
        let mut shell = Self {
            pool: Pool::new(newest.kind, peers),
            key: newest.key.clone(),
            instance_key: instance_key(&around.server),
            roster: Roster::default(),
            around,
            own,
            newest,
            parked: HashMap::new(),
            draining: false,
            proven: Proven::default(),
            candidates: HashMap::new(),
            open: HashMap::new(),
            tasks: HashMap::new(),
            failures: HashMap::new(),
            metrics,
            scaling_offered: false,
            shown,
            began: Instant::now(),
            actions: Vec::new(),
        };
        shell.members_changed(namespace);
        shell
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
            let idle = idle.is_some_and(|idle| idle >= IDLE.as_millis() as Millis);
            let empty = self.tasks.is_empty() && self.candidates.is_empty();
            if idle && empty && may_end(&messages) {
                return;
            }
        }
    }

    fn now(&self) -> Millis {
        self.millis(Instant::now())
    }

    pub(super) fn millis(&self, at: Instant) -> Millis {
        at.saturating_duration_since(self.began).as_millis() as Millis
    }

    fn on(&mut self, message: Message) {
        match message {
            Message::Came(arrival) => {
                self.members_changed(&arrival.namespace);
                match self.is_proven(&arrival) {
                    true => self.joined(*arrival),
                    false => self.prove(*arrival),
                }
            }
            Message::Proved(id, result) => self.proved(id, result),
            Message::Left(poll) => {
                self.parked.remove(&poll);
                self.step(Event::PollLeft { poll });
            }
            Message::WorkerLeft(worker) => {
                self.candidates_leave(worker);
                self.step(Event::WorkerLeft { worker });
            }
            Message::Ended(open, result) => self.ended(open, result),
            Message::Written { task, written } => self.written(task, written),
            Message::Offered(offered) => self.offered(*offered),
            Message::OfferEnded(task, taken) => {
                if taken {
                    self.tasks.remove(&task);
                    self.metrics.passed_on.inc();
                }
                self.step(Event::OfferEnded { task, taken });
            }
            Message::MembersChanged(namespace) => self.members_changed(&namespace),
            Message::NamespaceGone => self.namespace_gone(),
            Message::Drain => {
                self.draining = true;
                self.step(Event::Drain);
            }
            // One who no longer waits for the answer wants none.
            Message::Status(reply) => drop(reply.send(status::of(self))),
        }
    }

    pub(super) fn joined(&mut self, arrival: Arrival) {
        let Arrival { id: poll, poll: newest, answer_by, answer, .. } = arrival;
        let (worker, answer_by) = (newest.worker, self.millis(answer_by));
        self.newest = newest;
        self.parked.insert(poll, Parked { answer, came: Instant::now() });
        self.step(Event::PollCame { poll, worker, answer_by });
    }

    fn ended(&mut self, open: OpenId, result: Result<Bytes, Status>) {
        let Some(OnCluster { member, through }) = self.open.remove(&open) else { return };
        match result {
            Ok(body) if task::is_task(&body) => {
                let expires = self.brought(open, member, body, self.pool.waiting() == 0);
                self.step(Event::TaskCame { open, expires });
            }
            Ok(_) => {
                self.metrics.empty.inc();
                self.step(Event::PollEnded { open });
            }
            Err(status) => {
                let (name, task_queue) = (&through.name, &self.newest.task_queue);
                self.metrics.failed(name, status.code());
                tracing::debug!(member = %name, task_queue, %status, "a poll failed");
                if !self.roster.is_reached_by(member, &through) {
                    // It says nothing of how the member is reached now. Of one that has left no worker hears.
                    self.step(Event::PollEnded { open });
                    return;
                }
                let failure = match failure(&status) {
                    // Of a token that is no longer good its own worker hears, not the one that waits.
                    Failure::Final if self.newest.claims && is_of_token(&status) => {
                        self.proven.remove(self.newest.caller.credentials());
                        Failure::Down
                    }
                    failure => failure,
                };
                self.failures.insert(open, status);
                self.step(Event::PollFailed { open, failure });
                self.failures.clear();
            }
        }
    }

    /// A cluster gave a task; nobody waits for it if it has to be `held`. Until when it may be.
    pub(super) fn brought(&mut self, id: OpenId, member: usize, body: Bytes, held: bool) -> Millis {
        let (kind, came) = (self.newest.kind, Instant::now());
        let expires = came + task::hold(kind, &body);
        self.scaling_offered |= scaling::is_offered(kind, &body);
        self.metrics.came(held);
        self.tasks.insert(id, Task { body, member, came, expires, held, taken: None });
        self.millis(expires)
    }

    /// Another replica's task becomes this pool's own, if a worker waits for it.
    fn offered(&mut self, offered: Offered) {
        let Offered { body, cluster, namespace, expires, taken } = offered;
        let Some(member) = self.roster.find(&cluster, &namespace) else {
            // It could not be given back from here. The other replica may have gone meanwhile.
            let _ = taken.send(false);
            return;
        };
        let (task, came) = (self.pool.number(), Instant::now());
        let taken = Some(taken);
        self.tasks.insert(task, Task { body, member, came, expires, held: false, taken });
        self.step(Event::TaskOffered { task, expires: self.millis(expires) });
    }

    fn written(&mut self, id: OpenId, written: bool) {
        let Some(task) = self.tasks.get(&id) else { return };
        if written {
            self.metrics.handed_over(task.came.elapsed(), task.held);
            self.tasks.remove(&id);
            self.show();
        } else {
            self.metrics.returned.inc();
            let expires = self.millis(task.expires);
            self.step(Event::TaskReturned { task: id, expires });
        }
    }

    pub(super) fn step(&mut self, event: Event) {
        let mut actions = std::mem::take(&mut self.actions);
        self.pool.handle(self.now(), event, &mut actions);
        for action in actions.drain(..) {
            self.act(action);
        }
        self.actions = actions;
        self.show();
    }

    fn show(&mut self) {
        self.metrics.show(&self.pool);
        self.shown.show(&self.pool, self.tasks.len());
    }
}

/// A new instance key for a pool's polls: no two pools, and no two times, share one.
pub(super) fn instance_key(server: &str) -> Arc<str> {
    format!("{server}-{}", uuid::Uuid::new_v4().simple()).into()
}

/// Whether a cluster refuses the caller.
fn is_of_token(status: &Status) -> bool {
    matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated)
}

/// What a cluster's refusal of a poll means.
fn failure(status: &Status) -> Failure {
    match status.code() {
        Code::ResourceExhausted => Failure::Exhausted,
        // The worker's own deadline was long enough, so this is of the pool's: a server that was slow
        // to read it.
        Code::FailedPrecondition if status.message().contains("timeout is too short") => {
            Failure::Down
        }
        Code::InvalidArgument
        | Code::NotFound
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::Unimplemented => Failure::Final,
        _ => Failure::Down,
    }
}
