//! The end-to-end checklist of an unchanged Rust SDK.
//!
//! One worker and one client, both with the SDK's defaults, talk to one address. Every check runs
//! once for each cluster behind that address, on workflows that live there. Afterwards the
//! clusters themselves are asked, past the address, where the workflows are and whether a task got
//! lost on its way.
//!
//! [`run`] reads as the whole: stage, worker, checks, audit. A plain Temporal server is a `Target`
//! with one cluster, whose address is the target's own; what fails there is the checklist's fault.

mod activities;
mod audit;
mod checks;
mod health;
mod report;
mod stage;
mod worker;
mod workflows;

use anyhow::{Context, Result, bail};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions, Url};

pub use report::{Report, Row};

/// What to check: one address, and what is behind it.
#[derive(Clone, Debug)]
pub struct Target {
    /// `host:port` that the worker and the client connect to.
    pub address: String,
    /// The namespace that the worker and the client name.
    pub namespace: String,
    /// The clusters behind the address.
    pub clusters: Vec<Cluster>,
    /// Checks to leave out, by their names as the report prints them.
    pub without: Vec<String>,
}

/// One cluster behind the address.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// How the report calls it.
    pub name: String,
    /// `host:port` of its own frontend, for the questions after the checks.
    pub address: String,
    /// What the namespace is called on it.
    pub namespace: String,
    /// Unused workflow ids that live on it when they are started through [`Target::address`].
    /// The checks take about forty.
    pub ids: Vec<String>,
}

/// Runs every check for every cluster, then asks the clusters what became of the workflows.
///
/// # Errors
/// Only when there is nothing to report: the address or a cluster cannot be reached, or the worker
/// ends early. A check that fails is a row of the report; see [`Report::verdict`].
pub async fn run(target: Target) -> Result<Report> {
    let client = connect(&target.address, &target.namespace).await?;
    let mut clusters = Vec::new();
    for cluster in &target.clusters {
        let direct = connect(&cluster.address, &cluster.namespace).await?;
        clusters.push(audit::Direct { name: cluster.name.clone(), client: direct });
    }

    let stages = stage::set(&client, &target.clusters);
    let Some(stage) = stages.first() else { bail!("name at least one cluster") };
    let mut worker = worker::start(stage)?;
    let mut rows = tokio::select! {
        rows = checks::run(&stages, &target.without) => rows,
        ended = worker.ended() => {
            ended.context("the worker ended before the checks did")?;
            bail!("the worker ended before the checks did, without an error")
        }
    };
    rows.push(worker.stop().await);

    let started = stage.started();
    rows.extend(audit::every_workflow_is_where_it_belongs(&clusters, &started).await);
    rows.extend(health::no_task_was_lost(&clusters, &started).await);
    Ok(Report { rows })
}

async fn connect(address: &str, namespace: &str) -> Result<Client> {
    let url = Url::parse(&format!("http://{address}"))
        .with_context(|| format!("{address} is not an address; write host:port"))?;
    let connection = Connection::connect(ConnectionOptions::new(url).build())
        .await
        .with_context(|| format!("no Temporal frontend answers at {address}"))?;
    Ok(Client::new(connection, ClientOptions::new(namespace).build())?)
}
