//! Calls on a schedule whose slot has moved: the schedule may be on its way to another member
//! ([`crate::schedules`]). Those that change it take their turn as start-type calls do ([`super::starts`]).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use panko_proto::rpc::Method;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::second_chance::{forward, member};
use super::starts::PATIENCE;
use super::{Call, Frontend, deadline};
use crate::locate::{Place, Target};
use crate::schedules::description::Description;
use crate::topology::VirtualNamespace;

/// How long a look may take that has the key to itself.
const LONGEST: Duration = Duration::from_secs(10);

impl Frontend {
    /// A call that reads a schedule: which member has it, and what that answers. One that is on its way is waited for.
    pub(super) async fn read_schedule(
        self: &Arc<Self>,
        call: Call,
    ) -> Result<(usize, Result<Bytes, Status>), Status> {
        let read = self.read_where_it_is(&call).await?;
        match &read.1 {
            // It has been moved since it was looked for, or is nowhere.
            Err(status) if status.code() == Code::NotFound => {}
            Ok(answer) if is_moving(call.method, answer) => {}
            _ => return Ok(read),
        }
        let frontend = self.clone();
        // A task of its own: the lock ends whether or not the caller still waits.
        let read = tokio::spawn(async move { frontend.read_in_turn(&call).await });
        read.await.map_err(|_| Status::internal("the call was lost on its way"))?
    }

    async fn read_where_it_is(
        &self,
        call: &Call,
    ) -> Result<(usize, Result<Bytes, Status>), Status> {
        let (namespace, target) = self.target(call)?;
        let to = self.home(namespace, &target).await?;
        Ok((to, forward(call, member(namespace, to)?).await))
    }

    /// Reads it while no move is under way. What it shows of one now was left by one that was broken off.
    async fn read_in_turn(&self, call: &Call) -> Result<(usize, Result<Bytes, Status>), Status> {
        let (_, target) = self.target(call)?;
        let asked = call.timeout.as_deref().and_then(deadline::parse);
        let patience = asked.map_or(PATIENCE, |asked| asked.mul_f64(0.8).min(PATIENCE));
        let give_up = Instant::now() + patience;
        let locked = self.starts.lock(&target, give_up, LONGEST).await?;
        let late = |_| Err(Status::unavailable("the schedule's cluster takes too long; try again"));
        let read = tokio::time::timeout_at(locked.end(), self.read_where_it_is(call)).await;
        locked.unlock();
        read.unwrap_or_else(late)
    }

    /// Deletes a schedule that has just been deleted where it lives on the others, too: a move that was broken off may
    /// have left one there.
    pub(super) async fn delete_what_is_left(
        &self,
        call: &Call,
        namespace: &VirtualNamespace,
        target: &Target,
        end: Instant,
    ) -> Left {
        for _ in &namespace.members {
            let member = match self.locator.locate_among_all(namespace, target, 0).await {
                Ok(Place::Member { index, .. }) => member(namespace, index),
                Ok(Place::Nowhere) => return Left::Nothing,
                Ok(Place::Unknown(status)) | Err(status) => Err(status),
            };
            let member = match member {
                Ok(member) => member,
                Err(status) => return Left::Unknown(status),
            };
            let left = end.saturating_duration_since(Instant::now());
            match member.call(call.method, &call.caller, call.body.clone(), left).await {
                Ok(_) => {}
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Left::Undeleted(status),
            }
        }
        Left::Nothing
    }
}

/// What is left of a schedule that was deleted where it lives.
pub(super) enum Left {
    Nothing,
    /// A member that is fenced, or does not answer, may have one.
    Unknown(Status),
    /// A member has one, or is about to delete it.
    Undeleted(Status),
}

/// Whether an answer shows a schedule that is being moved.
fn is_moving(method: &Method, answer: &[u8]) -> bool {
    let described = || Description::read(answer).and_then(|described| described.mark());
    method.name == "DescribeSchedule" && described().is_ok_and(|mark| mark.is_some())
}
