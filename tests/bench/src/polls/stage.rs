//! What is measured: null clusters, a real `panko serve` over them, a real Envoy before it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use tempfile::TempDir;
use tokio::process::Command;

use super::client::Client;
use super::ledger::Ledger;
use super::messages::{self, Kind, NAMESPACE};
use super::null::{Counts, NullCluster};
use super::{Programs, http};
use crate::envoy::{Envoy, free_port};
use crate::frame;
use crate::process::Process;

/// Envoy's worker threads: as many as the machine has cores.
const ENVOY_WORKERS: u32 = 2;

/// How long all of it may take to start.
const START: Duration = Duration::from_secs(60);

/// The shortest poll that a control server takes for sure.
const SHORT: Duration = Duration::from_millis(2_500);

/// The way of a worker's polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// To a null cluster.
    Direct,
    /// To `panko serve`.
    Serve,
    /// Through Envoy.
    Envoy,
}

impl Way {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Serve => "panko serve",
            Self::Envoy => "Envoy",
        }
    }
}

/// All of it, running. It ends with the value, but for the null clusters.
pub struct Stage {
    /// Every task.
    pub ledger: Arc<Ledger>,
    /// The null clusters.
    pub clusters: Vec<Arc<NullCluster>>,
    /// The control server.
    pub serve: Process,
    /// Envoy, if it is in the way.
    pub envoy: Option<Envoy>,
    clusters_at: Vec<SocketAddr>,
    grpc: SocketAddr,
    http: SocketAddr,
    listener: SocketAddr,
    _directory: TempDir,
}

impl Stage {
    /// Starts it with so many null clusters (see [`NullCluster::new`] for `late`), and waits until a
    /// poll comes through.
    pub async fn start(
        programs: &Programs,
        clusters: usize,
        late: Duration,
        with_envoy: bool,
    ) -> anyhow::Result<Self> {
        let ledger = Arc::new(Ledger::default());
        let clusters: Vec<_> =
            (0..clusters).map(|number| NullCluster::new(number, ledger.clone(), late)).collect();
        let mut clusters_at = Vec::new();
        for cluster in &clusters {
            clusters_at.push(cluster.serve().await?);
        }
        let (grpc, http, listener) = (free_port()?, free_port()?, free_port()?);
        let directory = TempDir::new()?;
        let config = directory.path().join("panko.yaml");
        std::fs::write(&config, panko_yaml(grpc, http, &clusters_at))?;

        let panko = programs.panko()?;
        let mut command = Command::new(panko);
        command.arg("serve").arg("--config").arg(&config).env("RUST_LOG", "error");
        let serve = Process::start("panko serve", &mut command)?;
        let envoy = match with_envoy {
            true => {
                let yaml = envoy_yaml(panko, &config, listener, programs.filter()?).await?;
                Some(Envoy::start(programs.envoy()?, &yaml, ENVOY_WORKERS)?)
            }
            false => None,
        };
        let mut stage = Self {
            ledger,
            clusters,
            serve,
            envoy,
            clusters_at,
            grpc,
            http,
            listener,
            _directory: directory,
        };
        stage.ready().await?;
        Ok(stage)
    }

    /// Where workers poll that go this way.
    pub fn addresses(&self, way: Way) -> Vec<SocketAddr> {
        match way {
            Way::Direct => self.clusters_at.clone(),
            Way::Serve => vec![self.grpc],
            Way::Envoy => vec![self.listener],
        }
    }

    /// A sum over the null clusters.
    pub fn count(&self, which: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.clusters.iter().map(|cluster| Counts::get(which(&cluster.counts))).sum()
    }

    /// One of the control server's metrics, over all its labels.
    pub async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let metrics = http::get(self.http, "/metrics").await?;
        http::sum(&metrics, name).with_context(|| format!("/metrics shows no {name}"))
    }

    /// The control server's and Envoy's memory, in MB; NaN for an Envoy that is not there.
    pub fn resident(&self) -> anyhow::Result<(f64, f64)> {
        let envoy = self.envoy.as_ref().map(|envoy| envoy.process.resident()).transpose()?;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        Ok((megabytes(self.serve.resident()?), envoy.map_or(f64::NAN, megabytes)))
    }

    /// The control server's and Envoy's CPU time so far, in seconds.
    pub fn cpu(&self) -> anyhow::Result<(f64, f64)> {
        let envoy = self.envoy.as_ref().map(|envoy| envoy.process.cpu()).transpose()?;
        Ok((self.serve.cpu()?.as_secs_f64(), envoy.map_or(f64::NAN, |time| time.as_secs_f64())))
    }

    /// Fails when a program has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        self.serve.check()?;
        self.envoy.as_mut().map_or(Ok(()), |envoy| envoy.process.check())
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let address = if self.envoy.is_some() { self.listener } else { self.grpc };
        let end = Instant::now() + START;
        loop {
            self.check()?;
            match try_poll(address).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > end => {
                    return Err(error)
                        .with_context(|| format!("no poll comes through in {START:?}"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

async fn try_poll(address: SocketAddr) -> anyhow::Result<()> {
    let body = frame::plain(&messages::poll("ready", 0));
    let mut client = Client::connect(address).await?;
    client.call(Kind::Activity.method(), body, SHORT).await.map(|_: Bytes| ())
}

fn panko_yaml(grpc: SocketAddr, http: SocketAddr, clusters: &[SocketAddr]) -> String {
    let mut yaml = format!("listen: {{ grpc: \"{grpc}\", http: \"{http}\" }}\nclusters:\n");
    for (number, address) in clusters.iter().enumerate() {
        yaml += &format!("  - {{ name: null-{number}, address: \"{address}\" }}\n");
    }
    yaml += &format!("namespaces:\n  - name: {NAMESPACE}\n    members:\n");
    for number in 0..clusters.len() {
        yaml += &format!("      - {{ cluster: null-{number} }}\n");
    }
    yaml
}

/// What `panko envoy` prints.
pub(crate) async fn envoy_yaml(
    panko: &Path,
    config: &Path,
    listener: SocketAddr,
    filter: &Path,
) -> anyhow::Result<String> {
    let filter = std::path::absolute(filter)?;
    ensure!(filter.exists(), "there is no filter at {}: run make filter", filter.display());
    let mut command = Command::new(panko);
    command.arg("envoy").arg("--config").arg(config).arg("--filter").arg(filter);
    command.args(["--listen", &listener.to_string(), "--admin", &free_port()?.to_string()]);
    let output = command.kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "panko envoy failed: {said}");
    Ok(String::from_utf8(output.stdout)?)
}
