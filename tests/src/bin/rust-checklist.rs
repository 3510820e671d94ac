//! Runs the checklist of the Rust SDK against one address, prints its table, and fails if a row
//! did.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use clap::Parser;
use panko_tests::checklist::{Cluster, Target};

/// Check every feature of the Rust SDK on every cluster behind one address.
#[derive(Parser)]
struct Args {
    /// Where the worker and the client connect to, as host:port.
    #[arg(long)]
    address: String,

    #[arg(long, default_value = "default")]
    namespace: String,

    /// A cluster behind the address and its own frontend. Repeat it for each cluster.
    #[arg(long = "cluster", value_name = "NAME=HOST:PORT", value_parser = named, requires = "ids")]
    clusters: Vec<(String, String)>,

    /// Unused workflow ids that live on each cluster: a JSON map from its name to a list.
    /// Without it the address is taken for a single server.
    #[arg(long, value_name = "FILE", requires = "clusters")]
    ids: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Args { address, namespace, clusters, ids } = Args::parse();
    let clusters = match ids {
        None => vec![one_server(&address, &namespace)],
        Some(file) => {
            let mut ids: BTreeMap<String, Vec<String>> = serde_json::from_reader(
                File::open(&file).with_context(|| format!("{}", file.display()))?,
            )?;
            let cluster = |(name, address): (String, String)| {
                let ids = ids.remove(&name).with_context(|| format!("no ids for {name}"))?;
                Ok(Cluster { name, address, namespace: namespace.clone(), ids })
            };
            clusters.into_iter().map(cluster).collect::<Result<_>>()?
        }
    };
    let report =
        panko_tests::checklist::run(Target { address, namespace, clusters, without: vec![] })
            .await?;
    println!("{report}");
    Ok(match report.verdict() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    })
}

/// The address itself as the only cluster, where any id lives.
fn one_server(address: &str, namespace: &str) -> Cluster {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let ids = (0..60).map(|n| format!("checklist-{now:x}-{n}")).collect();
    let (name, address) = ("direct".to_owned(), address.to_owned());
    Cluster { name, address, namespace: namespace.to_owned(), ids }
}

fn named(text: &str) -> Result<(String, String), String> {
    let (name, address) = text.split_once('=').ok_or("write it as name=host:port")?;
    Ok((name.to_owned(), address.to_owned()))
}
