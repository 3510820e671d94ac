//! The Python SDK at work, with its defaults: a worker, and clients that know what each answer has to be
//! (`tests/moves/*.py`).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Clients, and the worker that does what they start.
pub struct Sdk {
    clients: Child,
    phases: ChildStdin,
    seen: BufReader<ChildStdout>,
    worker: Child,
}

/// What clients have seen.
#[derive(Debug, Deserialize)]
pub struct Seen {
    pub phases: Vec<Phase>,
    pub wrong: Vec<String>,
}

/// What was seen during one phase.
#[derive(Debug, Deserialize)]
pub struct Phase {
    pub name: String,
    /// By call: milliseconds of each.
    pub took: BTreeMap<String, Vec<f64>>,
    /// By call and code: answers after which the SDK tried again, or gave up.
    pub raw: BTreeMap<String, u64>,
}

impl Sdk {
    /// Begins: clients at this address, and a worker there too. `name` is part of their ids.
    pub async fn start(address: SocketAddr, name: &str) -> Result<Self> {
        let mut worker = script("worker.py", address)?;
        let worker = worker.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut clients = script("load.py", address)?;
        clients.arg(name).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut clients = clients.spawn()?;
        let phases = clients.stdin.take().context("an input")?;
        let mut seen = BufReader::new(clients.stdout.take().context("an output")?);
        let mut ready = String::new();
        seen.read_line(&mut ready).await?;
        ensure!(ready == "ready\n", "the clients did not start: see above");
        Ok(Self { clients, phases, seen, worker })
    }

    /// What follows happens during this.
    pub async fn during(&mut self, what: &str) -> Result<()> {
        self.phases.write_all(format!("{what}\n").as_bytes()).await?;
        self.phases.flush().await.context("the clients have ended")
    }

    /// Ends, and tells what was seen.
    pub async fn stop(mut self) -> Result<Seen> {
        drop(self.phases);
        let mut text = String::new();
        self.seen.read_to_string(&mut text).await?;
        ensure!(self.clients.wait().await?.success(), "the clients failed: see above");
        ensure!(self.worker.try_wait()?.is_none(), "the worker has ended: see above");
        // To be told would have it wait for its polls; nobody needs that.
        self.worker.kill().await?;
        Ok(serde_json::from_str(&text)?)
    }
}

fn script(name: &str, address: SocketAddr) -> Result<Command> {
    let python = std::env::var("PANKO_PYTHON")
        .context("PANKO_PYTHON is not set; run `make e2e`, which makes the Python environment")?;
    let mut command = Command::new(python);
    command.arg(name).arg(address.to_string()).kill_on_drop(true);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("moves"));
    Ok(command)
}
