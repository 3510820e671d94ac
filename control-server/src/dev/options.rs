//! What `panko dev` takes.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

use crate::config::MAX_SPREAD;

/// What `panko dev` takes. In a program: `Options { clusters: 3, ..Options::default() }`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many Temporal clusters to run. They are named a, b, c, …
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=26))]
    pub clusters: u8,
    /// How many clusters more run and are not in the panko.yaml: for `panko apply`. They have no namespaces yet.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=10))]
    pub spare: u8,
    /// A virtual namespace, which every cluster is a member of. May be repeated.
    #[arg(long = "namespace", short, value_name = "NAME", default_value = "default")]
    pub namespaces: Vec<String>,
    /// A cluster's share of the new workflows (1 where nothing is said). May be repeated.
    #[arg(long = "weight", value_name = "CLUSTER=WEIGHT")]
    pub weights: Vec<For<u32>>,
    /// A cluster's ring: `panko move --by-ring` reaches 0 first (0 where nothing is said). May be repeated.
    #[arg(long = "ring", value_name = "CLUSTER=RING")]
    pub rings: Vec<For<u32>>,
    /// How many control servers to run.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub control_servers: u8,
    /// How many Envoys to run, each with a port for SDKs.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub envoys: u8,
    /// In how many parts the polls of a task queue are spread over them. May be repeated.
    #[arg(long, value_name = "QUEUE=PARTS", value_parser = spread)]
    pub spread: Vec<(String, u32)>,
    /// Call each cluster's namespaces otherwise: NAMESPACE-CLUSTER, so that default is default-a on a.
    #[arg(long)]
    pub rename: bool,
    /// How many namespaces of each cluster serve a virtual one. Beyond the first they are called
    /// NAMESPACE-2 and so on.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub per_cluster: u8,
    /// Have every start look on all clusters first whether its id is open there.
    #[arg(long)]
    pub locate_before_start: bool,
    /// Fail over from a cluster that has not answered for so many seconds while the others do.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..))]
    pub failover_after: Option<u64>,
    /// Where placements are kept [default: an SQLite file among the sandbox's data].
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Seconds between two looks whether former owners of slots are empty; they are released after twice as long.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub scan_every_seconds: u64,
    /// Write the clusters into Envoy's configuration. Without it Envoy fetches them, also those that come later.
    #[arg(long)]
    pub static_envoy: bool,
    /// Seconds between two looks for ids that are open on several clusters; 0 for none.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub verify_seconds: u64,
    /// The (first) Envoy's port for SDKs; without it, or with 0, one that is free.
    #[arg(long, short, default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// Run no Web UIs.
    #[arg(long)]
    pub headless: bool,
    /// Keep databases, configurations and logs here; without it they are removed at the end.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Write the addresses to this file as soon as everything is ready; it is removed at the end.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Show all that is logged, not only warnings and what the control server says.
    #[arg(long, short, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show nothing of what is logged.
    #[arg(long, short)]
    pub quiet: bool,
    /// What the clusters are [default: cli, or server when --server is given]. Repeat it with a
    /// cluster's name to mix them.
    #[arg(long = "kind", value_name = "[CLUSTER=]KIND")]
    pub kinds: Vec<KindFor>,
    /// A value of the clusters' dynamic configuration, in JSON. May be repeated.
    #[arg(long, value_name = "KEY=JSON", value_parser = setting)]
    pub dynamic_config: Vec<(String, serde_json::Value)>,
    /// An argument more for `temporal server start-dev`. May be repeated.
    #[arg(long = "temporal-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub temporal_args: Vec<String>,
    /// Where the programs are.
    #[command(flatten)]
    pub programs: Programs,
}

/// Where the programs are, for those that are not found by themselves.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Programs")]
pub struct Programs {
    /// The Temporal CLI [or env: PANKO_TEMPORAL].
    #[arg(long, value_name = "PATH")]
    pub temporal: Option<PathBuf>,
    /// The Temporal server, to be used instead of the CLI's [or env: PANKO_TEMPORAL_SERVER].
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// Envoy [or env: PANKO_ENVOY].
    #[arg(long, value_name = "PATH")]
    pub envoy: Option<PathBuf>,
    /// Panko's filter [or env: PANKO_FILTER].
    #[arg(long, value_name = "PATH")]
    pub filter: Option<PathBuf>,
    /// The control server, if it is not this program [or env: PANKO_BIN].
    #[arg(long, value_name = "PATH")]
    pub panko: Option<PathBuf>,
}

impl Default for Options {
    /// What the command line has when it is empty.
    fn default() -> Self {
        #[derive(Parser)]
        struct Empty {
            #[command(flatten)]
            options: Options,
        }
        Empty::parse_from(["dev"]).options
    }
}

/// What a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The development server of Temporal's CLI, with a Web UI.
    Cli,
    /// Temporal's server, as it is deployed.
    Server,
}

/// A value for one cluster: `a=1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct For<T> {
    /// The cluster's name.
    pub cluster: String,
    /// The value.
    pub value: T,
}

/// What one cluster is, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindFor {
    /// The cluster's name; all of them without.
    pub cluster: Option<String>,
    /// What it is.
    pub kind: Kind,
}

impl<T: FromStr> FromStr for For<T> {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('=').and_then(|(cluster, value)| {
            Some(Self { cluster: cluster.to_owned(), value: value.parse().ok()? })
        });
        parts.ok_or("write a cluster and a number, like a=1")
    }
}

impl FromStr for KindFor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (cluster, kind) = match text.split_once('=') {
            Some((cluster, kind)) => (Some(cluster.to_owned()), kind),
            None => (None, text),
        };
        let kind = Kind::from_str(kind, false).map_err(|_| "write cli or server, or b=server")?;
        Ok(Self { cluster, kind })
    }
}

fn spread(text: &str) -> Result<(String, u32), String> {
    let parsed = text.rsplit_once('=').and_then(|(queue, parts)| {
        Some((queue.to_owned(), parts.parse().ok().filter(|n| (1..=MAX_SPREAD).contains(n))?))
    });
    parsed.ok_or_else(|| format!("write a task queue and 1 to {MAX_SPREAD}, like orders=8"))
}

fn setting(text: &str) -> Result<(String, serde_json::Value), String> {
    let (key, json) = text.split_once('=').ok_or("write it like history.someLimit=100")?;
    let value = serde_json::from_str(json).map_err(|e| format!("{json} is not JSON: {e}"))?;
    Ok((key.to_owned(), value))
}

impl Options {
    /// What a virtual namespace is called on a cluster: the first there that serves it.
    #[must_use]
    pub fn physical(&self, namespace: &str, cluster: &str) -> String {
        if self.rename { format!("{namespace}-{cluster}") } else { namespace.to_owned() }
    }

    /// All namespaces of a cluster that serve a virtual one.
    #[must_use]
    pub fn physicals(&self, namespace: &str, cluster: &str) -> Vec<String> {
        let first = self.physical(namespace, cluster);
        let further = (2..=self.per_cluster).map(|n| format!("{first}-{n}"));
        std::iter::once(first.clone()).chain(further).collect()
    }

    /// What this cluster is.
    #[must_use]
    pub fn kind(&self, cluster: &str) -> Kind {
        let said = |of: Option<&str>| {
            self.kinds.iter().rev().find(|k| k.cluster.as_deref() == of).map(|k| k.kind)
        };
        let default = if self.programs.server.is_some() { Kind::Server } else { Kind::Cli };
        said(Some(cluster)).or_else(|| said(None)).unwrap_or(default)
    }

    /// This cluster's ring.
    #[must_use]
    pub fn ring(&self, cluster: &str) -> u32 {
        self.rings.iter().rev().find(|ring| ring.cluster == cluster).map_or(0, |ring| ring.value)
    }

    /// This cluster's share of the new workflows.
    #[must_use]
    pub fn weight(&self, cluster: &str) -> u32 {
        self.weights.iter().rev().find(|w| w.cluster == cluster).map_or(1, |w| w.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_can_be_mixed() {
        let kinds = ["server", "b=cli"].map(|text| text.parse().unwrap()).to_vec();
        let options = Options { kinds, ..Options::default() };
        assert_eq!((options.kind("a"), options.kind("b")), (Kind::Server, Kind::Cli));
    }

    #[test]
    fn the_path_of_the_server_selects_it() {
        let mut options = Options::default();
        assert_eq!(options.kind("a"), Kind::Cli);
        options.programs.server = Some("server".into());
        assert_eq!(options.kind("a"), Kind::Server);
    }

    #[test]
    fn weights_are_one_where_nothing_is_said() {
        let weights = vec!["b=3".parse().unwrap()];
        let options = Options { weights, ..Options::default() };
        assert_eq!((options.weight("a"), options.weight("b")), (1, 3));
        assert!("b".parse::<For<u32>>().is_err());
    }

    #[test]
    fn a_spread_is_a_queue_and_a_number_of_parts() {
        assert_eq!(spread("a=b=8"), Ok(("a=b".to_owned(), 8)));
        for wrong in ["orders", "orders=", "orders=0", "orders=65"] {
            assert!(spread(wrong).unwrap_err().contains("1 to 64"), "{wrong}");
        }
    }
}
