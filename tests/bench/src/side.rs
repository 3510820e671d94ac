//! One side of the comparison: an Envoy process and the client that drives it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::time::timeout;

use crate::case::Case;
use crate::client::Client;
use crate::envoy::Envoy;

/// How long Envoy may take to listen, compile the filter and get its first placement.
const START: Duration = Duration::from_secs(60);

/// How long calls may take beyond their time. A filter that never lets go shows here.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Side {
    envoy: Envoy,
    client: Client,
}

impl Side {
    /// Starts an Envoy that listens on `listener`, and waits until it answers a call well. Where
    /// the client does not name the cluster, that proves that the filter routes.
    pub async fn start(
        binary: &Path,
        config: &str,
        listener: SocketAddr,
        names_cluster: bool,
        case: &Case,
    ) -> anyhow::Result<Self> {
        let mut envoy = Envoy::start(binary, config, 1)?;
        let end = Instant::now() + START;
        loop {
            envoy.process.check()?;
            let tried = first_call(listener, names_cluster, case).await;
            match tried {
                Ok(client) => return Ok(Self { envoy, client }),
                Err(error) if Instant::now() > end => {
                    return Err(error).with_context(|| format!("Envoy is not ready in {START:?}"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Drives Envoy, and returns the number of calls.
    pub async fn drive(&self, case: &Case, streams: u32, time: Duration) -> anyhow::Result<u64> {
        timeout(time + PATIENCE, self.client.drive(case, streams, time))
            .await
            .with_context(|| format!("a call has no answer after {PATIENCE:?}"))?
    }

    /// The CPU that Envoy has used so far.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.envoy.process.cpu()
    }
}

async fn first_call(
    listener: SocketAddr,
    names_cluster: bool,
    case: &Case,
) -> anyhow::Result<Client> {
    let mut client = Client::connect(listener, names_cluster).await?;
    timeout(PATIENCE, client.call(case)).await.context("the first call has no answer")??;
    Ok(client)
}
