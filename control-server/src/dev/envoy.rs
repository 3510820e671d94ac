//! The Envoys of the sandbox: their addresses, and how each is started.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::addresses::EnvoyAddresses;
use super::cluster::loopback;
use super::data_dir::DataDir;
use super::error::Error;
use super::ports::Ports;
use crate::config::Config;
use crate::envoy_config::{self, Endpoint};

/// The name of the only Envoy, and what the names of several begin with.
const NAME: &str = "envoy";

/// Envoy's workers: more than one, as everywhere, and few, as this is one machine.
const WORKERS: &str = "2";

/// Chooses names and ports for `count` Envoys. The first one's port for SDKs is `port`; 0 is any that is free.
pub fn addresses(count: u8, port: u16, ports: &mut Ports) -> Result<Vec<EnvoyAddresses>, Error> {
    let mut all = Vec::new();
    for number in 1..=count {
        let address = loopback(ports.exactly(if number == 1 { port } else { 0 })?);
        let admin = loopback(ports.free()?);
        let name = if count == 1 { NAME.to_owned() } else { format!("{NAME}-{number}") };
        all.push(EnvoyAddresses { name, address, admin });
    }
    Ok(all)
}

/// What starts one of them, the `number`th. Writes its configuration.
pub fn command(
    envoy: &Path,
    filter: PathBuf,
    (number, own): (usize, &EnvoyAddresses),
    config: &Config,
    (control_servers, token): (Vec<Endpoint>, Option<String>),
    is_static: bool,
    data: &DataDir,
) -> Result<Command, Error> {
    let (listen, admin) = (own.address, own.admin);
    let options =
        envoy_config::Options { listen, admin, filter, control_servers, token, is_static };
    let name = format!("{}.yaml", own.name);
    let yaml = data.write(&name, &envoy_config::render(config, &options))?;
    let mut command = Command::new(envoy);
    command.arg("--config-path").arg(yaml);
    // Each has one of its own: by it filters are told apart.
    command.args(["--service-node", &format!("{NAME}-{number}")]);
    command.args(["--concurrency", WORKERS, "--log-level", "info", "--drain-time-s", "1"]);
    // Hot restart would leave shared memory behind, and two Envoys would need two base ids.
    command.arg("--disable-hot-restart");
    Ok(command)
}
