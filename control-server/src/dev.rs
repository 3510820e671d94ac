//! `panko dev`: Temporal clusters, the control server and Envoy with the filter on this machine,
//! and one address to point an SDK at. [`Sandbox`] is the same for tests.

mod addresses;
mod binaries;
mod cluster;
mod control_server;
mod data_dir;
mod envoy;
mod error;
mod guard;
mod http;
mod log;
mod options;
mod part;
mod plan;
mod ports;
mod process;
mod ready;
mod sandbox;
mod severity;
mod table;
mod temporal;

use std::convert::Infallible;
use std::io::Write;

use tokio::signal::unix::{Signal, SignalKind, signal};

use addresses::JsonFile;
pub use addresses::{Addresses, ClusterAddresses, ControlServerAddresses, EnvoyAddresses};
pub use error::Error;
pub use options::{For, Kind, KindFor, Options, Programs};
pub use sandbox::Sandbox;

/// Runs a sandbox until it is told to end or one of its parts does.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut stop = Stop::listen()?;
    let json = options.json.as_deref().map(JsonFile::reserve).transpose()?;
    let mut sandbox = Sandbox::prepare(&options)?;
    let outcome = tokio::select! {
        Err(error) = live(&mut sandbox, json.as_ref()) => Err(error),
        () = stop.told() => Ok(()),
    };
    drop(json);
    sandbox.stop_all().await;
    Ok(outcome?)
}

/// Starts the sandbox and tells where it is. Comes back only when something goes wrong.
async fn live(sandbox: &mut Sandbox, json: Option<&JsonFile>) -> Result<Infallible, Error> {
    let addresses = sandbox.addresses();
    let clusters = addresses.clusters.len();
    let control_servers = match addresses.control_servers.len() {
        1 => "the control server".to_owned(),
        n => format!("{n} control servers"),
    };
    let envoys = match addresses.envoys.len() {
        1 => "Envoy".to_owned(),
        n => format!("{n} Envoys"),
    };
    // Whoever closes the terminal, or the pipe, does not want the text: no reason to end.
    let _ = writeln!(
        std::io::stderr(),
        "Starting {clusters} Temporal clusters, {control_servers} and {envoys} …"
    );
    sandbox.start_all().await?;
    if let Some(json) = json {
        json.write(sandbox.addresses())?;
    }
    let _ = writeln!(std::io::stdout(), "{}", table::render(sandbox.addresses()));
    Err(sandbox.ended().await)
}

/// The signals that tell a program to end.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
