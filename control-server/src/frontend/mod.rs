//! The control server's side of Temporal's API: what filters send here, by class.
//!
//! * [`polls`] — the pool.
//! * [`local`] — answered here, from what all members offer ([`merge`]).
//! * [`broadcast`] — told to every member.
//!
//! Messages are raw bytes throughout.

mod broadcast;
mod deadline;
mod local;
mod merge;
mod polls;

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use panko_proto::rpc::{Class, Method};
use tonic::codec::CompressionEncoding;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::identify::LastAnswers;
use crate::metrics::Metrics;
use crate::pool::registry::Registry;
use crate::raw::RawCodec;
use crate::topology::{Topology, VirtualNamespace};

/// The largest request that is taken: what Temporal's frontends take.
const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// All that calls need.
#[derive(Debug)]
pub struct Frontend {
    /// The clusters and namespaces.
    pub topology: Arc<Topology>,
    /// The pools of polls.
    pub pools: Arc<Registry>,
    /// What clusters that are down last said.
    pub answers: Arc<LastAnswers>,
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
    body: Bytes,
}

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
    grpc.unary(Unary { frontend, method }, request).await
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
            let timeout = request.metadata().get("grpc-timeout");
            let call = Call {
                method,
                caller: Caller::of(request.metadata()),
                timeout: timeout.and_then(|t| t.to_str().ok()).map(str::to_owned),
                body: request.into_inner(),
            };
            let result = frontend.dispatch(call).await;
            let code = result.as_ref().err().map_or(tonic::Code::Ok, Status::code);
            frontend.metrics.call(method.name, code);
            result.map(Response::new)
        })
    }
}

impl Frontend {
    async fn dispatch(&self, call: Call) -> Result<Bytes, Status> {
        match call.method.class {
            Class::Poll { .. } => self.poll(call).await,
            Class::Local => self.local(call).await,
            Class::Broadcast => self.broadcast(call).await,
            Class::Gather => Err(Status::unimplemented(format!(
                "{} has to ask every cluster and merge, which this release of Panko does not do yet; call the clusters themselves",
                call.method.name
            ))),
            Class::Refused { instead } => Err(Status::unimplemented(format!(
                "{} has no meaning over several clusters: {instead}",
                call.method.name
            ))),
            Class::Key { .. } | Class::Token { .. } => Err(Status::unimplemented(format!(
                "{} goes to one cluster by Envoy; send it to Envoy's address, not to the control server's",
                call.method.name
            ))),
        }
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
