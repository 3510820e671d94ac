//! What operators see and change, on the control server's side.
//!
//! * [`verbs`] — what they ask for, as a change of a placement.
//! * [`counts`] — about how many workflows are concerned.
//! * [`explain`] — where calls on a key go.
//! * [`schedules`] — which there are, and how they move.
//! * [`leftovers`] — what a member has that never ends.
//! * [`failback`] — a fenced member comes back, if nothing of it is [`open_twice`].
//! * [`token`] — what a task token says.
//! * [`verify`] — whether an id is open on several members.

mod counts;
mod explain;
mod failback;
mod leftovers;
mod open_twice;
mod schedules;
mod token;
mod verbs;
mod verify;

use std::sync::Arc;

use panko_placement::{Participant, State};
use panko_proto::v1::admin_service_server::{AdminService, AdminServiceServer};
use panko_proto::v1::{
    ApplyRequest, ApplyResponse, ChangePlacementRequest, ChangePlacementResponse,
    ExplainManyRequest, ExplainManyResponse, ExplainRequest, ExplainResponse, FailbackRequest,
    FailbackResponse, FilterStatus, ForgetFiltersRequest, ForgetFiltersResponse, GetMetricsRequest,
    GetMetricsResponse, GetPlacementRequest, GetPlacementResponse, HistoryEntry,
    ListHistoryRequest, ListHistoryResponse, ListLeftoversRequest, ListLeftoversResponse,
    ListSchedulesRequest, ListSchedulesResponse, MemberStatus, MoveScheduleRequest,
    MoveScheduleResponse, VerifyRequest, VerifyResponse,
};
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::apply;
use crate::frontend::Starts;
use crate::metrics::Metrics;
use crate::placements::{Error, PlacementsHolder, now};
use crate::replica_service::Guard;
use crate::replicas::Replicas;
use crate::schedules::Mover;
use crate::topology::{VirtualNamespace, member_name};

/// How many entries of a history are shown when nothing is said.
const ENTRIES: u32 = 50;

/// The service.
pub struct Service {
    placements: Arc<PlacementsHolder>,
    mover: Arc<Mover>,
    metrics: Arc<Metrics>,
}

impl Service {
    /// The service, ready to be added to a server.
    #[must_use]
    pub fn new(
        placements: Arc<PlacementsHolder>,
        starts: Arc<Starts>,
        replicas: &Replicas,
        metrics: Arc<Metrics>,
    ) -> InterceptedService<AdminServiceServer<Self>, Guard> {
        let mover = Arc::new(Mover::new(placements.clone(), starts));
        let service = Self { placements, mover, metrics };
        InterceptedService::new(AdminServiceServer::new(service), Guard::new(replicas))
    }

    fn namespace(&self, name: &str) -> Result<Arc<VirtualNamespace>, Status> {
        let unknown = || status(Error::UnknownNamespace(name.to_owned()));
        self.placements.topology().namespace(name).cloned().ok_or_else(unknown)
    }

    /// A namespace, and its placement as the store has it at this moment.
    async fn stands(&self, name: &str) -> Result<(Arc<VirtualNamespace>, Arc<State>), Status> {
        let state = self.placements.current(name).await.map_err(status)?;
        let of = self.namespace(name)?;
        of.must_fit(&state)?;
        Ok((of, state))
    }
}

/// The name of the member at this position.
fn name_of(state: &State, member: usize) -> String {
    let Some(own) = state.members.get(member) else { return String::new() };
    let clusters = state.members.iter().map(|other| other.cluster.as_str());
    member_name(&own.cluster, &own.namespace, clusters)
}

/// What an operator is told of an error.
pub(crate) fn status(error: Error) -> Status {
    match error {
        Error::UnknownNamespace(_) => Status::not_found(error.to_string()),
        Error::Refused(_) => Status::failed_precondition(error.to_string()),
        Error::Store(_) => Status::unavailable(error.to_string()),
        Error::Applied(_) => Status::failed_precondition(error.to_string()),
        Error::Placement(_) => Status::internal(error.to_string()),
    }
}

#[tonic::async_trait]
impl AdminService for Service {
    async fn apply(
        &self,
        request: Request<ApplyRequest>,
    ) -> Result<Response<ApplyResponse>, Status> {
        let (placements, request) = (self.placements.clone(), request.into_inner());
        // To its end, whether or not the operator waits.
        let applied = tokio::spawn(async move { apply::apply(&placements, request).await });
        let applied = applied.await.map_err(|_| Status::internal("apply failed; do it again"))?;
        applied.map(Response::new)
    }

    async fn change_placement(
        &self,
        request: Request<ChangePlacementRequest>,
    ) -> Result<Response<ChangePlacementResponse>, Status> {
        self.change(request.into_inner()).await.map(Response::new)
    }

    async fn get_placement(
        &self,
        request: Request<GetPlacementRequest>,
    ) -> Result<Response<GetPlacementResponse>, Status> {
        let name = request.into_inner().namespace;
        let state = self.placements.current(&name).await.map_err(status)?;
        let participants = self.placements.store().participants(&name).await;
        let participants = participants.map_err(|e| status(e.into()))?;
        let now = now();
        let members = state.members.iter().zip(state.counts()).enumerate();
        let members = members.map(|(at, (member, counts))| MemberStatus {
            name: name_of(&state, at),
            weight: member.weight,
            cordoned: member.cordoned,
            fenced: member.fenced,
            looked_at: member.looked_at.is_some(),
            reached: member.uuid.is_some(),
            owned: counts.owned as u32,
            former: counts.former as u32,
            coming: counts.coming as u32,
        });
        let filters = participants.iter().map(|(filter, said)| FilterStatus {
            node: filter.node.clone(),
            process: filter.process,
            vm: filter.vm,
            version: said.version,
            gone_for_ms: said.gone_until.map(|until| until.saturating_sub(now)),
        });
        let waits_for = state.handover.map(|began| {
            let named = |filter: &Participant| format!("{} (VM {})", filter.node, filter.vm);
            match state.is_taken_over() {
                true => participants.behind(began).map(named).collect(),
                false => participants.missing(began, now).map(named).collect(),
            }
        });
        Ok(Response::new(GetPlacementResponse {
            version: state.version,
            members: members.collect(),
            handover: state.handover.unwrap_or(0),
            waits_for: waits_for.unwrap_or_default(),
            filters: filters.collect(),
        }))
    }

    async fn list_history(
        &self,
        request: Request<ListHistoryRequest>,
    ) -> Result<Response<ListHistoryResponse>, Status> {
        let ListHistoryRequest { namespace, limit, applied } = request.into_inner();
        let limit = if limit == 0 { ENTRIES } else { limit };
        let entries = if applied {
            self.placements.store().applied_history(limit).await
        } else {
            self.namespace(&namespace)?;
            self.placements.store().history(&namespace, limit).await
        };
        let entries =
            entries.map_err(|e| status(e.into()))?.into_iter().map(|entry| HistoryEntry {
                version: entry.version,
                at_ms: entry.at,
                who: entry.who,
                what: entry.what,
                why: entry.why,
            });
        Ok(Response::new(ListHistoryResponse { entries: entries.collect() }))
    }

    async fn forget_filters(
        &self,
        request: Request<ForgetFiltersRequest>,
    ) -> Result<Response<ForgetFiltersResponse>, Status> {
        let node = request.into_inner().node;
        let known = self.placements.store().forget(&node).await;
        let known = known.map_err(|e| status(e.into()))?;
        tracing::warn!(node, known, "an operator says that an Envoy is gone for good");
        Ok(Response::new(ForgetFiltersResponse { known }))
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainResponse>, Status> {
        self.explained(request.into_inner()).await.map(Response::new)
    }

    async fn explain_many(
        &self,
        request: Request<ExplainManyRequest>,
    ) -> Result<Response<ExplainManyResponse>, Status> {
        self.explained_many(request.into_inner()).await.map(Response::new)
    }

    async fn verify(
        &self,
        request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        self.verified(&request.into_inner().namespace).await.map(Response::new)
    }

    async fn list_schedules(
        &self,
        request: Request<ListSchedulesRequest>,
    ) -> Result<Response<ListSchedulesResponse>, Status> {
        self.schedules(request.into_inner()).await.map(Response::new)
    }

    async fn move_schedule(
        &self,
        request: Request<MoveScheduleRequest>,
    ) -> Result<Response<MoveScheduleResponse>, Status> {
        self.schedule_moved(request.into_inner()).await.map(Response::new)
    }

    async fn list_leftovers(
        &self,
        request: Request<ListLeftoversRequest>,
    ) -> Result<Response<ListLeftoversResponse>, Status> {
        self.leftovers(request.into_inner()).await.map(Response::new)
    }

    async fn failback(
        &self,
        request: Request<FailbackRequest>,
    ) -> Result<Response<FailbackResponse>, Status> {
        self.failed_back(request.into_inner()).await.map(Response::new)
    }

    async fn get_metrics(
        &self,
        _request: Request<GetMetricsRequest>,
    ) -> Result<Response<GetMetricsResponse>, Status> {
        Ok(Response::new(GetMetricsResponse { text: self.metrics.encode() }))
    }
}
