//! The control servers of the sandbox: their addresses, and the configuration of each.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::addresses::ControlServerAddresses;
use super::cluster::loopback;
use super::data_dir::DataDir;
use super::error::{Error, While};
use super::ports::Ports;
use crate::config::{Config, Listen, Peers};

/// The name of the only control server, and what the names of several begin with.
const NAME: &str = "control-server";

/// Chooses names and ports for `count` control servers.
pub fn addresses(count: u8, ports: &mut Ports) -> Result<Vec<ControlServerAddresses>, Error> {
    let named = |name| {
        let (grpc, http) = (loopback(ports.free()?), loopback(ports.free()?));
        Ok(ControlServerAddresses { name, grpc, http })
    };
    match count {
        1 => [NAME.to_owned()].into_iter().map(named).collect(),
        _ => (1..=count).map(|n| format!("{NAME}-{n}")).map(named).collect(),
    }
}

/// What makes several control servers peers; nothing for one. Writes down their secret.
pub fn peers(all: &[ControlServerAddresses], data: &DataDir) -> Result<Peers, Error> {
    if all.len() < 2 {
        return Ok(Peers::default());
    }
    let secret = uuid::Uuid::new_v4().to_string();
    Ok(Peers {
        addresses: all.iter().map(|one| one.grpc.to_string()).collect(),
        token_file: Some(data.write_secret("peers-token", &secret)?),
    })
}

/// Writes the configuration of each, which differs in where it listens. They come back in order.
pub fn configs(
    all: &[ControlServerAddresses],
    config: &Config,
    data: &DataDir,
) -> Result<Vec<PathBuf>, Error> {
    let write = |(one, number): (&ControlServerAddresses, usize)| {
        let listen = Listen { grpc: one.grpc, http: one.http };
        let file = match all.len() {
            1 => "panko.yaml".to_owned(),
            _ => format!("panko-{number}.yaml"),
        };
        let yaml = serde_saphyr::to_string(&Config { listen, ..config.clone() });
        let yaml = yaml.map_err(std::io::Error::other).doing(|| file.clone())?;
        data.write(&file, &yaml)
    };
    all.iter().zip(1..).map(write).collect()
}

/// What starts one.
pub fn command(panko: &Path, config: &Path) -> Command {
    let mut command = Command::new(panko);
    command.arg("serve").arg("--config").arg(config);
    command
}
