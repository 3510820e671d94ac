//! Clusters, members and weights become what a panko.yaml says while everything runs: no control server and no Envoy is
//! started again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::config::{self, Config};
use panko_control_server::dev::{Kind, Options, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::operator::Operator;
use panko_tests::sandbox::{homes, options, start_with};
use tonic::Code;

const SECOND: Duration = Duration::from_secs(1);

/// Two members, and a third cluster that nobody knows of.
async fn sandbox() -> Result<Sandbox> {
    let two = options(Kind::Cli, &[("a", 1), ("b", 1)])?;
    start_with(&Options { spare: 1, namespaces: vec!["orders".to_owned()], ..two }).await
}

fn orders(address: SocketAddr) -> Result<Client> {
    Ok(Client::new(address)?.with_namespace("orders"))
}

/// The sandbox's own panko.yaml, to be edited.
struct File {
    path: PathBuf,
    config: Config,
}

impl File {
    fn of(sandbox: &Sandbox) -> Result<Self> {
        let config = Config::load(&sandbox.data_dir().join("panko.yaml"))?;
        Ok(Self { path: sandbox.data_dir().join("wanted.yaml"), config })
    }

    fn write(&self) -> Result<&Path> {
        std::fs::write(&self.path, serde_saphyr::to_string(&self.config)?)?;
        Ok(&self.path)
    }

    fn member(&mut self, cluster: &str, weight: u32) -> Result<()> {
        let namespace = self.config.namespaces.first_mut().context("a namespace")?;
        namespace.members.retain(|member| member.cluster != cluster);
        let (cluster, state) = (cluster.to_owned(), config::MemberState::Active);
        namespace.members.push(config::Member { cluster, namespace: None, weight, state });
        Ok(())
    }

    /// The third cluster, as a member with this weight.
    fn with_c(sandbox: &Sandbox, weight: u32) -> Result<Self> {
        let mut file = Self::of(sandbox)?;
        let address = sandbox.addresses().clusters.get(2).context("c")?.address.to_string();
        let like = file.config.clusters.first().context("a")?.clone();
        let c = config::Cluster { name: "c".to_owned(), address, nexus_callback_url: None, ..like };
        file.config.clusters.push(c);
        file.member("c", weight)?;
        file.config.namespaces[0].create = true;
        Ok(file)
    }
}

async fn apply(operator: &Operator, file: &File, more: &[&str]) -> Result<serde_json::Value> {
    let path = file.write()?.to_string_lossy().into_owned();
    operator.bare(&[&["apply", "--file", &path], more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_joins_and_another_leaves_while_all_run() -> Result<()> {
    let mut sandbox = sandbox().await?;
    let operator = Operator::of(&sandbox)?;
    let client = orders(sandbox.addresses().address)?;
    let file = File::with_c(&sandbox, 1)?;

    // Nobody has the namespace on c yet. A dry run says so and does nothing.
    let told = apply(&operator, &file, &["--dry-run"]).await?;
    let text = told.to_string();
    for part in ["+ cluster c at", "orders on c is registered", "c joins with the weight 1"] {
        ensure!(text.contains(part), "{part}: {told:#}");
    }
    ensure!(told["problems"].as_array().is_some_and(Vec::is_empty), "{told:#}");
    ensure!(operator.owned().await? == [2048, 2048], "{:?}", operator.owned().await?);

    apply(&operator, &file, &["--why", "a test"]).await?;
    ensure!(operator.owned().await? == [1366, 1365, 1365], "{:?}", operator.owned().await?);
    let ids = ids_of(&operator, "joins", 40).await?;
    let id = ids.iter().find(|(_, owner)| owner == "c").context("c owns some")?.0.clone();
    client.start(&id, "joined").await?;
    let c = orders(sandbox.addresses().clusters[2].address)?;
    c.status(&id).await.context("it is on c")?;
    client.status(&id).await.context("Envoy goes there, by its cluster and by its chain")?;
    let again = apply(&operator, &file, &[]).await?;
    ensure!(again["changes"].as_array().is_some_and(Vec::is_empty), "{again:#}");

    // A worker that waits gets what the new cluster has.
    let task = client.poll("joined", 20 * SECOND).await?.context("it waits there")?;
    ensure!(task.workflow_execution.is_some_and(|of| of.workflow_id == id), "its task");

    // a leaves. It has a workflow, so it stays until that is given up.
    let on_a = ids.iter().find(|(_, owner)| owner == "a").context("a owns some")?.0.clone();
    client.start(&on_a, "nobody").await?;
    let mut file = file;
    file.config.clusters.retain(|cluster| cluster.name != "a");
    file.config.namespaces[0].members.retain(|member| member.cluster != "a");
    let told = apply(&operator, &file, &[]).await?;
    ensure!(
        told.to_string().contains("orders/a stays: it may hold workflows of 2048 slots"),
        "{told:#}"
    );
    ensure!(told.to_string().contains(&on_a), "what it has is named: {told:#}");
    ensure!(operator.owned().await? == [0, 2048, 2048], "{:?}", operator.owned().await?);
    client.status(&on_a).await.context("it is found where it began")?;
    apply(&operator, &file, &["--abandon", "orders/a"]).await?;
    ensure!(operator.owned().await? == [2048, 2048], "{:?}", operator.owned().await?);
    let gone = client.status(&on_a).await.expect_err("it was left behind");
    ensure!(gone.code() == Code::NotFound, "{gone}");
    client.status(&id).await.context("c's are found as before")?;

    // All of it is in the store: a control server that starts with the first file undoes nothing.
    sandbox.kill_part("control-server").await?;
    sandbox.start_part("control-server").await?;
    ensure!(operator.owned().await? == [2048, 2048], "{:?}", operator.owned().await?);
    client.status(&id).await.context("c is still there")?;
    let history = operator.run(&["history"]).await?;
    ensure!(
        history.to_string().contains("leaves, and leaves behind: 1 of kind workflow"),
        "{history:#}"
    );
    let applied = operator.run(&["history", "--applied"]).await?;
    ensure!(applied[0]["what"] == "clusters b, c; namespaces orders", "{applied:#}");
    sandbox.stop_all().await;
    Ok(())
}

/// Ids, and who owns their slots.
async fn ids_of(operator: &Operator, prefix: &str, count: usize) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for n in 0..count {
        let id = format!("{prefix}-{n}");
        let told = operator.run(&["explain", "--workflow-id", &id]).await?;
        let owner = told["owner"].as_str().context("an owner")?.to_owned();
        let enough = |owner: &str| found.iter().filter(|(_, of)| of == owner).count() > 1;
        if !enough(&owner) {
            found.push((id, owner));
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_applied_is_told_and_changes_nothing() -> Result<()> {
    let mut sandbox = sandbox().await?;
    let operator = Operator::of(&sandbox)?;
    let problem = async |file: &File| {
        let told = apply(&operator, file, &[]).await.expect_err("it cannot be");
        anyhow::Ok(told.to_string())
    };
    let mut file = File::with_c(&sandbox, 1)?;
    file.config.namespaces[0].create = false;
    let told = problem(&file).await?;
    ensure!(told.contains("namespace orders is not there; set create: true"), "{told}");

    let mut file = File::with_c(&sandbox, 1)?;
    file.config.clusters[2].address = "127.0.0.1:1".to_owned();
    let told = problem(&file).await?;
    ensure!(told.contains("orders on c") && told.contains("is its address right"), "{told}");

    // An address that leads to another cluster, and one that two have.
    let mut file = File::with_c(&sandbox, 1)?;
    file.config.clusters[0].address = file.config.clusters[1].address.clone();
    let told = problem(&file).await?;
    ensure!(told.contains("orders on a: it is another namespace"), "{told}");
    ensure!(told.contains("is the same namespace as"), "{told}");
    let mut file = File::of(&sandbox)?;
    file.config.clusters[0].address = "127.0.0.1:1".to_owned();
    let told = problem(&file).await?;
    ensure!(told.contains("orders on a") && told.contains("is its address right"), "{told}");

    let mut file = File::of(&sandbox)?;
    file.config.namespaces[0].name = "other".to_owned();
    let told = problem(&file).await?;
    ensure!(told.contains("--abandon orders"), "{told}");
    ensure!(operator.owned().await? == [2048, 2048], "{:?}", operator.owned().await?);
    let history = operator.run(&["history"]).await?;
    ensure!(!history.to_string().contains("joins"), "{history:#}");
    sandbox.stop_all().await;
    Ok(())
}

/// The other cluster's ids, whoever started them: a namespace that is in use becomes one of Panko's, and is left again.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_in_use_is_adopted_and_left_again() -> Result<()> {
    // One cluster, with clients that know nothing of Panko.
    let one = options(Kind::Cli, &[("a", 1)])?;
    let one = Options {
        clusters: 1,
        spare: 1,
        scan_every_seconds: 1,
        namespaces: vec!["orders".to_owned()],
        ..one
    };
    let mut sandbox = start_with(&one).await?;
    let operator = Operator::of(&sandbox)?;
    let [a, b] = [0, 1].map(|n| sandbox.addresses().clusters[n].address);
    let direct = orders(a)?;
    for id in ["before-1", "before-2"] {
        direct.start(id, "old").await?;
    }
    let client = orders(sandbox.addresses().address)?;
    client.status("before-1").await.context("its history is there from the first call")?;

    // A second cluster joins, and starts look everywhere while some clients still go to a directly.
    let mut file = File::of(&sandbox)?;
    let like = file.config.clusters[0].clone();
    let (name, address) = ("b".to_owned(), b.to_string());
    let cluster = config::Cluster { name, address, nexus_callback_url: None, ..like };
    file.config.clusters.push(cluster);
    file.member("b", 1)?;
    file.config.namespaces[0].create = true;
    file.config.namespaces[0].locate_before_start = true;
    apply(&operator, &file, &[]).await?;
    ensure!(operator.owned().await? == [2048, 2048], "{:?}", operator.owned().await?);
    let ids = homes("adopted", 40, &[("a", 1), ("b", 1)]);
    let (on_b, other) = (&ids["b"][0], &ids["b"][1]);
    for id in ["before-1", "before-2"] {
        client.status(id).await.context("what was there before is found")?;
        let again = client.start_as(id, "old", "again").await.expect_err("it is open");
        ensure!(again.code() == Code::AlreadyExists, "{again}");
    }
    client.start(on_b, "new").await?;
    orders(b)?.status(on_b).await.context("it is on b")?;
    direct.start(other, "old").await?;
    client.status(other).await.context("what a client started directly is found on a")?;
    let again = client.start_as(other, "old", "again").await.expect_err("it is open on a");
    ensure!(again.code() == Code::AlreadyExists, "{again}");
    let verified = operator.run(&["verify"]).await?;
    ensure!(verified["duplicates_in_all"] == 0, "{verified}");

    // Back: b leaves, and when it is empty clients may go to a again, where everything is.
    file.config.namespaces[0].members.retain(|member| member.cluster != "b");
    file.config.clusters.retain(|cluster| cluster.name != "b");
    let told = apply(&operator, &file, &[]).await?;
    ensure!(told.to_string().contains("orders/b stays"), "{told:#}");
    ensure!(operator.owned().await? == [4096, 0], "{:?}", operator.owned().await?);
    client.start("after", "new").await?;
    direct.status("after").await.context("it is on a, in sight of those that go there")?;
    client.delete(on_b).await?;
    until("b is empty and leaves", 60 * SECOND, async || {
        apply(&operator, &file, &[]).await.is_ok()
            && operator.owned().await.is_ok_and(|owned| owned == [4096])
    })
    .await?;
    for id in ["before-1", "before-2", "after", other] {
        direct.status(id).await.context("all that lives is on a")?;
    }
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_that_lacks_a_cluster_holds_up_the_change_and_no_call() -> Result<()> {
    let two = options(Kind::Cli, &[("a", 1), ("b", 1)])?;
    let namespaces = vec!["orders".to_owned()];
    let two = Options { spare: 1, static_envoy: true, namespaces, ..two };
    let mut sandbox = start_with(&two).await?;
    let operator = Operator::of(&sandbox)?;
    let client = orders(sandbox.addresses().address)?;
    apply(&operator, &File::with_c(&sandbox, 1)?, &["--no-wait"]).await?;
    // Longer than an acknowledgement takes that waits for nothing.
    tokio::time::sleep(3 * SECOND).await;
    let placement = operator.run(&["status", "placement"]).await?;
    ensure!(placement["handover"] != 0 && placement["members"][2]["owned"] == 0, "{placement:#}");
    ensure!(placement["waits_for"].to_string().contains("envoy-1"), "{placement:#}");
    for n in 0..20 {
        client.start(&format!("held-{n}"), "nobody").await?;
        client.status(&format!("held-{n}")).await?;
    }
    operator.run(&["cancel"]).await?;
    sandbox.stop_all().await;
    Ok(())
}
