//! An Envoy process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;
use tokio::process::Command;

use crate::process::Process;

/// Ends with the value.
pub struct Envoy {
    pub process: Process,
    _directory: TempDir,
}

impl Envoy {
    /// Starts Envoy with a configuration and so many worker threads; it may not listen yet.
    pub fn start(binary: &Path, config: &str, workers: u32) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let file = directory.path().join("envoy.yaml");
        std::fs::write(&file, config)?;
        let mut command = Command::new(binary);
        command.args(["--disable-hot-restart", "--log-level", "error"]);
        command.args(["--concurrency", &workers.to_string()]);
        command.arg("--config-path").arg(&file);
        Ok(Self { process: Process::start("Envoy", &mut command)?, _directory: directory })
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
