//! Where the parts of a sandbox are: what scripts and tests read.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{Error, While};
use super::options::Kind;

/// Where the parts of a sandbox are.
#[derive(Debug, Clone, Serialize)]
pub struct Addresses {
    /// The (first) Envoy's listener: where to point SDKs.
    pub address: SocketAddr,
    /// The virtual namespaces.
    pub namespaces: Vec<String>,
    /// The clusters, in the order of their names.
    pub clusters: Vec<ClusterAddresses>,
    /// The control servers.
    pub control_servers: Vec<ControlServerAddresses>,
    /// The (first) Envoy's admin interface.
    pub envoy_admin: SocketAddr,
    /// All Envoys.
    pub envoys: Vec<EnvoyAddresses>,
    /// The process that ends the sandbox when it is ended.
    pub pid: u32,
    /// Where databases, configurations and logs are.
    pub data_dir: PathBuf,
}

/// Where one cluster is.
#[derive(Debug, Clone, Serialize)]
pub struct ClusterAddresses {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its frontend.
    pub address: SocketAddr,
    /// Its Web UI's URL.
    pub ui: Option<String>,
    /// Its Prometheus metrics' URL.
    pub metrics: String,
}

/// Where one control server is.
#[derive(Debug, Clone, Serialize)]
pub struct ControlServerAddresses {
    /// Its name in the sandbox: `control-server`, or `control-server-1` and so on.
    pub name: String,
    /// Its gRPC port.
    pub grpc: SocketAddr,
    /// Its HTTP port: `/metrics`, `/healthz`, `/readyz`.
    pub http: SocketAddr,
}

/// Where one Envoy is.
#[derive(Debug, Clone, Serialize)]
pub struct EnvoyAddresses {
    /// Its name in the sandbox: `envoy`, or `envoy-1` and so on.
    pub name: String,
    /// Its listener: where to point SDKs.
    pub address: SocketAddr,
    /// Its admin interface.
    pub admin: SocketAddr,
}

/// The file that `--json` names. It is there while the sandbox can be used.
#[derive(Debug)]
pub struct JsonFile {
    path: PathBuf,
}

impl JsonFile {
    /// Takes the place: what an earlier sandbox left there is removed.
    pub fn reserve(path: &Path) -> Result<Self, Error> {
        let doing = || format!("--json {}", path.display());
        let path = std::path::absolute(path).doing(doing)?;
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).doing(doing),
            _ => Ok(Self { path }),
        }
    }

    /// Writes the addresses. Who waits for the file never sees half of it.
    pub fn write(&self, addresses: &Addresses) -> Result<(), Error> {
        let written = || {
            let dir = self.path.parent().unwrap_or(Path::new("/"));
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            serde_json::to_writer_pretty(&mut file, addresses)?;
            file.persist(&self.path)?;
            Ok(())
        };
        written().doing(|| format!("--json {}", self.path.display()))
    }
}

impl Drop for JsonFile {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}
