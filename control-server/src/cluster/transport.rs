//! Connections to a cluster on which only the cluster ends a call.
//!
//! tonic's own `Channel` reads `grpc-timeout` off every request and cancels the call when it is over:
//! a poll whose answer is a little late would be cancelled with its task on the way.

use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::TryFutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Between two signs of life. Frontends close connections that ping more often than every 10 s
/// (`frontend.keepAliveMinTime`).
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How Panko calls itself to clusters.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("panko/", env!("CARGO_PKG_VERSION")));

/// One HTTP/2 connection to a cluster: made when it is first used, and again when it is lost.
#[derive(Debug, Clone)]
pub struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    origin: Uri,
}

impl Transport {
    /// To `origin`, by TLS if its scheme is `https`. `server_name` is what its certificate is for,
    /// if that is not the origin's host.
    #[must_use]
    pub fn new(origin: Uri, tls: ClientConfig, server_name: Option<ServerName<'static>>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let https = match server_name {
            Some(name) => https.with_server_name_resolver(FixedServerNameResolver::new(name)),
            None => https,
        };
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            // An idle one is kept: the next poll is soon.
            .pool_idle_timeout(None)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_while_idle(true)
            .http2_initial_stream_window_size(1 << 20)
            .http2_initial_connection_window_size(1 << 22)
            .build(https.enable_http2().wrap_connector(tcp));
        Self { client, origin }
    }

    /// Where it goes.
    #[must_use]
    pub fn origin(&self) -> Uri {
        self.origin.clone()
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Incoming>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert(header::USER_AGENT, USER_AGENT);
        let unreachable = |error: hyper_util::client::legacy::Error| {
            let what = if error.is_connect() { "no connection" } else { "the connection was lost" };
            Status::unavailable(format!("{what}: {}", causes(&error)))
        };
        Box::pin(self.client.request(request).map_err(unreachable))
    }
}

/// An error with all that led to it: the outermost says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
