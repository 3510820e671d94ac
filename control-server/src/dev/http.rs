//! One HTTP request, to a server on this machine.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest answer that is read.
const LONGEST: u64 = 64 * 1024;

/// Asks for `path`. Anything but status 200 is an error, with the answer in its text.
pub async fn get(address: SocketAddr, path: &str) -> Result<(), String> {
    let answer = exchange(address, path).await.map_err(|e| format!("{address}{path}: {e}"))?;
    let answer = String::from_utf8_lossy(&answer);
    let (status, rest) = answer.split_once("\r\n").unwrap_or((&answer, ""));
    if status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    let body = rest.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim();
    Err(format!("{address}{path}: {status}: {body}"))
}

async fn exchange(address: SocketAddr, path: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    Ok(answer)
}
