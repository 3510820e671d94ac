//! `panko check`: is this configuration, and are the clusters behind it, ready to be used?
//!
//! * [`facts`] — what a member says of itself; [`clock`] — and what time it has.
//! * [`differences`] — in what members differ, and what that means.

pub mod clock;
pub mod differences;
pub mod facts;

use std::fmt;

use comfy_table::{Table, presets};
use futures_util::future::join_all;
use serde::Serialize;
use tonic::{Code, Status};

use crate::cluster::Cluster;
use crate::config::Namespace;
use crate::desired::Desired;
use crate::topology::{Member, Topology};
use facts::Facts;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    members: Vec<Row>,
    /// Differences that narrow what Panko offers.
    differences: Vec<String>,
}

/// One member.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The virtual namespace.
    pub namespace: String,
    /// Its cluster.
    pub cluster: String,
    /// The physical namespace.
    pub physical: String,
    server: String,
    weight: u32,
    /// What has to be done before it can be used.
    pub problem: Option<String>,
    /// Its namespace's UUID, by which its cluster knows it.
    #[serde(skip)]
    pub uuid: Option<String>,
    /// Whether all that it lacks is its physical namespace.
    #[serde(skip)]
    pub missing: bool,
}

impl Report {
    /// Whether every member can be used.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.members.iter().all(|row| row.problem.is_none())
    }

    /// The members.
    #[must_use]
    pub fn members(&self) -> &[Row] {
        &self.members
    }

    /// In what members differ, and what that means.
    #[must_use]
    pub fn differences(&self) -> &[String] {
        &self.differences
    }
}

/// Asks every member who it is, with Panko's own credentials.
pub async fn run(desired: &Desired) -> anyhow::Result<Report> {
    for cluster in &desired.clusters {
        Cluster::new(cluster)?;
    }
    let topology = Topology::new(&desired.clusters, &desired.namespaces, None);
    Ok(of(&topology, &desired.namespaces).await)
}

/// Asks all members of these namespaces, which `topology` has.
pub async fn of(topology: &Topology, namespaces: &[Namespace]) -> Report {
    let mut report = Report { members: Vec::new(), differences: Vec::new() };
    for namespace in namespaces {
        let Some(built) = topology.namespace(&namespace.name) else { continue };
        let asked =
            built.members.iter().map(|member| async move { (member, facts::ask(member).await) });
        let asked = join_all(asked).await;
        for ((member, asked), weight) in asked.iter().zip(namespace.weights()) {
            report.members.push(row(&namespace.name, member, weight, asked));
        }
        let told =
            asked.iter().filter_map(|(member, facts)| Some((&*member.name, facts.as_ref().ok()?)));
        let told: Vec<_> = told.collect();
        report.differences.extend(differences::between(&namespace.name, &told));
    }
    report
}

fn row(namespace: &str, member: &Member, weight: u32, asked: &Result<Facts, Status>) -> Row {
    Row {
        namespace: namespace.to_owned(),
        cluster: member.cluster.name().to_string(),
        physical: member.namespace.clone(),
        server: asked.as_ref().map(|facts| facts.server.clone()).unwrap_or_default(),
        weight,
        problem: asked.as_ref().err().map(|status| advice(status, member)),
        uuid: asked.as_ref().ok().map(|facts| facts.uuid.clone()),
        missing: asked.as_ref().is_err_and(|status| status.code() == Code::NotFound),
    }
}

fn advice(status: &Status, member: &Member) -> String {
    let (cluster, namespace) = (member.cluster.name(), &member.namespace);
    match status.code() {
        Code::NotFound => format!(
            "namespace {namespace} is not there; set create: true and `panko apply`, or: temporal operator namespace create {namespace} --address <{cluster}'s address>"
        ),
        Code::Unauthenticated | Code::PermissionDenied => {
            format!(
                "it refuses Panko's credentials ({}); set api_key_file or tls",
                status.message()
            )
        }
        _ => format!("{}; is its address right, and is it up?", status.message()),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["namespace", "cluster", "server", "weight", "state"]);
        for row in &self.members {
            let state = row.problem.as_deref().unwrap_or("ok");
            let weight = row.weight.to_string();
            table.add_row([&row.namespace, &row.cluster, &row.server, &weight, state]);
        }
        write!(f, "{table}")?;
        for difference in &self.differences {
            write!(f, "\n{difference}")?;
        }
        Ok(())
    }
}
