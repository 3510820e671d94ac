//! `panko serve`: puts the parts together and runs them until a signal.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::config::Config;
use crate::frontend::{self, Frontend};
use crate::identify::{self, LastAnswers};
use crate::metrics::Metrics;
use crate::placement_service::Placements;
use crate::placements::PlacementsHolder;
use crate::pool::registry::Registry;
use crate::topology::Topology;

/// The health service's name for the API that SDKs ask about.
const WORKFLOW_SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

/// How long calls have to end after a signal.
const DRAIN: Duration = Duration::from_secs(5);

/// What `/readyz` looks at.
#[derive(Debug)]
struct Http {
    metrics: Arc<Metrics>,
    stopping: Arc<AtomicBool>,
}

/// Serves until `stop` is done.
pub async fn run(
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let topology = Arc::new(Topology::new(&config)?);
    let metrics = Metrics::new();
    let placements = PlacementsHolder::new(&topology)?;
    let answers = Arc::new(LastAnswers::default());
    let watching =
        tokio::spawn(identify::watch(topology.clone(), placements.clone(), answers.clone()));

    let frontend = Arc::new(Frontend {
        pools: Registry::new(config.limits.parked_polls, metrics.clone()),
        topology,
        answers,
        metrics: metrics.clone(),
    });
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter
        .set_service_status(WORKFLOW_SERVICE, tonic_health::ServingStatus::Serving)
        .await;
    let router = Routes::new(health)
        .add_service(Placements::service(placements.clone(), metrics.clone()))
        .into_axum_router()
        .fallback(move |request| frontend::serve(frontend.clone(), request));

    let grpc = listen(config.listen.grpc).await?;
    let http = listen(config.listen.http).await?;
    tracing::info!(grpc = %grpc.local_addr()?, http = %http.local_addr()?, "serving");

    let stopping = Arc::new(AtomicBool::new(false));
    let state = Arc::new(Http { metrics, stopping: stopping.clone() });
    let (stopped, was_stopped) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        stop.await;
        tracing::info!("stopping");
        stopping.store(true, Ordering::Relaxed);
        placements.close();
        let _ = stopped.send(true);
    });
    let wait = |mut was_stopped: tokio::sync::watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a stop too.
        let _ = was_stopped.wait_for(|stopped| *stopped).await;
    };

    let serving_http =
        axum::serve(http, http_router(state)).with_graceful_shutdown(wait(was_stopped.clone()));
    let serving_http = tokio::spawn(serving_http.into_future());
    let serving_grpc = Server::builder()
        // Polls park by the thousand on a few connections of Envoy's.
        .max_concurrent_streams(u32::MAX)
        .initial_connection_window_size(1 << 24)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .tcp_nodelay(true)
        .add_routes(Routes::from(router))
        .serve_with_incoming_shutdown(TcpListenerStream::new(grpc), wait(was_stopped.clone()));
    tokio::select! {
        result = serving_grpc => result.context("the gRPC listener failed")?,
        // Parked polls do not end by themselves.
        () = async { wait(was_stopped).await; tokio::time::sleep(DRAIN).await } => {}
    }
    serving_http.abort();
    watching.abort();
    Ok(())
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; change it under listen in panko.yaml")
    })
}

fn http_router(state: Arc<Http>) -> Router {
    Router::new()
        .route("/metrics", get(async |State(http): State<Arc<Http>>| http.metrics.encode()))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(state)
}

async fn ready(State(http): State<Arc<Http>>) -> (StatusCode, &'static str) {
    if http.stopping.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
