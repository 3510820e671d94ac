//! A real Temporal server, on loopback.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;
use tokio::process::Command;

use super::client::Client;
use super::messages::{self, Kind};
use crate::envoy::free_port;
use crate::frame;
use crate::process::Process;

/// The configuration by which `panko dev` starts the plain server.
const SERVER_YAML: &str = include_str!("../../../../control-server/src/dev/server.yaml");

/// How long a server may take to start, and to know its namespace.
const START: Duration = Duration::from_secs(90);

/// Deadlines of the calls that find out.
const SHORT: Duration = Duration::from_millis(2_500);

/// A running server. It ends with the value.
pub struct Temporal {
    /// Its name in tables.
    pub name: &'static str,
    /// Its frontend.
    pub address: SocketAddr,
    /// All of its services are one process.
    pub process: Process,
    _directory: TempDir,
}

impl Temporal {
    /// Starts the CLI's development server.
    pub async fn cli(program: &Path) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let address = free_port()?;
        let mut command = Command::new(program);
        command.args(["server", "start-dev", "--headless", "--ip", "127.0.0.1"]);
        command.args(["--log-level", "never", "--port", &address.port().to_string()]);
        // In memory it does not stand calls that are cancelled.
        command.arg("--db-filename").arg(directory.path().join("temporal.db"));
        command.args(["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=OFF"]);
        Self::start("start-dev", command, address, directory).await
    }

    /// Starts the plain server.
    pub async fn server(program: &Path) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let file = |name: &str| format!("\"{}\"", directory.path().join(name).display());
        let address = free_port()?;
        let mut yaml = SERVER_YAML
            .replace("level: info", "level: fatal")
            .replace("@database@", &file("temporal.db"))
            .replace("@visibility@", &file("visibility.db"))
            .replace("@dynamic@", &file("dynamic.yaml"))
            .replace("@frontend@", &address.port().to_string());
        // The names that are left, each between two @, are ports.
        while let Some(name) = yaml.split('@').nth(1).map(|name| format!("@{name}@")) {
            yaml = yaml.replace(&name, &free_port()?.port().to_string());
        }
        std::fs::write(directory.path().join("dynamic.yaml"), "")?;
        let config = directory.path().join("server.yaml");
        std::fs::write(&config, yaml)?;
        let mut command = Command::new(program);
        command.arg("--config-file").arg(config).args(["--allow-no-auth", "start"]);
        Self::start("server", command, address, directory).await
    }

    async fn start(
        name: &'static str,
        mut command: Command,
        address: SocketAddr,
        directory: TempDir,
    ) -> anyhow::Result<Self> {
        let mut process = Process::start(name, &mut command)?;
        let end = Instant::now() + START;
        loop {
            process.check()?;
            match try_poll(address).await {
                Ok(()) => return Ok(Self { name, address, process, _directory: directory }),
                Err(error) if Instant::now() > end => {
                    return Err(error).with_context(|| format!("{name} is not ready in {START:?}"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
            }
        }
    }
}

/// A server takes polls once it knows the namespace, which the development server has from the start.
async fn try_poll(address: SocketAddr) -> anyhow::Result<()> {
    let mut client = Client::connect(address).await?;
    let register = frame::plain(&messages::register_namespace());
    // It fails where the namespace is already.
    let _ = client.call("RegisterNamespace", register, SHORT).await;
    let poll = frame::plain(&messages::poll("ready", 0));
    client.call(Kind::Activity.method(), poll, SHORT).await.map(drop)
}
