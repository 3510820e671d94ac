//! The client: one HTTP/2 connection, a fixed number of calls in flight.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderValue, Request};
use tokio::task::JoinSet;

use crate::case::Case;
use crate::connection;
use crate::control::CLUSTER;

const SERVICE: &str = "http://temporal/temporal.api.workflowservice.v1.WorkflowService";

/// A connection to one Envoy. Clones share it.
#[derive(Clone)]
pub struct Client {
    connection: SendRequest<Bytes>,
    names_cluster: bool,
}

impl Client {
    /// Connects. `names_cluster` says whether the client chooses the cluster by header, or leaves
    /// that to the filter.
    pub async fn connect(address: SocketAddr, names_cluster: bool) -> anyhow::Result<Self> {
        Ok(Self { connection: connection::connect(address).await?, names_cluster })
    }

    /// Keeps `streams` calls in flight for `time`, lets them end, and counts them.
    pub async fn drive(&self, case: &Case, streams: u32, time: Duration) -> anyhow::Result<u64> {
        let end = Instant::now() + time;
        let request = self.request(case)?;
        let mut loops = JoinSet::new();
        for _ in 0..streams {
            let mut client = self.clone();
            let (request, body) = (request.clone(), case.body.clone());
            loops.spawn(async move {
                let mut calls = 0;
                while Instant::now() < end {
                    client.send(request.clone(), body.clone()).await?;
                    calls += 1;
                }
                anyhow::Ok(calls)
            });
        }
        let mut calls = 0;
        while let Some(done) = loops.join_next().await {
            calls += done??;
        }
        Ok(calls)
    }

    /// One call. Anything but grpc-status 0 is an error.
    pub async fn call(&mut self, case: &Case) -> anyhow::Result<()> {
        self.send(self.request(case)?, case.body.clone()).await
    }

    /// What a Go SDK sends beside the body.
    fn request(&self, case: &Case) -> anyhow::Result<Request<()>> {
        let mut request = Request::post(format!("{SERVICE}/{}", case.method))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .header("user-agent", "grpc-go/1.76.0")
            .header("grpc-accept-encoding", "gzip")
            .header("grpc-timeout", "9999m")
            .header("client-name", "temporal-go")
            .header("client-version", "1.37.0")
            .header("supported-server-versions", ">=1.0.0 <2.0.0")
            .header("temporal-namespace", "default");
        if case.gzip {
            request = request.header("grpc-encoding", "gzip");
        }
        if self.names_cluster {
            request = request.header("panko-cluster", CLUSTER);
        }
        Ok(request.body(())?)
    }

    async fn send(&mut self, request: Request<()>, body: Bytes) -> anyhow::Result<()> {
        std::future::poll_fn(|context| self.connection.poll_ready(context)).await?;
        let (response, mut stream) = self.connection.send_request(request, false)?;
        stream.send_data(body, true)?;

        let response = response.await?;
        let http = response.status();
        let (head, mut answer) = response.into_parts();
        while let Some(chunk) = answer.data().await {
            answer.flow_control().release_capacity(chunk?.len())?;
        }
        let trailers = answer.trailers().await?.unwrap_or(head.headers);
        let status = trailers.get("grpc-status").context("an answer without grpc-status")?;
        ensure!(
            http.is_success() && status == "0",
            "Envoy answered HTTP {http}, grpc-status {}: {}",
            text(status),
            message(&trailers),
        );
        Ok(())
    }
}

fn message(trailers: &HeaderMap) -> &str {
    trailers.get("grpc-message").map_or("no message", text)
}

fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or("unreadable")
}
