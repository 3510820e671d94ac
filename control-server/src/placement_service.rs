//! Sends placements to filters and hears what they route by.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use panko_placement::Participant;
use panko_proto::v1::placement_service_server::{PlacementService, PlacementServiceServer};
use panko_proto::v1::{Ack, FilterMessage, Hello, PlacementUpdate, Routes, filter_message};
use panko_routing::Placement;
use panko_store::Store;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use crate::metrics::Metrics;
use crate::placements::roll::{self, Roll};
use crate::placements::{PlacementsHolder, Snapshot, delta};
use crate::replica_service::Guard;
use crate::replicas::Replicas;

/// The version of the protocol that is spoken here.
const PROTOCOL: u32 = 1;

/// How often it is written down that a filter is still connected: well within [`crate::placements::SETTLED`], after which
/// one that counts as gone is forgotten.
const SEEN: Duration = Duration::from_secs(15);

/// How many updates are kept that a filter has not acknowledged.
const MOST_SENT: usize = 64;

/// How soon a filter that could not take an update is sent all of it.
const AGAIN: Duration = Duration::from_secs(1);

/// The service that filters open their streams to.
pub struct Placements {
    holder: Arc<PlacementsHolder>,
    roll: Roll,
    metrics: Arc<Metrics>,
}

impl Placements {
    /// The service, ready to be added to a server.
    #[must_use]
    pub fn service(
        holder: Arc<PlacementsHolder>,
        metrics: Arc<Metrics>,
        replicas: &Replicas,
    ) -> InterceptedService<PlacementServiceServer<Self>, Guard> {
        let roll = Roll::new(holder.clone());
        let server = PlacementServiceServer::new(Self { holder, roll, metrics });
        InterceptedService::new(server, Guard::new(replicas))
    }
}

#[tonic::async_trait]
impl PlacementService for Placements {
    type StreamPlacementsStream =
        Pin<Box<dyn Stream<Item = Result<PlacementUpdate, Status>> + Send + 'static>>;

    async fn stream_placements(
        &self,
        request: Request<Streaming<FilterMessage>>,
    ) -> Result<Response<Self::StreamPlacementsStream>, Status> {
        let from_filter = request.into_inner();
        // One update on its way is enough: the filter acknowledges it before the next.
        let (to_filter, updates) = mpsc::channel(1);
        let stream = FilterStream {
            store: self.holder.store().clone(),
            roll: self.roll.clone(),
            placements: self.holder.subscribe(),
            from_filter,
            to_filter,
            connected: Connected::new(&self.metrics),
            nonce: 0,
            last: None,
            sent: VecDeque::new(),
            acknowledged: BTreeMap::new(),
        };
        tokio::spawn(stream.run());
        Ok(Response::new(Box::pin(ReceiverStream::new(updates))))
    }
}

/// One filter's stream.
struct FilterStream {
    store: Arc<dyn Store>,
    roll: Roll,
    placements: tokio::sync::watch::Receiver<Snapshot>,
    from_filter: Streaming<FilterMessage>,
    to_filter: mpsc::Sender<Result<PlacementUpdate, Status>>,
    connected: Connected,
    nonce: u64,
    /// What the filter has once it has taken all that was sent.
    last: Option<Arc<Vec<Arc<Placement>>>>,
    /// Updates that have not been acknowledged: their nonces, and what they brought.
    sent: VecDeque<(u64, Arc<Vec<Arc<Placement>>>)>,
    /// By namespace: the newest version that the store knows to be acknowledged.
    acknowledged: BTreeMap<Arc<str>, u64>,
}

impl FilterStream {
    async fn run(mut self) {
        if let Err(status) = self.serve().await {
            tracing::info!(%status, "a filter's stream ended");
            // The filter may be gone already.
            let _ = self.to_filter.send(Err(status)).await;
        }
    }

    async fn serve(&mut self) -> Result<(), Status> {
        let hello = self.hello().await?;
        let Hello { node, process, vm, release, .. } = hello;
        tracing::info!(node, release, vm, "a filter opened its stream");
        let filter = Participant { node, process, vm };
        // Known before it is told anything; and what it is told first is read after that.
        self.roll.came(&filter).await.map_err(unavailable)?;
        self.update().await?;
        let mut seen = tokio::time::interval_at(Instant::now() + SEEN, SEEN);
        loop {
            tokio::select! {
                // Without the store, filters go on with what they have.
                _ = seen.tick() => drop(self.is_here(&filter, Vec::new()).await),
                changed = self.placements.changed() => {
                    changed.map_err(|_| stopping())?;
                    self.update().await?;
                }
                message = self.from_filter.message() => match message {
                    Ok(Some(FilterMessage { message: Some(filter_message::Message::Ack(ack)) })) => {
                        self.heard(ack, &filter).await?;
                    }
                    Ok(Some(FilterMessage { message: Some(filter_message::Message::Routes(routes)) })) => {
                        self.routes(routes, &filter).await?;
                    }
                    Ok(Some(_)) => {}
                    // However it ends, the filter may go on with what it has.
                    Ok(None) => return Ok(()),
                    Err(status) => return Err(status),
                }
            }
        }
    }

    async fn hello(&mut self) -> Result<Hello, Status> {
        let first = self.from_filter.message().await?.and_then(|message| message.message);
        let Some(filter_message::Message::Hello(hello)) = first else {
            return Err(Status::failed_precondition("a filter says hello first"));
        };
        if hello.protocol != PROTOCOL {
            return Err(Status::failed_precondition(format!(
                "the filter speaks version {} of panko.v1, this control server {PROTOCOL}; use neighbouring releases",
                hello.protocol
            )));
        }
        if hello.node.is_empty() {
            return Err(Status::failed_precondition(
                "Envoy has no node id; give each Envoy one of its own (node.id, or --service-node)",
            ));
        }
        Ok(hello)
    }

    async fn update(&mut self) -> Result<(), Status> {
        let placements = self.placements.borrow_and_update().clone().ok_or_else(stopping)?;
        self.nonce += 1;
        let deltas = self.last.as_ref().and_then(|last| delta::between(last, &placements));
        let update = match deltas {
            Some(deltas) => PlacementUpdate { nonce: self.nonce, deltas, ..Default::default() },
            None => PlacementUpdate {
                nonce: self.nonce,
                placements: placements.iter().map(|placement| (&**placement).into()).collect(),
                snapshot: true,
                ..Default::default()
            },
        };
        self.last = Some(placements.clone());
        self.sent.push_back((self.nonce, placements));
        // What is acknowledged counts for all before it, so the oldest can be spared.
        if self.sent.len() > MOST_SENT {
            self.sent.pop_front();
        }
        let gone = |_| Status::cancelled("the filter has gone");
        self.to_filter.send(Ok(update)).await.map_err(gone)
    }

    async fn heard(&mut self, ack: Ack, filter: &Participant) -> Result<(), Status> {
        self.connected.0.acknowledged(ack.error.is_empty());
        if !ack.error.is_empty() {
            let (node, error) = (&filter.node, &ack.error);
            tracing::error!(node, error, "a filter could not take a placement");
            // It is told all of it, after a while: what is wrong may stay so.
            self.last = None;
            tokio::time::sleep(AGAIN).await;
            return self.update().await;
        }
        let mut newest = None;
        while let Some((nonce, placements)) = self.sent.front() {
            if *nonce > ack.nonce {
                break;
            }
            newest = Some(placements.clone());
            self.sent.pop_front();
        }
        let all = newest.iter().flat_map(|placements| placements.iter());
        let versions = all.map(|placement| (placement.name(), placement.version().0));
        let is_news = |(name, version): &(&Arc<str>, u64)| {
            self.acknowledged.get(*name).is_none_or(|known| known < version)
        };
        let news: Vec<_> = versions.filter(is_news).collect();
        let said = news.iter().map(|(name, version)| (name.to_string(), *version)).collect();
        // An acknowledgement of one that was forgotten, or taken for gone, counts as its return.
        let written = self.is_here(filter, said).await;
        if news.is_empty() {
            return Ok(());
        }
        written.map_err(unavailable)?;
        let news = news.into_iter().map(|(name, version)| (name.clone(), version));
        self.acknowledged.extend(news);
        Ok(())
    }

    /// The filter routes by an update, and its acknowledgement has to wait: written down for handovers that need no more
    /// than that.
    async fn routes(&self, routes: Routes, filter: &Participant) -> Result<(), Status> {
        let newest = self.sent.iter().rev().find(|(nonce, _)| *nonce <= routes.nonce);
        for placement in newest.iter().flat_map(|(_, placements)| placements.iter()) {
            let (namespace, version) = (placement.namespace(), placement.version().0);
            if self.acknowledged.get(namespace).is_some_and(|known| *known >= version) {
                continue;
            }
            self.store.routes(filter, namespace, version).await.map_err(unavailable)?;
        }
        Ok(())
    }

    /// Writes down that the filter is connected, though another Envoy may have come with its node id since, and
    /// what it acknowledges.
    async fn is_here(
        &self,
        filter: &Participant,
        acknowledged: Vec<(String, u64)>,
    ) -> Result<(), roll::Error> {
        if self.roll.heard(filter, acknowledged).await? {
            tracing::error!(
                node = filter.node,
                "a filter runs that was forgotten, or whose node id another Envoy has too; give each Envoy one of its own (node.id, or --service-node), or changes of placements wait for all of them"
            );
        }
        Ok(())
    }
}

fn unavailable(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

fn stopping() -> Status {
    Status::unavailable("the control server stops")
}

/// Counts a stream as long as it lives.
struct Connected(Arc<Metrics>);

impl Connected {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.filter_came();
        Self(metrics.clone())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.filter_left();
    }
}
