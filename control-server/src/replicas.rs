//! The other control servers of this Panko: they are offered what nobody here waits for, and hear
//! of workers that shut down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use panko_proto::v1::replica_service_client::ReplicaServiceClient;
use panko_proto::v1::{ListPoolsRequest, ListPoolsResponse, OfferTaskRequest, WorkerLeftRequest};
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::config::{Config, Peers, TokenError};

/// How long another replica has for an answer. It does no I/O for it.
const DEADLINE: Duration = Duration::from_secs(2);

/// How soon a dead connection is found.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The largest message: a task and some words more (a poll's answer is at most 128 MiB).
const MAX_MESSAGE: usize = 130 * 1024 * 1024;

/// What replicas show each other: nothing where all of them are on one machine.
pub type Token = Option<MetadataValue<Ascii>>;

/// A task for which nobody here waits.
#[derive(Debug)]
pub struct Offer {
    /// The pool's key.
    pub pool_key: Bytes,
    /// The cluster that gave it.
    pub cluster: String,
    /// The physical namespace there.
    pub namespace: String,
    /// What the poll brought.
    pub body: Bytes,
    /// Until when it may be held.
    pub expires: Instant,
}

/// All other replicas.
#[derive(Debug)]
pub struct Replicas {
    server: Arc<str>,
    token: Token,
    others: Vec<Other>,
}

/// One of them.
#[derive(Debug)]
struct Other {
    address: String,
    channel: Channel,
    /// Whether it answered when it was last asked something.
    answered: AtomicBool,
}

/// Why replicas cannot be reached as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is none.
    #[error("peers.addresses: {address:?}: {source}; write it like panko-1.example.com:7244")]
    Address {
        /// What stands there.
        address: String,
        /// Why.
        source: tonic::transport::Error,
    },
    /// The token cannot be read, or is none.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Replicas {
    /// Prepares the connections. Each is made when it is first used.
    pub fn new(config: &Config) -> Result<Arc<Self>, Error> {
        let own = config.listen.grpc.to_string();
        let others = config.peers.addresses.iter().filter(|address| **address != own);
        let others = others.map(|address| {
            let (address, channel) = (address.clone(), connect(address)?);
            Ok(Other { address, channel, answered: AtomicBool::new(false) })
        });
        Ok(Arc::new(Self {
            server: format!("panko-{}", uuid::Uuid::new_v4().simple()).into(),
            token: token(&config.peers)?,
            others: others.collect::<Result<_, Error>>()?,
        }))
    }

    /// This control server's name among them, new with each start.
    #[must_use]
    pub fn server(&self) -> &Arc<str> {
        &self.server
    }

    /// What callers have to show.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Whether this control server is the only one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.others.is_empty()
    }

    /// Offers a task to one replica after the other. Whether one took it.
    ///
    /// One that does not answer in time may have handed it to a worker, so it counts as taken: a
    /// task for two is worse than one that its cluster starts again. So that this costs no more than
    /// one task, a replica that failed is offered nothing before it has answered something else.
    pub async fn offer(&self, offer: Offer) -> bool {
        for other in &self.others {
            if !self.answers(other).await {
                continue;
            }
            let left = offer.expires.saturating_duration_since(Instant::now());
            let request = OfferTaskRequest {
                server: self.server.to_string(),
                pool_key: offer.pool_key.clone(),
                cluster: offer.cluster.clone(),
                namespace: offer.namespace.clone(),
                response: offer.body.clone(),
                expires_in_ms: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
            };
            match client(&other.channel).offer_task(self.request(request)).await {
                Ok(answer) if answer.get_ref().taken => return true,
                Ok(_) => {}
                Err(status) => {
                    other.answered.store(false, Ordering::Relaxed);
                    if was_sent(&status) {
                        let address = &other.address;
                        tracing::warn!(address, %status, "a replica does not say whether it took a task");
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Whether a replica answered the last time, or does now.
    async fn answers(&self, other: &Other) -> bool {
        if other.answered.load(Ordering::Relaxed) {
            return true;
        }
        let nothing = WorkerLeftRequest {
            server: self.server.to_string(),
            worker_instance_key: Bytes::new(),
        };
        let asked = async { client(&other.channel).worker_left(self.request(nothing)).await };
        let answered = tokio::time::timeout(DEADLINE, asked).await.is_ok_and(|a| a.is_ok());
        other.answered.store(answered, Ordering::Relaxed);
        answered
    }

    /// Tells all others that a worker shuts down. One that is down has no polls of it.
    pub async fn worker_left(&self, instance_key: &[u8]) {
        join_all(self.others.iter().map(|Other { address, channel, .. }| async move {
            let request = WorkerLeftRequest {
                server: self.server.to_string(),
                worker_instance_key: Bytes::copy_from_slice(instance_key),
            };
            if let Err(status) = client(channel).worker_left(self.request(request)).await {
                tracing::debug!(address, %status, "a replica was not told of a worker that left");
            }
        }))
        .await;
    }

    fn request<T>(&self, message: T) -> Request<T> {
        request(message, &self.token)
    }
}

/// Asks a control server how its pools stand: what `panko status polls` shows.
pub async fn list_pools(address: &str, peers: &Peers) -> anyhow::Result<ListPoolsResponse> {
    let (channel, token) = (connect(address)?, token(peers)?);
    Ok(client(&channel).list_pools(request(ListPoolsRequest {}, &token)).await?.into_inner())
}

fn request<T>(message: T, token: &Token) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", token.clone());
    }
    request
}

fn client(channel: &Channel) -> ReplicaServiceClient<Channel> {
    ReplicaServiceClient::new(channel.clone())
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

pub(crate) fn connect(address: &str) -> Result<Channel, Error> {
    let failed = |source| Error::Address { address: address.to_owned(), source };
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(failed)?;
    let endpoint = endpoint
        .connect_timeout(DEADLINE / 2)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_lazy())
}

pub(crate) fn token(peers: &Peers) -> Result<Token, Error> {
    let Some(token) = peers.token()? else { return Ok(None) };
    let path = peers.token_file.as_ref().map(|path| path.display().to_string());
    format!("Bearer {token}").parse().map(Some).map_err(|_| {
        let problem = "it does not fit into a header".to_owned();
        TokenError { path: path.unwrap_or_default(), problem }.into()
    })
}

/// Whether a call that failed may have reached the other side: not if no connection could be made, or
/// if it was refused at the door.
fn was_sent(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return false;
        }
        cause = error.source();
    }
    !matches!(status.code(), Code::Unauthenticated | Code::Unimplemented)
}
