//! `panko check`: is this configuration, and are the clusters behind it, ready to be used?

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use comfy_table::{Table, presets};
use panko_routing::wire::fields::{Field, fields, last_bytes, put_bytes};
use serde::Serialize;
use tonic::{Code, Status};

use crate::config::Config;
use crate::identify::{DESCRIBE_NAMESPACE, GET_SYSTEM_INFO, method};
use crate::topology::{Member, Topology, VirtualNamespace};

/// How long a cluster has for an answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    members: Vec<Row>,
    /// Differences that narrow what Panko offers.
    differences: Vec<String>,
}

/// One member.
#[derive(Debug, Serialize)]
struct Row {
    namespace: String,
    cluster: String,
    server: String,
    weight: u32,
    problem: Option<String>,
    #[serde(skip)]
    capabilities: Vec<u32>,
}

impl Report {
    /// Whether every member can be used.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.members.iter().all(|row| row.problem.is_none())
    }
}

/// Asks every member who it is, with Panko's own credentials.
pub async fn run(config: &Config) -> anyhow::Result<Report> {
    let topology = Topology::new(config)?;
    let mut report = Report { members: Vec::new(), differences: Vec::new() };
    let mut namespaces: Vec<_> = topology.namespaces().collect();
    namespaces.sort_by(|a, b| a.name.cmp(&b.name));
    for namespace in namespaces {
        let first = report.members.len();
        for (member, &weight) in namespace.members.iter().zip(&namespace.weights) {
            report.members.push(row(namespace, member, weight).await);
        }
        let rows = report.members.get(first..).unwrap_or_default();
        report.differences.extend(differences(rows));
    }
    Ok(report)
}

async fn row(namespace: &VirtualNamespace, member: &Member, weight: u32) -> Row {
    let cluster = &member.cluster;
    let mut row = Row {
        namespace: namespace.name.to_string(),
        cluster: cluster.name().to_string(),
        server: String::new(),
        weight,
        problem: None,
        capabilities: Vec::new(),
    };
    let asked = async {
        let info =
            cluster.call(method(GET_SYSTEM_INFO)?, cluster.own(), Bytes::new(), DEADLINE).await?;
        row.server = String::from_utf8_lossy(last_bytes(&info, 1).unwrap_or_default()).into_owned();
        let mut request = Vec::new();
        put_bytes(&mut request, 1, member.namespace.as_bytes());
        cluster.call(method(DESCRIBE_NAMESPACE)?, cluster.own(), request.into(), DEADLINE).await
    };
    match asked.await {
        Ok(answer) => {
            let capabilities = last_bytes(&answer, 1).and_then(|info| last_bytes(info, 7));
            let flags = fields(capabilities.unwrap_or_default()).flatten();
            row.capabilities = flags.map(|Field { number, .. }| number).collect();
        }
        Err(status) => row.problem = Some(advice(&status, member)),
    }
    row
}

fn advice(status: &Status, member: &Member) -> String {
    let (cluster, namespace) = (member.cluster.name(), &member.namespace);
    match status.code() {
        Code::NotFound => format!(
            "namespace {namespace} is not there; create it: temporal operator namespace create {namespace} --address <{cluster}'s address>"
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

fn differences(rows: &[Row]) -> Vec<String> {
    let reached: Vec<&Row> = rows.iter().filter(|row| row.problem.is_none()).collect();
    let mut all: Vec<u32> = reached.iter().flat_map(|row| row.capabilities.clone()).collect();
    all.sort_unstable();
    all.dedup();
    let lacking = |number: &u32| {
        let without: Vec<&str> = reached
            .iter()
            .filter(|row| !row.capabilities.contains(number))
            .map(|row| row.cluster.as_str())
            .collect();
        let namespace = reached.first().map_or("", |row| &row.namespace);
        (!without.is_empty()).then(|| {
            format!(
                "namespace {namespace}: capability {number} of NamespaceInfo.Capabilities is not on {}, so Panko does not offer it",
                without.join(", ")
            )
        })
    };
    all.iter().filter_map(lacking).collect()
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
