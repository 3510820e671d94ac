//! A TCP proxy that can stop passing anything on, as a network does that loses every packet.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A way to one address. It is closed when this is dropped.
#[derive(Debug)]
pub struct Valve {
    address: SocketAddr,
    holds: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Valve {
    /// A way to `to`, on a port of its own.
    pub async fn open(to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (holds, held) = watch::channel(false);
        let serving = tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(join(from, to, held.clone()));
            }
        });
        Ok(Self { address, holds, serving })
    }

    /// Where it begins.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Nothing passes any more, or all goes on with what was held.
    pub fn hold(&self, does: bool) {
        self.holds.send_replace(does);
    }
}

impl Drop for Valve {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn join(from: TcpStream, to: SocketAddr, held: watch::Receiver<bool>) {
    let Ok(there) = TcpStream::connect(to).await else { return };
    // As the ends have it.
    let (_, _) = (from.set_nodelay(true), there.set_nodelay(true));
    let ((from, back), (answers, there)) = (from.into_split(), there.into_split());
    tokio::select! {
        _ = pass(from, there, held.clone()) => {}
        _ = pass(answers, back, held) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut held: watch::Receiver<bool>,
) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = from.read(&mut buffer).await?;
        held.wait_for(|held| !held).await?;
        if length == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..length]).await?;
    }
}
