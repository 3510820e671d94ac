//! Schedules: which member has which, and how they move.

use panko_proto::v1::{
    ListSchedulesRequest, ListSchedulesResponse, MoveScheduleRequest, MoveScheduleResponse,
    ScheduleStatus,
};
use tonic::Status;

use super::verbs::member_named;
use super::{Service, name_of};
use crate::schedules::Outcome;
use crate::schedules::list::list;

impl Service {
    pub(super) async fn schedules(
        &self,
        request: ListSchedulesRequest,
    ) -> Result<ListSchedulesResponse, Status> {
        let (of, state) = self.stands(&request.namespace).await?;
        let members = match request.member.as_str() {
            "" => (0..of.members.len()).collect(),
            name => vec![usize::from(member_named(&state, name)?.0)],
        };
        let (schedules, silent) = list(&of, &state, &members).await;
        let schedules = schedules.into_iter().map(|one| ScheduleStatus {
            schedule_id: one.id,
            member: name_of(&state, one.at),
            owner: name_of(&state, one.owner),
            moving: one.moving,
        });
        let silent = silent.into_iter();
        let incomplete =
            silent.map(|(at, status)| format!("{}: {}", name_of(&state, at), status.message()));
        Ok(ListSchedulesResponse {
            schedules: schedules.collect(),
            incomplete: incomplete.collect(),
        })
    }

    pub(super) async fn schedule_moved(
        &self,
        request: MoveScheduleRequest,
    ) -> Result<MoveScheduleResponse, Status> {
        let MoveScheduleRequest { namespace, schedule_id, dry_run } = request;
        let (of, mover) = (self.namespace(&namespace)?.clone(), self.mover.clone());
        // A task of its own: an operator who goes away does not end it in the middle.
        let moved =
            tokio::spawn(async move { mover.move_to_owner(&of, &schedule_id, dry_run).await });
        let moved = moved.await.map_err(|_| Status::internal("the move was lost on its way"))?;
        let nothing = MoveScheduleResponse::default();
        Ok(match moved? {
            Outcome::Moved { from, to, told } => MoveScheduleResponse { from, to, told, ..nothing },
            Outcome::Would { from, to } => MoveScheduleResponse { from, to, ..nothing },
            Outcome::Stays(to) => MoveScheduleResponse { to, ..nothing },
            Outcome::Waits(waits) => MoveScheduleResponse { waits, ..nothing },
        })
    }
}
