//! How a Temporal cluster of the sandbox is started: by the CLI or as the plain server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::process::Command;

use super::binaries::{self, SERVER, TEMPORAL};
use super::data_dir::DataDir;
use super::error::Error;
use super::options::{Kind, Options};
use super::ports::Ports;
use crate::envoy_config::scalar;

/// The plain server's configuration, and its dynamic one.
const SERVER_YAML: &str = include_str!("server.yaml");
const DYNAMIC_YAML: &str = include_str!("dynamic.yaml");

/// The development server lets Nexus operations call back to itself alone.
const CALLBACKS: &str =
    r#"component.callbacks.allowedAddresses=[{"Pattern":"*","AllowInsecure":true}]"#;

/// The services of the plain server, besides the frontend, that listen: each on two ports.
const SERVICES: [&str; 3] = ["history", "matching", "worker"];

/// A cluster that is about to be started.
#[derive(Debug)]
pub struct Cluster {
    /// Its frontend.
    pub address: SocketAddr,
    /// Its frontend's HTTP port.
    pub http: SocketAddr,
    /// Its Web UI.
    pub ui: Option<SocketAddr>,
    /// Where it serves Prometheus metrics, under `/metrics`.
    pub metrics: SocketAddr,
    /// What starts it.
    pub command: Command,
}

impl Cluster {
    /// Chooses ports for the cluster `name` and writes down what it needs.
    pub fn prepare(
        name: &str,
        options: &Options,
        ports: &mut Ports,
        data: &DataDir,
    ) -> Result<Self, Error> {
        match options.kind(name) {
            Kind::Cli => Self::cli(name, options, ports, data),
            Kind::Server => Self::server(name, options, ports, data),
        }
    }

    fn cli(
        name: &str,
        options: &Options,
        ports: &mut Ports,
        data: &DataDir,
    ) -> Result<Self, Error> {
        let program = binaries::find(&TEMPORAL, options.programs.temporal.as_deref())?;
        let (frontend, http, metrics) = (ports.free()?, ports.free()?, ports.free()?);
        let mut command = Command::new(program);
        command.args(["server", "start-dev", "--ip", "127.0.0.1", "--color", "never"]);
        command.args(["--log-level", "info", "--log-format", "text"]);
        command.args(["--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=OFF"]);
        command.arg("--db-filename").arg(database(name, data)?);
        for (option, port) in
            [("--port", frontend), ("--http-port", http), ("--metrics-port", metrics)]
        {
            command.args([option, &port.to_string()]);
        }
        let ui = if options.headless { None } else { Some(ports.free()?) };
        match ui {
            Some(port) => command.args(["--ui-port", &port.to_string()]),
            None => command.arg("--headless"),
        };
        command.args(["--dynamic-config-value", CALLBACKS]);
        for (key, value) in &options.dynamic_config {
            command.args(["--dynamic-config-value", &format!("{key}={value}")]);
        }
        command.args(&options.temporal_args);
        Ok(Self {
            address: loopback(frontend),
            http: loopback(http),
            ui: ui.map(loopback),
            metrics: loopback(metrics),
            command,
        })
    }

    fn server(
        name: &str,
        options: &Options,
        ports: &mut Ports,
        data: &DataDir,
    ) -> Result<Self, Error> {
        let program = binaries::find(&SERVER, options.programs.server.as_deref())?;
        let (frontend, http, metrics) = (ports.free()?, ports.free()?, ports.free()?);
        let quoted = |path: PathBuf| scalar(&path.to_string_lossy());

        let mut dynamic = DYNAMIC_YAML.replace("@http@", &http.to_string());
        for (key, value) in &options.dynamic_config {
            dynamic += &format!("{key}:\n  - value: {value}\n");
        }
        let dynamic = data.write(&format!("{name}-dynamic.yaml"), &dynamic)?;

        let mut yaml = SERVER_YAML
            .replace("@database@", &quoted(database(name, data)?))
            .replace("@visibility@", &quoted(database(&format!("{name}-visibility"), data)?))
            .replace("@dynamic@", &quoted(dynamic))
            .replace("@http@", &http.to_string())
            .replace("@metrics@", &metrics.to_string())
            .replace("@frontend@", &frontend.to_string())
            .replace("@frontend-members@", &ports.free()?.to_string());
        for service in SERVICES {
            yaml = yaml
                .replace(&format!("@{service}@"), &ports.free()?.to_string())
                .replace(&format!("@{service}-members@"), &ports.free()?.to_string());
        }
        let yaml = data.write(&format!("{name}.yaml"), &yaml)?;

        let mut command = Command::new(program);
        command.arg("--config-file").arg(yaml).args(["--allow-no-auth", "start"]);
        let (address, http, metrics) = (loopback(frontend), loopback(http), loopback(metrics));
        Ok(Self { address, http, ui: None, metrics, command })
    }
}

/// `port` on loopback, where everything in a sandbox listens.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn database(name: &str, data: &DataDir) -> Result<PathBuf, Error> {
    Ok(data.dir("databases")?.join(format!("{name}.db")))
}
