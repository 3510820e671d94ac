//! When a part of the sandbox can be used.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::http;
use super::temporal::Frontend;

/// How long a part may take until it is ready. On a machine that is also busy compiling, a cluster
/// takes half a minute.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How long one look may take, and how long to wait for the next.
const LOOK: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// How many connections to Envoy must work in a row. The kernel gives each to one of Envoy's
/// workers, and each worker has a filter that gets its placement by itself.
const CONNECTIONS: usize = 16;

/// What shows that a part can be used.
#[derive(Debug, Clone)]
pub enum Ready {
    /// A cluster looks into its namespaces, which are registered on the way.
    Cluster {
        /// Its frontend.
        address: SocketAddr,
        /// The namespaces.
        namespaces: Vec<String>,
    },
    /// The control server says so.
    ControlServer {
        /// Its HTTP address.
        http: SocketAddr,
    },
    /// Envoy says so, and calls go through it to where workflows live.
    Envoy {
        /// Its admin interface.
        admin: SocketAddr,
        /// Its listener for SDKs.
        listener: SocketAddr,
        /// The virtual namespaces.
        namespaces: Vec<String>,
    },
}

impl Ready {
    /// Waits until it is; gives up after [`PATIENCE`] with what the last look said.
    pub async fn wait(&self) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        let mut problem = "it does not answer".to_owned();
        let looking = async {
            loop {
                match timeout(LOOK, self.look()).await {
                    Ok(Ok(())) => return,
                    Ok(Err(why)) => problem = why,
                    Err(_) => {}
                }
                sleep(PAUSE).await;
            }
        };
        let looked = timeout_at(end, looking).await;
        looked.map_err(|_| problem)
    }

    async fn look(&self) -> Result<(), String> {
        match self {
            Ready::Cluster { address, namespaces } => {
                let mut frontend = Frontend::connect(*address, LOOK).await?;
                for namespace in namespaces {
                    frontend.register(namespace).await?;
                    frontend.looks_into(namespace).await?;
                }
            }
            Ready::ControlServer { http } => http::get(*http, "/readyz").await?,
            Ready::Envoy { admin, listener, namespaces } => {
                http::get(*admin, "/ready").await?;
                let probes = namespaces.len().max(CONNECTIONS);
                for namespace in namespaces.iter().cycle().take(probes) {
                    Frontend::connect(*listener, LOOK).await?.looks_into(namespace).await?;
                }
            }
        }
        Ok(())
    }
}
