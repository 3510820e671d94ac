//! Sends placements to filters and hears what they route by.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use panko_proto::v1::placement_service_server::{PlacementService, PlacementServiceServer};
use panko_proto::v1::{FilterMessage, Hello, PlacementUpdate, filter_message};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::metrics::Metrics;
use crate::placements::{PlacementsHolder, Snapshot};

/// The version of the protocol that is spoken here.
const PROTOCOL: u32 = 1;

/// The service that filters open their streams to.
pub struct Placements {
    holder: Arc<PlacementsHolder>,
    metrics: Arc<Metrics>,
}

impl Placements {
    /// The service, ready to be added to a server.
    #[must_use]
    pub fn service(
        holder: Arc<PlacementsHolder>,
        metrics: Arc<Metrics>,
    ) -> PlacementServiceServer<Self> {
        PlacementServiceServer::new(Self { holder, metrics })
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
            placements: self.holder.subscribe(),
            from_filter,
            to_filter,
            connected: Connected::new(&self.metrics),
            nonce: 0,
        };
        tokio::spawn(stream.run());
        Ok(Response::new(Box::pin(ReceiverStream::new(updates))))
    }
}

/// One filter's stream.
struct FilterStream {
    placements: tokio::sync::watch::Receiver<Snapshot>,
    from_filter: Streaming<FilterMessage>,
    to_filter: mpsc::Sender<Result<PlacementUpdate, Status>>,
    connected: Connected,
    nonce: u64,
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
        tracing::info!(node = hello.node, release = hello.release, "a filter opened its stream");
        self.update().await?;
        loop {
            tokio::select! {
                changed = self.placements.changed() => {
                    changed.map_err(|_| stopping())?;
                    self.update().await?;
                }
                message = self.from_filter.message() => {
                    let Some(message) = message? else { return Ok(()) };
                    self.heard(message, &hello);
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
        Ok(hello)
    }

    async fn update(&mut self) -> Result<(), Status> {
        let placements = self.placements.borrow_and_update().clone().ok_or_else(stopping)?;
        self.nonce += 1;
        let update = PlacementUpdate {
            nonce: self.nonce,
            placements: placements.iter().map(Into::into).collect(),
            removed: Vec::new(),
            snapshot: true,
        };
        let gone = |_| Status::cancelled("the filter has gone");
        self.to_filter.send(Ok(update)).await.map_err(gone)
    }

    fn heard(&self, message: FilterMessage, hello: &Hello) {
        let Some(filter_message::Message::Ack(ack)) = message.message else { return };
        self.connected.0.acknowledged(ack.error.is_empty());
        if !ack.error.is_empty() {
            tracing::error!(
                node = hello.node,
                error = ack.error,
                "a filter could not take a placement"
            );
        }
    }
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
