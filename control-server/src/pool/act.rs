//! What a pool's shell does when its machine says so.

use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::fields::last_bytes;
use tonic::Status;

use super::delivery::Receipt;
use super::event::{Action, Millis, OpenId, PollId};
use super::shell::{Answer, Message, OnCluster, Shell, Task, instance_key};
use super::{request, scaling, task};
use crate::identify::method;
use crate::replicas::Offer;

/// How long a cluster has for taking a task back, or for ending polls.
const ERRAND_DEADLINE: Duration = Duration::from_secs(5);

/// `/…WorkflowService/ShutdownWorker`.
const SHUTDOWN_WORKER: &str = "/temporal.api.workflowservice.v1.WorkflowService/ShutdownWorker";

impl Shell {
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Open { open, member, length, share, .. } => {
                self.open_poll(open, member, length, share);
            }
            Action::Withdraw => self.withdraw(),
            Action::HandOver { task, poll } => self.hand_over(task, poll),
            Action::Offer { task } => self.offer(task),
            Action::Decline { task } => self.tell(task, false),
            Action::AnswerEmpty { poll } => {
                self.answer(poll, Ok(Answer { body: Bytes::new(), receipt: None }));
            }
            Action::Fail { open, poll } => {
                let status = self.failures.remove(&open);
                let status = status.unwrap_or_else(|| Status::unavailable("a poll failed"));
                self.answer(poll, Err(status));
            }
            Action::GiveBack { task } => self.give_back(task),
        }
    }

    fn open_poll(&mut self, open: OpenId, member: usize, length: Millis, share: f64) {
        let own = self.own.clone();
        // The machine knows only members that are in the roster.
        let Some(through) = self.roster.get(member).cloned() else { return };
        self.open.insert(open, OnCluster { member, through: through.clone() });
        if !self.around.totals.has_room() {
            let full = "limits.held_tasks is reached: no further poll before workers take some";
            let _ = own.send(Message::Ended(open, Err(Status::resource_exhausted(full))));
            return;
        }
        let newest = &self.newest;
        let body = request::pooled(newest.method, &newest.body, &self.instance_key, share);
        let (method, caller) = (newest.method, newest.caller.clone());
        tokio::spawn(async move {
            let result = through.ask(method, &caller, body, Duration::from_millis(length)).await;
            // The pool outlives its open polls, so it listens.
            let _ = own.send(Message::Ended(open, result));
        });
    }

    /// Asks the members that can to end the pool's polls with empty answers. The next polls have
    /// another instance key: a server may remember this one as a worker that has shut down.
    fn withdraw(&mut self) {
        let key = std::mem::replace(&mut self.instance_key, instance_key(&self.around.server));
        let task_queue = last_bytes(&self.newest.body, self.newest.fields().task_queue);
        let task_queue = task_queue.and_then(|queue| last_bytes(queue, 1)).unwrap_or_default();
        for (index, member) in self.roster.members().enumerate() {
            if self.pool.open_on(index) == 0 || !member.withdraws_polls() {
                continue;
            }
            let name = self.newest.namespace.as_bytes();
            let body = request::withdrawal(self.newest.kind, name, task_queue, &key);
            let (member, caller) = (member.clone(), self.newest.caller.clone());
            let errand = self.around.totals.errand();
            self.metrics.withdrawn.inc();
            tokio::spawn(async move {
                let _errand = errand;
                let Ok(shutdown) = method(SHUTDOWN_WORKER) else { return };
                if let Err(status) = member.call(shutdown, &caller, body, ERRAND_DEADLINE).await {
                    tracing::debug!(member = %member.name, %status, "polls could not be withdrawn; they end by their deadlines");
                }
            });
        }
    }

    fn answer(&mut self, poll: PollId, answer: Result<Answer, Status>) {
        if let Some(parked) = self.parked.remove(&poll) {
            // A poll that has just gone wants no answer.
            let _ = parked.answer.send(answer);
        }
    }

    /// The task stays here until its receipt says that it was written. A poll that has gone drops
    /// the receipt, so that the task comes back.
    pub(super) fn hand_over(&mut self, id: OpenId, poll: PollId) {
        self.tell(id, true);
        let (Some(task), Some(parked)) = (self.tasks.get(&id), self.parked.remove(&poll)) else {
            return;
        };
        let (kind, waited) = (self.newest.kind, parked.came.elapsed());
        let body = scaling::judged(kind, task.body.clone(), waited, self.scaling_offered);
        let receipt = Some(Receipt::new(id, self.own.clone()));
        let _ = parked.answer.send(Ok(Answer { body, receipt }));
    }

    /// Answers the replica that has offered a task. One that is not taken is not this pool's.
    fn tell(&mut self, id: OpenId, taken: bool) {
        let Some(reply) = self.tasks.get_mut(&id).and_then(|task| task.taken.take()) else {
            return;
        };
        // Whoever hears no answer takes the task for taken: then it is this pool's own, to be held.
        match (taken, reply.send(taken)) {
            (true, _) => {}
            (false, Ok(())) => drop(self.tasks.remove(&id)),
            (false, Err(_)) => drop(self.own.send(Message::Written { task: id, written: false })),
        }
    }

    fn offer(&mut self, id: OpenId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.held = true;
        let member = self.roster.get(task.member);
        let offer = Offer {
            pool_key: self.key.0.clone(),
            cluster: member.map(|member| member.cluster.name().to_string()).unwrap_or_default(),
            namespace: member.map(|member| member.namespace.clone()).unwrap_or_default(),
            body: task.body.clone(),
            expires: task.expires,
        };
        let (replicas, own) = (self.around.replicas.clone(), self.own.clone());
        let errand = self.around.totals.errand();
        tokio::spawn(async move {
            let _errand = errand;
            let taken = replicas.offer(offer).await;
            // The pool outlives its tasks, so it listens.
            let _ = own.send(Message::OfferEnded(id, taken));
        });
    }

    fn give_back(&mut self, id: OpenId) {
        let Some(Task { body, member, came, .. }) = self.tasks.remove(&id) else { return };
        self.metrics.held_for(came.elapsed());
        let (kind, name) = (self.newest.kind, &self.newest.namespace);
        let from = self.roster.get(member).cloned();
        let call = task::give_back(kind, name, &body);
        let task_queue = &self.newest.task_queue;
        let (Some(from), Some((method, body))) = (from, call) else {
            tracing::warn!(
                member = self.roster.name(member),
                task_queue,
                "nobody came for an activity task, which cannot be given back; its cluster's timeout starts it again"
            );
            self.metrics.lost.inc();
            return;
        };
        tracing::info!(member = %from.name, task_queue, "nobody came for a task: given back");
        self.metrics.given_back();
        let (caller, errand) = (self.newest.caller.clone(), self.around.totals.errand());
        tokio::spawn(async move {
            let _errand = errand;
            let result = from.call(method, &caller, body, ERRAND_DEADLINE).await;
            if let Err(status) = result {
                tracing::warn!(member = %from.name, %status, "a task could not be given back; its timeout starts it again");
            }
        });
    }
}
