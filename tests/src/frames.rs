//! Bodies cut and broken as no client does: HTTP/2 by hand.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

/// One HTTP/2 connection.
#[derive(Clone)]
pub struct Connection(SendRequest<Bytes>);

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With its last piece.
    Flag,
    /// With an empty DATA frame.
    EmptyFrame,
    /// With trailers.
    Trailers,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub http: u16,
    /// `grpc-status`, wherever it stood.
    pub grpc: Option<i32>,
    /// `grpc-message`, as it was sent.
    pub message: String,
    /// The body.
    pub body: Bytes,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let (send, connection) = h2::client::handshake(TcpStream::connect(address).await?).await?;
        tokio::spawn(connection);
        Ok(Self(send))
    }

    /// Sends a request with `headers` besides the usual ones, its body in `pieces`, each in a DATA
    /// frame of its own and flushed. Fails when no whole answer comes within 20 s.
    pub async fn send(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        pieces: &[&[u8]],
        end: End,
    ) -> Result<Answer> {
        let answer = self.exchange(path, headers, pieces, end);
        tokio::time::timeout(Duration::from_secs(20), answer).await.context("no answer")?
    }

    async fn exchange(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        pieces: &[&[u8]],
        end: End,
    ) -> Result<Answer> {
        let mut request = Request::post(format!("http://panko{path}")).header("te", "trailers");
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/grpc");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut connection = self.0.clone().ready().await?;
        let bodiless = pieces.is_empty() && end == End::Flag;
        let (response, mut body) = connection.send_request(request.body(())?, bodiless)?;
        // An answer may come before the body is over; then the rest of it cannot be sent.
        let sent = async {
            for (n, piece) in pieces.iter().enumerate() {
                let last = n + 1 == pieces.len() && end == End::Flag;
                push(&mut body, piece, last).await?;
            }
            match end {
                End::Flag => {}
                End::EmptyFrame => body.send_data(Bytes::new(), true)?,
                End::Trailers => body.send_trailers(HeaderMap::new())?,
            }
            Ok::<_, h2::Error>(())
        };
        let (_, response) = tokio::join!(sent, response);
        read(response?).await
    }
}

async fn push(body: &mut h2::SendStream<Bytes>, piece: &[u8], last: bool) -> Result<(), h2::Error> {
    let mut rest = Bytes::copy_from_slice(piece);
    if rest.is_empty() {
        // There is no capacity of nothing to wait for.
        return body.send_data(rest, last);
    }
    loop {
        body.reserve_capacity(rest.len());
        let room = match std::future::poll_fn(|context| body.poll_capacity(context)).await {
            Some(room) => room?.min(rest.len()),
            None => return Ok(()),
        };
        let now = rest.split_to(room);
        let end = last && rest.is_empty();
        body.send_data(now, end)?;
        if rest.is_empty() {
            // Lets the connection write this piece before the next is added to it.
            tokio::task::yield_now().await;
            return Ok(());
        }
    }
}

async fn read(response: http::Response<h2::RecvStream>) -> Result<Answer> {
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await?.unwrap_or_default();
    let header = |name: &str| {
        let value = trailers.get(name).or_else(|| head.headers.get(name));
        value.and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    Ok(Answer {
        http: head.status.as_u16(),
        grpc: header("grpc-status").and_then(|status| status.parse().ok()),
        message: header("grpc-message").unwrap_or_default(),
        body: body.into(),
    })
}

/// A gRPC frame.
#[must_use]
pub fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![flag];
    frame.extend((message.len() as u32).to_be_bytes());
    frame.extend(message);
    frame
}
