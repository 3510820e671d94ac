//! Calls to a Temporal cluster's frontend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use panko_proto::rpc::Method;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use crate::caller::Caller;
use crate::config;
use crate::raw::RawCodec;

/// Connections to each cluster. Proxies in front of frontends allow some hundred streams on one.
const CONNECTIONS: usize = 4;

/// The largest answer that is taken, as SDKs do.
const MAX_ANSWER: usize = 128 * 1024 * 1024;

/// How much longer than its deadline a call is waited for: giving up is cancelling, and a poll
/// that is cancelled can lose its task.
const PATIENCE: Duration = Duration::from_secs(10);

/// One Temporal cluster.
#[derive(Debug)]
pub struct Cluster {
    name: Arc<str>,
    channels: Vec<Channel>,
    next: AtomicUsize,
    /// Panko's own credentials on it.
    own: Caller,
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
    /// The address or the TLS settings make no connection.
    #[error("cluster {cluster:?}: {source}; correct its address and tls in panko.yaml")]
    Endpoint {
        /// The cluster.
        cluster: String,
        /// Why.
        source: tonic::transport::Error,
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
        let failed = |source| Error::Endpoint { cluster: config.name.clone(), source };
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", config.address))
            .map_err(failed)?
            .connect_timeout(Duration::from_secs(5))
            // Frontends close connections that ping more often than every 10 s.
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(1 << 22)
            .tcp_nodelay(true);
        if let Some(tls) = &config.tls {
            endpoint = endpoint.tls_config(tls_config(config, tls)?).map_err(failed)?;
        }
        let own = match &config.api_key_file {
            Some(path) => {
                let key = String::from_utf8(read(config, path)?).unwrap_or_default();
                Caller::with_api_key(key.trim())
                    .ok_or_else(|| Error::ApiKey { cluster: config.name.clone() })?
            }
            None => Caller::default(),
        };
        let channels = (0..CONNECTIONS).map(|_| endpoint.connect_lazy()).collect();
        Ok(Self { name: config.name.as_str().into(), channels, next: AtomicUsize::new(0), own })
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

    /// Makes a unary call on behalf of `caller`, with `deadline` on the wire.
    ///
    /// The call itself is waited for some seconds longer, so that it ends by the cluster's answer.
    pub async fn call(
        &self,
        method: &'static Method,
        caller: &Caller,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, Status> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.channels.len();
        let channel = self.channels.get(turn).cloned();
        let channel = channel.ok_or_else(|| Status::internal("a cluster without connections"))?;
        let mut request = Request::new(body);
        *request.metadata_mut() = with_deadline(caller.metadata(), deadline);

        let call = async {
            let mut grpc = Grpc::new(channel).max_decoding_message_size(MAX_ANSWER);
            grpc.ready().await.map_err(|e| self.unreachable(&e))?;
            let path = PathAndQuery::from_static(method.path);
            grpc.unary(request, path, RawCodec).await.map(tonic::Response::into_inner)
        };
        match tokio::time::timeout(deadline + PATIENCE, call).await {
            Ok(result) => result,
            Err(_) => Err(Status::deadline_exceeded(format!(
                "cluster {} did not answer {} in time",
                self.name, method.name
            ))),
        }
    }

    fn unreachable(&self, error: &tonic::transport::Error) -> Status {
        Status::unavailable(format!("cluster {} cannot be reached: {error}", self.name))
    }
}

/// Puts the deadline on the wire only: tonic's own setter would also cancel by it.
fn with_deadline(metadata: &MetadataMap, deadline: Duration) -> MetadataMap {
    let mut metadata = metadata.clone();
    if let Ok(value) = format!("{}m", deadline.as_millis()).parse() {
        metadata.insert("grpc-timeout", value);
    }
    metadata
}

fn tls_config(config: &config::Cluster, tls: &config::Tls) -> Result<ClientTlsConfig, Error> {
    let mut client = ClientTlsConfig::new();
    client = match &tls.ca {
        Some(ca) => client.ca_certificate(Certificate::from_pem(read(config, ca)?)),
        None => client.with_native_roots(),
    };
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        client = client.identity(Identity::from_pem(read(config, cert)?, read(config, key)?));
    }
    if let Some(name) = &tls.server_name {
        client = client.domain_name(name);
    }
    Ok(client)
}

fn read(config: &config::Cluster, path: &std::path::Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File {
        cluster: config.name.clone(),
        path: path.display().to_string(),
        source,
    })
}
