//! An HTTP/2 server on a free port of the loopback, as plain as can be.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};

/// One stream: what the peer sends, and the way to answer.
pub type Stream = (Request<RecvStream>, SendResponse<Bytes>);

/// Flow-control windows that no case fills, so that WINDOW_UPDATE frames stay rare.
pub const STREAM_WINDOW: u32 = 1 << 20;
pub const CONNECTION_WINDOW: u32 = 1 << 24;

/// Serves `answer` for as long as the runtime lives.
pub async fn serve<F, A>(answer: F) -> std::io::Result<SocketAddr>
where
    F: Fn(Stream) -> A + Clone + Send + 'static,
    A: Future<Output = Result<(), h2::Error>> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(connection(socket, answer.clone()));
        }
    });
    Ok(address)
}

async fn connection<F, A>(socket: TcpStream, answer: F) -> anyhow::Result<()>
where
    F: Fn(Stream) -> A,
    A: Future<Output = Result<(), h2::Error>> + Send + 'static,
{
    socket.set_nodelay(true)?;
    let mut connection = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(socket)
        .await?;
    while let Some(stream) = connection.accept().await {
        tokio::spawn(answer(stream?));
    }
    Ok(())
}

/// The headers that every gRPC answer begins with.
pub fn headers() -> Response<()> {
    let mut response = Response::new(());
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// The trailers of a call that ended well, or not.
pub fn trailers(status: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static(status),
    )])
}
