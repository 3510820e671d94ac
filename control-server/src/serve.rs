//! `panko serve`: puts the parts together and runs them until a signal.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::StatusCode;
use panko_store::{SqlStore, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;

use crate::admin;
use crate::cds::{self, Cds};
use crate::config::Config;
use crate::failover::{self, Health};
use crate::frontend::{self, Frontend, Starts};
use crate::identify::{self, LastAnswers};
use crate::locate::Locator;
use crate::metrics::Metrics;
use crate::placement_service::Placements;
use crate::placements::{PlacementsHolder, begin, drive, follow};
use crate::pool::registry::Registry;
use crate::reflection;
use crate::replica_service;
use crate::replicas::Replicas;
use crate::topology::Topology;

/// The health service's name for the API that SDKs ask about.
const WORKFLOW_SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

/// How long what is on its way has after a signal: longer than the longest poll on a cluster.
const DRAIN: Duration = Duration::from_secs(25);

/// How long the last answers have to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What `/readyz` looks at.
#[derive(Debug)]
struct Http {
    metrics: Arc<Metrics>,
    stopping: Arc<AtomicBool>,
}

/// Serves until `stop` is done, and then until all that clusters have handed out is with a worker or
/// given back. To end at once, drop it.
pub async fn run(
    config: Config,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let store: Arc<dyn Store> = Arc::new(SqlStore::open(&config.store).await?);
    begin::begin(&config, &*store).await?;
    let replicas = Replicas::new(&config)?;
    let metrics = Metrics::new();
    let placements = PlacementsHolder::new(store).await?;
    let mut background = JoinSet::new();
    background.spawn(follow::follow(placements.clone()));
    let (leads, health) = (watch::Sender::new(None), Arc::new(Health::default()));
    background.spawn(failover::watch(
        placements.clone(),
        health.clone(),
        metrics.clone(),
        leads.subscribe(),
    ));
    background.spawn(drive::drive(
        placements.clone(),
        replicas.server().clone(),
        config.scans.clone(),
        leads,
        metrics.clone(),
    ));
    let answers = Arc::new(LastAnswers::default());
    background.spawn(identify::watch(placements.clone(), answers.clone(), health));

    let pools = Registry::new(config.limits.clone(), replicas.clone(), metrics.clone());
    let clusters = Cds::new(placements.clone(), config.peers.token()?);
    let starts = Arc::new(Starts::new(placements.clone(), replicas.server()));
    let admin = admin::Service::new(placements.clone(), starts.clone(), &replicas, metrics.clone());
    let replica_service = replica_service::Service::new(pools.clone(), &replicas);
    let frontend = Frontend {
        topology: placements.topology(),
        pools: pools.clone(),
        callers: config.callers.clone(),
        replicas: replicas.clone(),
        answers,
        locator: Locator::new(config.limits.lookups, metrics.clone()),
        starts,
        unfinished: Arc::default(),
        placements: placements.clone(),
        metrics: metrics.clone(),
    };
    let (current, frontends) = watch::channel(Arc::new(frontend));
    background.spawn(change_over(placements.topologies(), current, pools.clone()));
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_service_status(WORKFLOW_SERVICE, ServingStatus::Serving).await;
    let router = Routes::new(health)
        .add_service(Placements::service(placements.clone(), metrics.clone(), &replicas))
        .add_service(replica_service)
        .add_service(admin)
        .add_service(reflection::v1()?)
        .add_service(reflection::v1alpha()?)
        .into_axum_router()
        .route(cds::PATH, post(cds::fetch).with_state(clusters))
        .fallback(move |request| frontend::serve(frontends.borrow().clone(), request));

    let grpc = listen(config.listen.grpc).await?;
    let http = listen(config.listen.http).await?;
    tracing::info!(grpc = %grpc.local_addr()?, http = %http.local_addr()?, "serving");

    let stopping = Arc::new(AtomicBool::new(false));
    let state = Arc::new(Http { metrics, stopping: stopping.clone() });
    let serving_http = tokio::spawn(axum::serve(http, http_router(state)).into_future());

    // The server's own setting does not reach a listener of ours: an answer would wait for the peer's
    // delayed acknowledgement, 40 ms.
    let incoming = TcpIncoming::from(grpc).with_nodelay(Some(true));
    let (closed, was_closed) = tokio::sync::oneshot::channel::<()>();
    let serving_grpc = Server::builder()
        // Polls park by the thousand on a few connections of Envoy's.
        .max_concurrent_streams(u32::MAX)
        .initial_connection_window_size(1 << 24)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_routes(Routes::from(router))
        .serve_with_incoming_shutdown(incoming, async {
            // An error means that the sender is gone, which is a stop too.
            let _ = was_closed.await;
        });
    let mut serving_grpc = std::pin::pin!(serving_grpc);
    tokio::select! {
        result = &mut serving_grpc => return result.context("the gRPC listener failed"),
        () = stop => {}
    }

    // Nobody new comes in from here on; who is in is served to the end.
    tracing::info!(
        "stopping: what is on its way is still handed over; a second signal ends it at once"
    );
    stopping.store(true, Ordering::Relaxed);
    for service in ["", WORKFLOW_SERVICE] {
        health_reporter.set_service_status(service, ServingStatus::NotServing).await;
    }
    placements.close();
    let _ = closed.send(());
    // The listener may be done first: polls can be open on clusters with no worker connected.
    let drained = async {
        drain(&pools).await;
        // For the last answers; connections that idle end when the program does.
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = drained => {}
        () = async { drop(serving_grpc.await); std::future::pending().await } => {}
    }
    serving_http.abort();
    background.abort_all();
    Ok(())
}

/// Has calls, and polls that wait, find the clusters and namespaces of each moment, until dropped.
async fn change_over(
    mut topologies: watch::Receiver<Arc<Topology>>,
    current: watch::Sender<Arc<Frontend>>,
    pools: Arc<Registry>,
) {
    let mut before = current.borrow().topology.clone();
    loop {
        let topology = topologies.borrow_and_update().clone();
        current.send_modify(|frontend| *frontend = Arc::new(frontend.over(topology.clone())));
        topology.namespaces().for_each(|namespace| pools.members_changed(namespace));
        let gone = before.namespaces().filter(|old| topology.namespace(&old.name).is_none());
        gone.for_each(|namespace| pools.namespace_gone(&namespace.name));
        before = topology;
        if topologies.changed().await.is_err() {
            return;
        }
    }
}

/// Waits for what is on its way, and says what found no worker.
async fn drain(pools: &Registry) {
    let left = pools.drain(DRAIN).await;
    for pool in &left {
        tracing::error!(
            namespace = pool.namespace,
            task_queue = pool.task_queue,
            kind = pool.kind,
            tasks = pool.held_tasks,
            "no worker took these tasks before the stop; their clusters' timeouts start them again"
        );
    }
    if left.is_empty() {
        tracing::info!("stopped with nothing on its way");
    }
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
