//! What other control servers, and operators, may ask of this one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use panko_proto::v1::replica_service_server::{ReplicaService, ReplicaServiceServer};
use panko_proto::v1::{
    ListPoolsRequest, ListPoolsResponse, OfferTaskRequest, OfferTaskResponse, WorkerLeftRequest,
    WorkerLeftResponse,
};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::pool::key::{PoolKey, worker_id};
use crate::pool::registry::Registry;
use crate::pool::shell::Offered;
use crate::replicas::{Replicas, Token};

/// The largest message: a task and some words more.
const MAX_MESSAGE: usize = 130 * 1024 * 1024;

/// The service.
pub struct Service {
    pools: Arc<Registry>,
    server: Arc<str>,
}

/// Lets only those in who show the token; without one, only those on this machine.
#[derive(Clone)]
pub struct Guard(Token);

impl Service {
    /// The service, ready to be added to a server.
    #[must_use]
    pub fn new(
        pools: Arc<Registry>,
        replicas: &Replicas,
    ) -> InterceptedService<ReplicaServiceServer<Self>, Guard> {
        let service = Self { pools, server: replicas.server().clone() };
        let server = ReplicaServiceServer::new(service).max_decoding_message_size(MAX_MESSAGE);
        InterceptedService::new(server, Guard::new(replicas))
    }
}

impl Guard {
    /// By the token of the configuration.
    #[must_use]
    pub fn new(replicas: &Replicas) -> Self {
        Self(replicas.token().clone())
    }
}

impl tonic::service::Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let shown = request.metadata().get("authorization");
        let proven = match &self.0 {
            Some(token) => shown.is_some_and(|shown| same(shown.as_bytes(), token.as_bytes())),
            None => request.remote_addr().is_some_and(|peer| is_loopback(peer.ip())),
        };
        proven.then_some(request).ok_or_else(|| {
            Status::unauthenticated(
                "filters (token in the filter's configuration), control servers and operators show the token of peers.token_file; without one only this machine is let in",
            )
        })
    }
}

/// Not all of 127/8: meshes deliver what comes from elsewhere from addresses in it.
fn is_loopback(ip: IpAddr) -> bool {
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&ip.to_canonical())
}

/// Compares in a time that tells nothing of where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[tonic::async_trait]
impl ReplicaService for Service {
    async fn offer_task(
        &self,
        request: Request<OfferTaskRequest>,
    ) -> Result<Response<OfferTaskResponse>, Status> {
        let offer = request.into_inner();
        if *offer.server == *self.server {
            return Ok(Response::new(OfferTaskResponse { taken: false }));
        }
        let key = PoolKey(offer.pool_key);
        let (reply, taken) = oneshot::channel();
        let expires = Instant::now() + Duration::from_millis(offer.expires_in_ms.into());
        let (body, cluster, namespace) = (offer.response, offer.cluster, offer.namespace);
        let task = Offered { body, cluster, namespace, expires, taken: reply };
        let taken = self.pools.take(&key, task, taken).await;
        Ok(Response::new(OfferTaskResponse { taken }))
    }

    async fn worker_left(
        &self,
        request: Request<WorkerLeftRequest>,
    ) -> Result<Response<WorkerLeftResponse>, Status> {
        let instance_key = &request.get_ref().worker_instance_key;
        // Workers of old SDKs have no key: an empty one is not theirs in common.
        if !instance_key.is_empty() {
            self.pools.worker_left(worker_id(instance_key));
        }
        Ok(Response::new(WorkerLeftResponse {}))
    }

    async fn list_pools(
        &self,
        _: Request<ListPoolsRequest>,
    ) -> Result<Response<ListPoolsResponse>, Status> {
        let server = self.server.to_string();
        Ok(Response::new(ListPoolsResponse { server, pools: self.pools.status().await }))
    }
}
