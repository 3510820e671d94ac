//! Calls on one schedule at one member, with Panko's own credentials.

use std::time::Duration;

use bytes::Bytes;
use panko_proto::rpc::Method;
use panko_routing::wire::fields::{put_bytes, put_uint};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::description::{Description, Nanos};
use crate::topology::Member;

/// What a schedule says of who changed it.
const IDENTITY: &[u8] = b"panko";

/// Between two looks whether a change has taken effect: a schedule hears of it by a signal.
const AGAIN: Duration = Duration::from_millis(25);

/// A schedule at a member.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The virtual namespace.
    pub namespace: &'a str,
    /// The member's position.
    pub index: usize,
    /// The member.
    pub member: &'a Member,
    /// The schedule's id.
    pub id: &'a [u8],
    /// When all has to be over.
    pub end: Instant,
}

impl At<'_> {
    /// What the member says of it; none if it does not have it.
    pub async fn describe(&self) -> Result<Option<Description>, Status> {
        loop {
            return match self.call("DescribeSchedule", self.request()).await {
                Ok(answer) => Description::read(&answer).map(Some).map_err(|e| self.strange(e)),
                Err(status) if is_of_the_schedule(&status) => Ok(None),
                // It has just been created, and has not begun.
                Err(status) if status.code() == Code::FailedPrecondition => {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(status) => Err(self.named(&status)),
            };
        }
    }

    /// Gives it other notes, paused or not, unless somebody has changed it since it was described. Returns how it
    /// is then; none when somebody was first.
    pub async fn set_state(
        &self,
        described: &Description,
        paused: bool,
        notes: &str,
    ) -> Result<Option<Description>, Status> {
        let mut body = self.request();
        let schedule = described.with_state(paused, notes).map_err(|e| self.strange(e))?;
        put_bytes(&mut body, 3, &schedule);
        put_bytes(&mut body, 4, &described.token);
        put_bytes(&mut body, 5, IDENTITY);
        put_bytes(&mut body, 6, request_id().as_bytes());
        match self.call("UpdateSchedule", body).await {
            Ok(_) => {}
            Err(status) if status.code() == Code::FailedPrecondition => return Ok(None),
            Err(status) => return Err(self.named(&status)),
        }
        loop {
            let Some(now) = self.describe().await? else { return Ok(None) };
            let read = now.notes().and_then(|has| Ok((has == notes.as_bytes(), now.paused()?)));
            let (has_notes, is_paused) = read.map_err(|e| self.strange(e))?;
            if has_notes && is_paused == paused {
                return Ok(Some(now));
            }
            if now.token != described.token {
                return Ok(None);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Creates it as a copy of another one, with this schedule, and waits until it describes itself.
    pub async fn create(&self, of: &Description, schedule: &[u8]) -> Result<Description, Status> {
        let mut body = self.request();
        put_bytes(&mut body, 3, schedule);
        put_bytes(&mut body, 5, IDENTITY);
        put_bytes(&mut body, 6, request_id().as_bytes());
        for (number, message) in [(7, &of.memo), (8, &of.search_attributes)] {
            if !message.is_empty() {
                put_bytes(&mut body, number, message);
            }
        }
        self.call("CreateSchedule", body).await.map_err(|status| self.named(&status))?;
        loop {
            if let Some(described) = self.describe().await? {
                return Ok(described);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Has it start what it would have started after `from` and up to `to`.
    pub async fn backfill(&self, from: Nanos, to: Nanos) -> Result<(), Status> {
        let (mut range, mut patch, mut body) = (Vec::new(), Vec::new(), self.request());
        put_bytes(&mut range, 1, &timestamp(from));
        put_bytes(&mut range, 2, &timestamp(to));
        put_bytes(&mut patch, 2, &range);
        put_bytes(&mut body, 3, &patch);
        put_bytes(&mut body, 4, IDENTITY);
        put_bytes(&mut body, 5, request_id().as_bytes());
        self.call("PatchSchedule", body).await.map(drop).map_err(|status| self.named(&status))
    }

    /// Deletes it, and waits until it is gone.
    pub async fn delete(&self) -> Result<(), Status> {
        let mut body = self.request();
        put_bytes(&mut body, 3, IDENTITY);
        match self.call("DeleteSchedule", body).await {
            Ok(_) => {}
            Err(status) if is_of_the_schedule(&status) => {}
            Err(status) => return Err(self.named(&status)),
        }
        while self.describe().await?.is_some() {
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }

    /// An error in what the member has answered.
    pub fn strange(&self, error: panko_routing::wire::Error) -> Status {
        Status::internal(format!("{} describes the schedule strangely: {error}", self.member.name))
    }

    /// Every request on a schedule has the namespace in field 1 and its id in 2.
    fn request(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_bytes(&mut body, 1, self.namespace.as_bytes());
        put_bytes(&mut body, 2, self.id);
        body
    }

    async fn call(&self, name: &str, body: Vec<u8>) -> Result<Bytes, Status> {
        let path = format!("/temporal.api.workflowservice.v1.WorkflowService/{name}");
        let method = Method::by_path(&path);
        let method = method.ok_or_else(|| Status::internal(format!("{path} is not known")))?;
        let (own, body) = (self.member.cluster.own(), Bytes::from(body));
        loop {
            let left = self.end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Status::deadline_exceeded("the time for this move is over"));
            }
            match self.member.call(method, own, body.clone(), left).await {
                // Nothing was done: too much is asked of the schedule, or of the cluster, at this moment.
                Err(status) if status.code() == Code::ResourceExhausted => {
                    tokio::time::sleep(AGAIN * 4).await;
                }
                answer => return answer,
            }
        }
    }

    /// A member's error, with its name.
    fn named(&self, status: &Status) -> Status {
        Status::new(status.code(), format!("{}: {}", self.member.name, status.message()))
    }
}

/// Whether a NOT_FOUND is of the schedule, and not of the namespace.
fn is_of_the_schedule(status: &Status) -> bool {
    status.code() == Code::NotFound && !crate::locate::look::is_of_namespace(status)
}

fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A `google.protobuf.Timestamp`.
fn timestamp(at: Nanos) -> Vec<u8> {
    let (mut body, second) = (Vec::new(), 1_000_000_000);
    put_uint(&mut body, 1, u64::try_from(at.div_euclid(second)).unwrap_or(0));
    put_uint(&mut body, 2, u64::try_from(at.rem_euclid(second)).unwrap_or(0));
    body
}
