//! Proof that a caller may have a pool's tasks.
//!
//! A pool hands tasks that it got with one worker's credentials to another worker. Where both show
//! the same key they have the same rights. Where a token only says whose it is, anybody could write
//! the same into one: so the first poll with each new token goes to a cluster as it is, and joins
//! the pool when the cluster has accepted it.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::Status;

use super::event::{Event, OpenId, WorkerId};
use super::request;
use super::shell::{Answer, Arrival, Message, Parked, Shell};
use super::task;

/// The shortest poll that servers take, and some for the way: it is answered empty after a second.
const LENGTH: Duration = Duration::from_millis(2_200);

/// How many tokens a pool remembers. Beyond that they are proven again.
const REMEMBERED: usize = 20_000;

/// For how long a proof counts: a token may be revoked meanwhile.
const COUNTS: Duration = Duration::from_secs(600);

/// The tokens that are proven in one pool, and since when.
#[derive(Debug, Default)]
pub struct Proven(HashMap<u64, Instant>);

impl Proven {
    fn has(&self, credentials: u64) -> bool {
        self.0.get(&credentials).is_some_and(|since| since.elapsed() < COUNTS)
    }

    fn add(&mut self, credentials: u64) {
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(credentials, Instant::now());
    }

    /// A cluster refuses a token.
    pub fn remove(&mut self, credentials: u64) {
        self.0.remove(&credentials);
    }
}

/// A token that is being proven: by the first poll with it, while the others wait for that.
#[derive(Debug)]
pub struct Candidate {
    credentials: u64,
    polls: Vec<Arrival>,
    /// The members that were asked, by number. The last one has yet to answer; the others could not be
    /// reached.
    asked: Vec<usize>,
}

impl Candidate {
    /// Answers all its polls: they do not join.
    fn refuse(self, status: &Status) {
        for arrival in self.polls {
            // One who has gone wants no answer.
            let _ = arrival.answer.send(Err(status.clone()));
        }
    }
}

impl Shell {
    /// Whether a poll may join the pool as it is.
    pub(super) fn is_proven(&self, arrival: &Arrival) -> bool {
        !arrival.poll.claims || self.proven.has(arrival.poll.caller.credentials())
    }

    /// Asks a member for the sake of a poll that is not proven. It is one worker's one poll, so no
    /// more are open than wait.
    pub(super) fn prove(&mut self, arrival: Arrival) {
        if self.draining {
            send_away(arrival.answer);
            return;
        }
        let credentials = arrival.poll.caller.credentials();
        if let Some(same) = self.candidates.values_mut().find(|c| c.credentials == credentials) {
            same.polls.push(arrival);
            return;
        }
        let members = self.roster.taking_polls().count().max(1);
        let member = self.roster.taking_polls().nth(arrival.id.0 as usize % members);
        self.ask(Candidate { credentials, polls: vec![arrival], asked: Vec::from_iter(member) });
    }

    fn ask(&mut self, candidate: Candidate) {
        let member = candidate.asked.last().and_then(|at| self.roster.get(*at));
        let Some(member) = member.cloned() else {
            let none = "no cluster of the namespace takes polls now; poll again";
            candidate.refuse(&Status::unavailable(none));
            return;
        };
        let Some(Arrival { poll, .. }) = candidate.polls.first() else { return };
        let own = self.own.clone();
        let (method, caller) = (poll.method, poll.caller.clone());
        // An even share of the worker's rate: nothing is known of its tasks yet.
        let share = 1.0 / self.roster.taking_polls().count().max(1) as f64;
        let body = request::pooled(method, &poll.body, &self.instance_key, share);
        let id = self.pool.number();
        self.candidates.insert(id, candidate);
        let errand = self.around.totals.errand();
        tokio::spawn(async move {
            let _errand = errand;
            let result = member.call(method, &caller, body, LENGTH).await;
            // The pool outlives its polls, so it listens.
            let _ = own.send(Message::Proved(id, result));
        });
    }

    /// The cluster has spoken.
    pub(super) fn proved(&mut self, id: OpenId, result: Result<Bytes, Status>) {
        let Some(mut candidate) = self.candidates.remove(&id) else { return };
        candidate.polls.retain(|arrival| !arrival.answer.is_closed());
        match result {
            Ok(body) => {
                self.proven.add(candidate.credentials);
                if task::is_task(&body) {
                    self.proved_by_a_task(id, body, &mut candidate);
                }
                for arrival in candidate.polls {
                    self.joined(arrival);
                }
            }
            Err(status) => {
                let other = self.roster.taking_polls().find(|at| !candidate.asked.contains(at));
                match other.filter(|_| is_down(&status)) {
                    Some(other) => {
                        candidate.asked.push(other);
                        self.ask(candidate);
                    }
                    None => candidate.refuse(&status),
                }
            }
        }
    }

    /// The task is for the poll that brought it: it never waited in the pool, and no other is opened
    /// for it. If its worker has gone, the task is the pool's.
    fn proved_by_a_task(&mut self, id: OpenId, body: Bytes, candidate: &mut Candidate) {
        let held = candidate.polls.is_empty();
        let Some(&member) = candidate.asked.last() else { return };
        let expires = self.brought(id, member, body, held);
        if held {
            self.step(Event::TaskCame { open: id, expires });
            return;
        }
        let Arrival { id: poll, poll: newest, answer, .. } = candidate.polls.remove(0);
        self.newest = newest;
        self.parked.insert(poll, Parked { answer, came: Instant::now() });
        self.hand_over(id, poll);
    }

    /// No poll that is yet to be proven is to join any more.
    pub(super) fn candidates_end(&mut self, status: &Status) {
        for candidate in self.candidates.values_mut() {
            for arrival in candidate.polls.drain(..) {
                // One who has gone wants no answer.
                let _ = arrival.answer.send(Err(status.clone()));
            }
        }
    }

    /// Polls of a worker that shuts down are not to join any more.
    pub(super) fn candidates_leave(&mut self, worker: WorkerId) {
        for candidate in self.candidates.values_mut() {
            let own = candidate.polls.extract_if(.., |arrival| arrival.poll.worker == worker);
            own.for_each(|arrival| send_away(arrival.answer));
        }
    }
}

/// Answers a poll that has not joined: there is no task.
fn send_away(answer: oneshot::Sender<Result<Answer, Status>>) {
    // One who has gone wants no answer.
    let _ = answer.send(Ok(Answer { body: Bytes::new(), receipt: None }));
}

fn is_down(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::Unavailable | tonic::Code::DeadlineExceeded)
}
