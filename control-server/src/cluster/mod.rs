//! Calls to a Temporal cluster's frontend.

mod tls;
mod transport;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http::uri::PathAndQuery;
use panko_proto::rpc::{Class, Method};
use panko_routing::Dialect;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use crate::caller::Caller;
use crate::config;
use crate::raw::RawCodec;
use transport::Transport;

/// Connections to each cluster. Proxies in front of frontends allow some hundred streams on one.
const CONNECTIONS: usize = 4;

/// The largest answer that is taken, as SDKs do.
const MAX_ANSWER: usize = 128 * 1024 * 1024;

/// How much longer than its deadline a poll is waited for: giving up is cancelling, and a poll
/// that is cancelled can lose its task.
const PATIENCE: Duration = Duration::from_secs(10);

/// One Temporal cluster.
#[derive(Debug)]
pub struct Cluster {
    name: Arc<str>,
    config: config::Cluster,
    transports: Vec<Transport>,
    next: AtomicUsize,
    /// Panko's own credentials on it.
    own: Caller,
    /// Why it cannot be called.
    problem: Option<String>,
    nexus_callback_url: Option<String>,
    /// How it names namespaces, where it does so otherwise than callers.
    dialect: RwLock<Option<Arc<Dialect>>>,
}

/// Why a cluster of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that the configuration names cannot be read.
    #[error("cluster {cluster:?}: {path}: {source}; correct the path in panko.yaml")]
    File {
        /// The cluster.
        cluster: String,
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The address is none.
    #[error("cluster {cluster:?}: {address:?} is not host:port; correct its address in panko.yaml")]
    Address {
        /// The cluster.
        cluster: String,
        /// What stands there.
        address: String,
    },
    /// A file holds no certificate, or no key.
    #[error("cluster {cluster:?}: {path}: {problem}; put PEM into it")]
    Pem {
        /// The cluster.
        cluster: String,
        /// The file.
        path: String,
        /// Why.
        problem: String,
    },
    /// Certificates and keys do not fit together.
    #[error("cluster {cluster:?}: {source}; correct its tls in panko.yaml")]
    Tls {
        /// The cluster.
        cluster: String,
        /// Why.
        source: rustls::Error,
    },
    /// The name on the certificate is none.
    #[error("cluster {cluster:?}: {name:?} is no host name; correct tls.server_name in panko.yaml")]
    ServerName {
        /// The cluster.
        cluster: String,
        /// What stands there.
        name: String,
    },
    /// The API key is not text that fits into a header.
    #[error(
        "cluster {cluster:?}: the file api_key_file holds no API key; put the key alone into it"
    )]
    ApiKey {
        /// The cluster.
        cluster: String,
    },
}

impl Cluster {
    /// Prepares the connections. Each is made when it is first used, and again when it is lost.
    pub fn new(config: &config::Cluster) -> Result<Self, Error> {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let origin: Uri = format!("{scheme}://{}", config.address).parse().map_err(|_| {
            Error::Address { cluster: config.name.clone(), address: config.address.clone() }
        })?;
        let (tls, server_name) = (tls::client_config(config)?, tls::server_name(config)?);
        let transport = || Transport::new(origin.clone(), tls.clone(), server_name.clone());
        let own = match &config.api_key_file {
            Some(path) => {
                let key = String::from_utf8(read(config, path)?).unwrap_or_default();
                Caller::with_api_key(key.trim())
                    .ok_or_else(|| Error::ApiKey { cluster: config.name.clone() })?
            }
            None => Caller::default(),
        };
        let transports = (0..CONNECTIONS).map(|_| transport()).collect();
        let nexus_callback_url = config.nexus_callback_url.clone();
        let (name, next) = (config.name.as_str().into(), AtomicUsize::new(0));
        let (config, dialect) = (config.clone(), RwLock::default());
        let problem = None;
        Ok(Self { name, config, transports, next, own, problem, nexus_callback_url, dialect })
    }

    /// The same, but one that cannot be used from here (a file that is not there) answers all calls with UNAVAILABLE.
    #[must_use]
    pub fn or_silent(config: &config::Cluster) -> Self {
        Self::new(config).unwrap_or_else(|error| {
            tracing::error!(%error, "a cluster cannot be used");
            Self {
                name: config.name.as_str().into(),
                config: config.clone(),
                transports: Vec::new(),
                next: AtomicUsize::new(0),
                own: Caller::default(),
                problem: Some(error.to_string()),
                nexus_callback_url: None,
                dialect: RwLock::default(),
            }
        })
    }

    /// Whether it can be called.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.problem.is_none()
    }

    /// The name under which Envoy and Panko know it.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Panko's own credentials, for what it does on its own behalf alone.
    #[must_use]
    pub fn own(&self) -> &Caller {
        &self.own
    }

    /// Where other clusters deliver the completions of its Nexus operations, if that is known.
    #[must_use]
    pub fn nexus_callback_url(&self) -> Option<&str> {
        self.nexus_callback_url.as_deref()
    }

    /// What was said of it in the configuration.
    #[must_use]
    pub fn config(&self) -> &config::Cluster {
        &self.config
    }

    /// Says how it names namespaces.
    pub fn set_dialect(&self, dialect: Option<Arc<Dialect>>) {
        *self.dialect.write().unwrap_or_else(PoisonError::into_inner) = dialect;
    }

    fn dialect(&self) -> Option<Arc<Dialect>> {
        self.dialect.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Like [`Cluster::call`], with the callers' names on this side.
    pub async fn call_translated(
        &self,
        method: &'static Method,
        caller: &Caller,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, Status> {
        let dialect = self.dialect();
        let call = |body| self.call(method, caller, body, deadline);
        translated(dialect.as_ref(), method, body, call).await
    }

    /// Makes a unary call on behalf of `caller`, with `deadline` on the wire.
    ///
    /// A poll is waited for some seconds longer, so that it ends by the cluster's answer.
    pub async fn call(
        &self,
        method: &'static Method,
        caller: &Caller,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, Status> {
        if let Some(problem) = &self.problem {
            return Err(Status::unavailable(problem.clone()));
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.transports.len();
        let transport = self.transports.get(turn).cloned();
        let transport =
            transport.ok_or_else(|| Status::internal("a cluster without connections"))?;
        let mut request = Request::new(body);
        *request.metadata_mut() = with_deadline(caller.metadata(), deadline);

        let origin = transport.origin();
        let mut grpc = Grpc::with_origin(transport, origin).max_decoding_message_size(MAX_ANSWER);
        let call = grpc.unary(request, PathAndQuery::from_static(method.path), RawCodec);
        let patience = match method.class {
            Class::Poll { .. } => PATIENCE,
            _ => Duration::ZERO,
        };
        match tokio::time::timeout(deadline + patience, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(status),
            Err(_) => Err(Status::deadline_exceeded(format!(
                "cluster {} did not answer {} in time",
                self.name, method.name
            ))),
        }
    }
}

/// Makes a call in a cluster's dialect.
pub async fn translated<F: Future<Output = Result<Bytes, Status>>>(
    dialect: Option<&Arc<Dialect>>,
    method: &'static Method,
    body: Bytes,
    call: impl FnOnce(Bytes) -> F,
) -> Result<Bytes, Status> {
    let Some(dialect) = dialect else { return call(body).await };
    let request = dialect.request(method, &body);
    let request = request.map_err(|e| Status::invalid_argument(format!("{}: {e}", method.name)))?;
    let answer = call(request.map_or(body, Bytes::from)).await?;
    let edited = dialect.answer(method, &answer);
    let edited = edited.map_err(|e| {
        Status::internal(format!("{}: the cluster's answer cannot be read: {e}", method.name))
    })?;
    Ok(edited.map_or(answer, Bytes::from))
}

/// Puts the deadline on the wire only: tonic's own setter would also cancel by it.
fn with_deadline(metadata: &MetadataMap, deadline: Duration) -> MetadataMap {
    let mut metadata = metadata.clone();
    if let Ok(value) = format!("{}m", deadline.as_millis()).parse() {
        metadata.insert("grpc-timeout", value);
    }
    metadata
}

fn read(config: &config::Cluster, path: &std::path::Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File {
        cluster: config.name.clone(),
        path: path.display().to_string(),
        source,
    })
}
