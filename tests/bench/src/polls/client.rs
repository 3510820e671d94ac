//! A worker's side of the wire: raw HTTP/2 streams, as light as can be, since a hundred thousand of
//! them wait in one process.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};

use crate::connection;
use crate::frame;

const WORKFLOW_SERVICE: &str = "temporal.api.workflowservice.v1.WorkflowService";

/// A connection. Clones share it.
#[derive(Clone)]
pub struct Client(SendRequest<Bytes>);

impl Client {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self(connection::connect(address).await?))
    }

    /// Makes a unary call of WorkflowService: see [`Client::call_at`].
    pub async fn call(
        &mut self,
        method: &str,
        body: Bytes,
        deadline: Duration,
    ) -> anyhow::Result<Bytes> {
        self.call_at(WORKFLOW_SERVICE, method, body, deadline).await
    }

    /// Makes a unary call with `deadline` on the wire, and returns the answer's message. Fails on any
    /// gRPC status but 0. Dropping it cancels the call.
    pub async fn call_at(
        &mut self,
        service: &str,
        method: &str,
        body: Bytes,
        deadline: Duration,
    ) -> anyhow::Result<Bytes> {
        std::future::poll_fn(|context| self.0.poll_ready(context)).await?;
        let (response, mut stream) =
            self.0.send_request(request(service, method, deadline)?, false)?;
        stream.send_data(body, true)?;
        drop(stream);

        let response = response.await?;
        let http = response.status();
        let (head, mut answer) = response.into_parts();
        let mut message = Vec::new();
        while let Some(chunk) = answer.data().await {
            let chunk = chunk?;
            answer.flow_control().release_capacity(chunk.len())?;
            message.extend_from_slice(&chunk);
        }
        let trailers = answer.trailers().await?.unwrap_or(head.headers);
        let status = trailers.get("grpc-status").context("an answer without grpc-status")?;
        if !http.is_success() || status != "0" {
            bail!("{method}: HTTP {http}, grpc-status {status:?}: {}", explained(&trailers));
        }
        message.drain(..frame::PREFIX.min(message.len()));
        Ok(message.into())
    }
}

/// What a Go SDK sends beside the body.
fn request(service: &str, method: &str, deadline: Duration) -> anyhow::Result<Request<()>> {
    let uri = format!("http://temporal/{service}/{method}");
    let request = Request::post(uri)
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .header("user-agent", "grpc-go/1.76.0")
        .header("grpc-accept-encoding", "gzip")
        .header("grpc-timeout", timeout(deadline))
        .header("client-name", "temporal-go")
        .header("client-version", "1.37.0")
        .header("supported-server-versions", ">=1.0.0 <2.0.0")
        .header("temporal-namespace", "default");
    Ok(request.body(())?)
}

/// As SDKs write it: `70S`.
fn timeout(deadline: Duration) -> String {
    match deadline.subsec_millis() {
        0 => format!("{}S", deadline.as_secs()),
        _ => format!("{}m", deadline.as_millis()),
    }
}

fn explained(trailers: &HeaderMap) -> &str {
    trailers.get("grpc-message").and_then(|text| text.to_str().ok()).unwrap_or("no message")
}
