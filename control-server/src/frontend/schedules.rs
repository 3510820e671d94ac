//! Calls on a schedule whose slot has moved: the schedule may be on its way to another member
//! ([`crate::schedules`]), so each takes its turn. Those that change it do so as start-type calls ([`super::starts`]).

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::second_chance::{forward, member};
use super::start_locks::LONGEST;
use super::starts::PATIENCE;
use super::{Call, Frontend, deadline};
use crate::locate::{Place, Target};
use crate::topology::VirtualNamespace;

impl Frontend {
    /// A call that reads a schedule: which member has it, and what that answers.
    pub(super) async fn read_schedule(
        self: &Arc<Self>,
        call: Call,
    ) -> Result<(usize, Result<Bytes, Status>), Status> {
        let frontend = self.clone();
        // A task of its own: the lock ends whether or not the caller still waits.
        let read = tokio::spawn(async move { frontend.read_in_turn(&call).await });
        read.await.map_err(|_| Status::internal("the call was lost on its way"))?
    }

    async fn read_in_turn(&self, call: &Call) -> Result<(usize, Result<Bytes, Status>), Status> {
        let (namespace, target) = self.target(call)?;
        let asked = call.timeout.as_deref().and_then(deadline::parse);
        let patience = asked.map_or(PATIENCE, |asked| asked.mul_f64(0.8).min(PATIENCE));
        let give_up = Instant::now() + patience;
        let locked = self.starts.lock(&target, give_up, LONGEST).await?;
        let read = async {
            let to = self.home(namespace, &target).await?;
            Ok((to, forward(call, member(namespace, to)?).await))
        };
        let late = |_| Err(Status::unavailable("the schedule's cluster takes too long; try again"));
        let read = tokio::time::timeout_at(locked.end(), read).await.unwrap_or_else(late);
        locked.unlock();
        read
    }

    /// Deletes a schedule that has just been deleted where it lives on the others, too: a move that was broken off may
    /// have left one there.
    pub(super) async fn delete_what_is_left(
        &self,
        call: &Call,
        namespace: &VirtualNamespace,
        target: &Target,
        end: Instant,
    ) -> Result<(), Status> {
        for _ in &namespace.members {
            let place = self.locator.locate_among_all(namespace, target, 0).await?;
            let Place::Member { index, .. } = place else { return Ok(()) };
            let (member, left) =
                (member(namespace, index)?, end.saturating_duration_since(Instant::now()));
            match member.call(call.method, &call.caller, call.body.clone(), left).await {
                Ok(_) => {}
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Err(status),
            }
        }
        Ok(())
    }
}
