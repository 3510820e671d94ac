//! The control server's side of Temporal's API: what filters send here, by class.
//!
//! * [`polls`] — the pool.
//! * [`local`] — answered here, from what all members offer ([`offers`]).
//! * [`gather`] — asked of every member and merged.
//! * [`second_chance`] — calls on a key that its slot's owner does not find.
//! * [`starts`] — start-type calls that look where their key lives first, one at a time ([`start_locks`]).
//! * [`schedules`] — calls on a schedule that may be on its way to another member.
//! * [`reuse`] — whether an id that was used before may begin anew elsewhere.
//! * [`broadcast`] — told to every member.
//! * [`nexus_endpoints`] — told to every cluster, under ids of each one's own.
//! * [`conflict_token`] — each member's in one of ours.
//!
//! Messages are raw bytes throughout.

mod broadcast;
mod conflict_token;
mod deadline;
mod fan_out;
mod gather;
mod local;
mod nexus_endpoints;
mod offers;
mod page_token;
mod polls;
mod reply;
mod reuse;
mod schedules;
mod second_chance;
mod start_locks;
mod starts;

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use panko_proto::rpc::{Class, Method};
use panko_routing::placement::CHAIN;
use panko_routing::wire::fields::first_at;
use tonic::codec::CompressionEncoding;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::config::Callers;
use crate::identify::LastAnswers;
use crate::locate::Locator;
use crate::metrics::Metrics;
use crate::placements::PlacementsHolder;
use crate::pool::delivery::{Receipt, Tracked};
use crate::pool::registry::Registry;
use crate::raw::RawCodec;
use crate::replicas::Replicas;
use crate::topology::{Topology, VirtualNamespace};
use reply::Reply;

pub use broadcast::Unfinished;
pub(crate) use fan_out::is_missing;
pub(crate) use start_locks::ALL_OVER;
pub use start_locks::Starts;

/// The largest request that is taken: what Temporal's frontends take.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// All that calls need. There is another one for each topology: positions of members mean something in one of them only.
#[derive(Debug, Clone)]
pub struct Frontend {
    /// The clusters and namespaces.
    pub topology: Arc<Topology>,
    /// The pools of polls.
    pub pools: Arc<Registry>,
    /// What tells callers apart.
    pub callers: Callers,
    /// The other control servers.
    pub replicas: Arc<Replicas>,
    /// What clusters that are down last said.
    pub answers: Arc<LastAnswers>,
    /// Where keys live.
    pub locator: Arc<Locator>,
    /// One start of a key at a time.
    pub starts: Arc<Starts>,
    /// Broadcasts that some members have yet to do.
    pub unfinished: Arc<Unfinished>,
    /// Who owns which slot.
    pub placements: Arc<PlacementsHolder>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// A call's request, in parts.
#[derive(Debug)]
pub(crate) struct Call {
    method: &'static Method,
    caller: Caller,
    /// `grpc-timeout` as it came.
    timeout: Option<String>,
    /// The cluster that Envoy has asked already: the owner of the key's slot. None unless it has.
    asked: Option<Box<str>>,
    /// The client's connection to Envoy, as the filter names it; empty where it did not.
    connection: Box<str>,
    body: Bytes,
}

/// By this header the filter names the client's connection to Envoy.
const CONNECTION: &str = "panko-connection";

/// By this header the filter tells Envoy where a call goes.
const CLUSTER: &str = "panko-cluster";

/// Serves a request: the fallback of the server's routes.
pub async fn serve(
    frontend: Arc<Frontend>,
    request: http::Request<Body>,
) -> http::Response<tonic::body::Body> {
    let path = request.uri().path();
    let Some(method) = Method::by_path(path) else {
        let path = path.to_owned();
        tracing::warn!(path, "an RPC that this release does not know");
        return Status::unimplemented(format!("{path} is not known to this release of Panko"))
            .into_http();
    };
    let mut grpc = Grpc::new(RawCodec)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_REQUEST);
    let mut response = grpc.unary(Unary { frontend, method }, request).await;
    match response.extensions_mut().remove::<Arc<Receipt>>() {
        Some(receipt) => response.map(|body| tonic::body::Body::new(Tracked::new(body, receipt))),
        None => response,
    }
}

struct Unary {
    frontend: Arc<Frontend>,
    method: &'static Method,
}

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = futures_util::future::BoxFuture<'static, Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (frontend, method) = (self.frontend.clone(), self.method);
        Box::pin(async move {
            let text = |name| request.metadata().get(name).and_then(|value| value.to_str().ok());
            let call = Call {
                method,
                caller: Caller::of(request.metadata()),
                timeout: text("grpc-timeout").map(str::to_owned),
                asked: text(CLUSTER).and_then(|name| name.strip_prefix(CHAIN)).map(Into::into),
                connection: text(CONNECTION).unwrap_or_default().into(),
                body: request.into_inner(),
            };
            let result = frontend.dispatch(call).await;
            let code = result.as_ref().err().map_or(tonic::Code::Ok, Status::code);
            frontend.metrics.call(method.name, code);
            result.map(Reply::into_response)
        })
    }
}

impl Frontend {
    /// The same over other clusters and namespaces.
    #[must_use]
    pub fn over(&self, topology: Arc<Topology>) -> Self {
        Self { topology, ..self.clone() }
    }

    async fn dispatch(self: &Arc<Self>, call: Call) -> Result<Reply, Status> {
        if let Class::Poll { .. } = call.method.class {
            return self.poll(call).await.map(Reply::from);
        }
        // In a box of its own: a parked poll would carry its room.
        Box::pin(self.answer(call)).await
    }

    async fn answer(self: &Arc<Self>, call: Call) -> Result<Reply, Status> {
        match call.method.class {
            Class::Local => self.local(call).await.map(Reply::from),
            Class::Broadcast { .. } => self.broadcast(call).await,
            Class::Gather { .. } => self.gather(call).await,
            Class::Refused { instead } => Err(Status::unimplemented(format!(
                "{} has no meaning over several clusters: {instead}",
                call.method.name
            ))),
            Class::Key { .. } if call.asked.is_some() => {
                let owner = call.asked.clone().unwrap_or_default();
                self.second_chance(call, &owner).await.map(Reply::from)
            }
            Class::Key { .. } if call.method.start_type => {
                self.locate_and_start(call).await.map(Reply::from)
            }
            Class::Key { .. } if call.method.answers_closed => {
                self.find_run(call).await.map(Reply::from)
            }
            Class::Poll { .. } | Class::Key { .. } | Class::Token { .. } => {
                Err(Status::unimplemented(format!(
                    "{} goes to one cluster by Envoy; send it to Envoy's address, not to the control server's",
                    call.method.name
                )))
            }
        }
    }

    /// The virtual namespace that a gather's or a broadcast's request names.
    fn namespace_of(&self, call: &Call) -> Result<&Arc<VirtualNamespace>, Status> {
        let name = match call.method.class {
            Class::Gather { namespace } | Class::Broadcast { namespace } => {
                first_at(&call.body, namespace).map_err(|e| malformed(call.method, e))?
            }
            _ => None,
        };
        self.namespace(name.unwrap_or_default())
    }

    fn namespace(&self, name: &[u8]) -> Result<&Arc<VirtualNamespace>, Status> {
        if name.is_empty() {
            return Err(Status::invalid_argument("Namespace not set on request."));
        }
        let name = String::from_utf8_lossy(name);
        self.topology.namespace(&name).ok_or_else(|| {
            Status::not_found(format!(
                "Namespace {name} is not found: Panko has no such virtual namespace"
            ))
        })
    }
}

/// A request that is not protobuf.
fn malformed(method: &Method, error: panko_routing::wire::Error) -> Status {
    Status::invalid_argument(format!("{}: {error}", method.name))
}
