//! An HTTP/2 connection, with windows like those of [`crate::server`].

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;

use crate::server::{CONNECTION_WINDOW, STREAM_WINDOW};

/// Connects.
pub async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Bytes>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (connection, driver) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(socket)
        .await?;
    tokio::spawn(driver);
    Ok(connection)
}
