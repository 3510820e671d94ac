//! Unchanged SDKs, with their defaults, on two real clusters behind one address: on server 1.29 and
//! on server 1.32. Nothing that a cluster hands out is lost: no workflow task times out, no activity
//! is started again.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::stream::{StreamExt, TryStreamExt};
use panko_control_server::dev::{Addresses, Kind};
use panko_tests::bare::{Client, until};
use panko_tests::checklist::{self, Cluster, Target};
use panko_tests::sandbox::{homes, options, start, start_with};
use tokio::process::Command;

/// How many workflows with fixed ids show the shares.
const STARTS: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn sdks_find_one_cluster_on_server_1_29() -> Result<()> {
    everything(Kind::Cli, &[("a", 1), ("b", 1)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sdks_find_one_cluster_on_server_1_32() -> Result<()> {
    everything(Kind::Server, &[("a", 3), ("b", 1)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sdks_find_one_cluster_where_names_differ_on_server_1_29() -> Result<()> {
    with_other_names(Kind::Cli).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sdks_find_one_cluster_where_names_differ_on_server_1_32() -> Result<()> {
    with_other_names(Kind::Server).await
}

/// The namespace is `default-a` on one cluster and `default-b` on the other.
async fn with_other_names(kind: Kind) -> Result<()> {
    let weights = [("a", 1), ("b", 1)];
    let mut options = options(kind, &weights)?;
    options.rename = true;
    let mut sandbox = start_with(&options).await?;
    let addresses = sandbox.addresses().clone();
    rust_checklist(&addresses, &weights, |cluster| options.physical("default", cluster)).await?;
    python_checklist(&addresses, &weights, |cluster| options.physical("default", cluster)).await?;
    nothing_was_given_back(&addresses).await?;
    sandbox.stop_all().await;
    Ok(())
}

async fn everything(kind: Kind, weights: &[(&str, u32)]) -> Result<()> {
    let mut sandbox = start(kind, weights).await?;
    let addresses = sandbox.addresses().clone();
    each_cluster_gets_its_share(&addresses, weights).await?;
    rust_checklist(&addresses, weights, |_| "default".to_owned()).await?;
    python_checklist(&addresses, weights, |_| "default".to_owned()).await?;
    nothing_was_given_back(&addresses).await?;
    sandbox.stop_all().await;
    Ok(())
}

async fn each_cluster_gets_its_share(addresses: &Addresses, weights: &[(&str, u32)]) -> Result<()> {
    let client = Client::new(addresses.address)?;
    let ids: Vec<String> = homes("share", STARTS, weights).into_values().flatten().collect();
    futures::stream::iter(&ids)
        .map(|id| client.start(id, "nobody-polls"))
        .buffer_unordered(16)
        .try_collect::<Vec<_>>()
        .await?;
    let total: u32 = weights.iter().map(|(_, weight)| weight).sum();
    for (cluster, (name, weight)) in addresses.clusters.iter().zip(weights) {
        let direct = Client::new(cluster.address)?;
        let expected = f64::from(*weight) / f64::from(total) * 100.0;
        let mut share = 0.0;
        // Visibility comes a little later.
        until("the share of a cluster", Duration::from_secs(30), async || {
            let count = direct.count("TaskQueue = 'nobody-polls'").await.unwrap_or(0);
            share = count as f64 / STARTS as f64 * 100.0;
            (share - expected).abs() <= 2.0
        })
        .await
        .with_context(|| format!("{name} has {share:.1} %, not {expected:.1} ± 2 %"))?;
        println!("{name}: weight {weight} of {total}: {share:.1} % of {STARTS} workflows");
    }
    Ok(())
}

async fn rust_checklist(
    addresses: &Addresses,
    weights: &[(&str, u32)],
    physical: impl Fn(&str) -> String,
) -> Result<()> {
    let mut ids = homes("rust", 800, weights);
    let clusters = addresses.clusters.iter().map(|cluster| Cluster {
        name: cluster.name.clone(),
        address: cluster.address.to_string(),
        namespace: physical(&cluster.name),
        ids: ids.remove(&cluster.name).unwrap_or_default(),
    });
    let report = checklist::run(Target {
        address: addresses.address.to_string(),
        namespace: "default".to_owned(),
        clusters: clusters.collect(),
        without: Vec::new(),
    });
    let report = report.await?;
    println!("{report}");
    report.verdict()
}

async fn python_checklist(
    addresses: &Addresses,
    weights: &[(&str, u32)],
    physical: impl Fn(&str) -> String,
) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk/python");
    let python = std::env::var("PANKO_PYTHON")
        .context("PANKO_PYTHON is not set; run `make e2e`, which makes the Python environment")?;
    let ids = tempfile::NamedTempFile::new()?;
    serde_json::to_writer(&ids, &homes("python", 800, weights))?;
    let mut command = Command::new(python);
    command.arg("checklist.py").current_dir(folder).kill_on_drop(true);
    command.arg("--address").arg(addresses.address.to_string()).arg("--ids").arg(ids.path());
    for cluster in &addresses.clusters {
        command.arg("--cluster").arg(format!(
            "{}={}/{}",
            cluster.name,
            cluster.address,
            physical(&cluster.name)
        ));
    }
    // What the SDK logs goes where it does not hide the table, and is shown when a row failed.
    let output = command.stdin(Stdio::null()).output().await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let logs = String::from_utf8_lossy(&output.stderr);
    let table =
        text.lines().skip_while(|line| !line.trim_start().starts_with("a  ")).collect::<Vec<_>>();
    println!("{}", table.join("\n"));
    ensure!(output.status.success(), "the Python checklist failed:\n{text}\n{logs}");
    Ok(())
}

async fn nothing_was_given_back(addresses: &Addresses) -> Result<()> {
    let metrics = panko_tests::http::get(addresses.control_servers[0].http, "/metrics").await?;
    for lost in ["panko_tasks_given_back_total", "panko_tasks_lost_total"] {
        let sum = panko_tests::http::sum(&metrics, lost);
        ensure!(sum == 0.0, "{lost} is {sum}, with workers all the time");
    }
    let handed = panko_tests::http::sum(&metrics, "panko_tasks_handed_over_total");
    let synced = panko_tests::http::sum(&metrics, "panko_tasks_poll_sync_total");
    println!("{handed} tasks handed over, {:.1} % found a waiting poll", synced / handed * 100.0);
    ensure!(handed > 100.0, "the pool handed over {handed} tasks only");
    Ok(())
}
