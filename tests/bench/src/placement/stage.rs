//! Null clusters, and a real `panko serve` over them with so many namespaces of so many members.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use panko_proto::v1::change_placement_request::Change;
use panko_proto::v1::{
    ChangePlacementRequest, ChangePlacementResponse, GetPlacementRequest, GetPlacementResponse,
    Move,
};
use panko_routing::Placement;
use panko_routing::placement::Starts;
use prost::Message;
use tempfile::TempDir;
use tokio::process::Command;

use super::filters::first_update;
use super::null;
use crate::envoy::free_port;
use crate::frame;
use crate::polls::Programs;
use crate::polls::client::Client;
use crate::process::Process;

/// How long a control server may take until it knows every member.
const START: Duration = Duration::from_secs(240);

/// Between two looks at a placement.
const LOOK: Duration = Duration::from_millis(50);

/// How long a control server may take for an operator's call.
const PATIENCE: Duration = Duration::from_secs(30);

const ADMIN: &str = "panko.v1.AdminService";

/// A running control server. It ends with the value.
pub struct Stage {
    /// The control server.
    pub serve: Process,
    /// Where it serves gRPC.
    pub grpc: SocketAddr,
    /// Its `panko.yaml`.
    pub config: PathBuf,
    /// The names of its namespaces.
    pub namespaces: Vec<String>,
    /// How long it took until every member had told its UUID, and the CPU time of that, in seconds.
    pub started: (f64, f64),
    operator: Client,
    _directory: TempDir,
}

impl Stage {
    /// Starts it over null clusters, one for each member, and waits until all members are known. `store` as
    /// `panko.yaml` has it.
    pub async fn start(
        programs: &Programs,
        namespaces: Vec<String>,
        members: usize,
        store: &str,
    ) -> anyhow::Result<Self> {
        let mut clusters = Vec::new();
        for number in 0..members {
            clusters.push(null::serve(number).await?);
        }
        let (grpc, http) = (free_port()?, free_port()?);
        let directory = TempDir::new()?;
        let config = directory.path().join("panko.yaml");
        std::fs::write(&config, panko_yaml(grpc, http, &namespaces, &clusters, store))?;
        let mut command = Command::new(programs.panko()?);
        command.arg("serve").arg("--config").arg(&config).env("RUST_LOG", "error");
        let began = Instant::now();
        let mut serve = Process::start("panko serve", &mut command)?;
        let operator = connect(&mut serve, grpc, began + START).await?;
        let started = (0.0, 0.0);
        let mut stage =
            Self { serve, grpc, config, namespaces, started, operator, _directory: directory };
        for namespace in stage.namespaces.clone() {
            stage.reached(&namespace, began + START).await?;
        }
        stage.started = (began.elapsed().as_secs_f64(), stage.serve.cpu()?.as_secs_f64());
        Ok(stage)
    }

    /// Has a member give slots to another one, and returns the version at which that began.
    pub async fn begin_move(
        &mut self,
        namespace: &str,
        from: usize,
        to: usize,
        slots: u32,
    ) -> anyhow::Result<u64> {
        let request = ChangePlacementRequest {
            namespace: namespace.to_owned(),
            change: Some(Change::Move(Move { from: cluster(from), to: cluster(to), slots })),
            dry_run: false,
            who: "bench-placement".to_owned(),
            why: "to measure it".to_owned(),
        };
        let answer: ChangePlacementResponse = self.ask("ChangePlacement", &request).await?;
        Ok(answer.version)
    }

    /// A placement as it stands.
    pub async fn placement(&mut self, namespace: &str) -> anyhow::Result<GetPlacementResponse> {
        self.ask("GetPlacement", &GetPlacementRequest { namespace: namespace.to_owned() }).await
    }

    /// Waits until `done` of a namespace's placement.
    pub async fn until(
        &mut self,
        namespace: &str,
        what: &str,
        end: Instant,
        done: impl Fn(&GetPlacementResponse) -> bool,
    ) -> anyhow::Result<()> {
        while !done(&self.placement(namespace).await?) {
            self.serve.check()?;
            ensure!(Instant::now() < end, "{namespace}: {what} takes too long");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// The slots whose starts go through the control server, of the first namespace.
    pub async fn located_slots(&self) -> anyhow::Result<Vec<bool>> {
        let placements = first_update(self.grpc).await?.placements;
        let first = placements.into_iter().next().context("the control server has no placement")?;
        let placement = Placement::try_from(first)?;
        Ok(placement.all_starts().iter().map(|starts| *starts == Starts::Locate).collect())
    }

    async fn reached(&mut self, namespace: &str, end: Instant) -> anyhow::Result<()> {
        let all = |placement: &GetPlacementResponse| placement.members.iter().all(|m| m.reached);
        self.until(namespace, "reaching its members", end, all).await
    }

    async fn ask<A: Message + Default>(
        &mut self,
        method: &str,
        request: &impl Message,
    ) -> anyhow::Result<A> {
        let body = frame::plain(&request.encode_to_vec());
        let answer = self.operator.call_at(ADMIN, method, body, PATIENCE).await?;
        Ok(A::decode(answer)?)
    }
}

/// Connects once the control server listens.
async fn connect(serve: &mut Process, at: SocketAddr, end: Instant) -> anyhow::Result<Client> {
    loop {
        serve.check()?;
        match Client::connect(at).await {
            Ok(client) => return Ok(client),
            Err(error) if Instant::now() > end => {
                return Err(error).context("panko serve does not listen");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn cluster(number: usize) -> String {
    format!("null-{number}")
}

fn panko_yaml(
    grpc: SocketAddr,
    http: SocketAddr,
    namespaces: &[String],
    clusters: &[SocketAddr],
    store: &str,
) -> String {
    let mut yaml =
        format!("listen: {{ grpc: \"{grpc}\", http: \"{http}\" }}\nstore: \"{store}\"\n");
    // Slots stay as they are moved.
    yaml += "scans: { every_seconds: 86400 }\nclusters:\n";
    for (number, address) in clusters.iter().enumerate() {
        yaml += &format!("  - {{ name: {}, address: \"{address}\" }}\n", cluster(number));
    }
    yaml += "namespaces:\n";
    for namespace in namespaces {
        yaml += &format!("  - name: {namespace}\n    members:\n");
        for number in 0..clusters.len() {
            yaml += &format!("      - {{ cluster: {} }}\n", cluster(number));
        }
    }
    yaml
}

/// An SQLite file beside `panko.yaml`.
pub const SQLITE: &str = "sqlite:panko.db";

/// The database of `scripts/postgres`. It has to be empty.
pub fn postgres() -> anyhow::Result<String> {
    std::env::var("PANKO_POSTGRES").context(
        "which PostgreSQL? Run it under scripts/postgres as make bench-placement does, set PANKO_POSTGRES to an empty database, or say --stores sqlite",
    )
}

/// What Envoy has to know, as `panko envoy` prints it.
pub async fn envoy_yaml(
    programs: &Programs,
    config: &Path,
    listener: SocketAddr,
) -> anyhow::Result<String> {
    crate::polls::stage::envoy_yaml(programs.panko()?, config, listener, programs.filter()?).await
}
