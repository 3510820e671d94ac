//! The `panko` command as a user types it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::Kind;
use panko_tests::bare::{Client, until};
use panko_tests::http;
use panko_tests::sandbox::start;
use tokio::process::{Child, Command};

fn panko(arguments: &[&str]) -> Result<Command> {
    let program = std::env::var("PANKO_BIN").context("PANKO_BIN is not set; run `make e2e`")?;
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true).stdin(Stdio::null());
    Ok(command)
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `panko dev`, once it has written its addresses to `json`, and those.
async fn dev(json: &Path) -> Result<(Child, serde_json::Value)> {
    let child = panko(&["dev", "--headless", "--quiet", "--json", &json.display().to_string()])?
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    until("the addresses", Duration::from_secs(60), async || json.exists()).await?;
    Ok((child, serde_json::from_slice(&std::fs::read(json)?)?))
}

async fn interrupt(child: &Child) -> Result<()> {
    signal(child, "-INT").await
}

async fn signal(child: &Child, signal: &str) -> Result<()> {
    let id = child.id().context("it has ended")?.to_string();
    ensure!(Command::new("kill").args([signal, &id]).status().await?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_is_ready_when_it_says_so_and_leaves_nothing_behind() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let json = folder.path().join("addresses.json");
    let (mut dev, addresses) = dev(&json).await?;
    let address = addresses["address"].as_str().context("an address")?.to_owned();
    // Ready means ready: the first call succeeds.
    Client::new(&address)?.start("first", "nobody-polls").await?;

    // A second one on the same port says whose it is.
    let port = address.rsplit_once(':').map_or("", |(_, port)| port);
    let taken = panko(&["dev", "--port", port])?.output().await?;
    ensure!(!taken.status.success() && said(&taken).contains(port), "{}", said(&taken));

    interrupt(&dev).await?;
    let status = dev.wait().await?;
    ensure!(status.success(), "{status}");
    ensure!(!json.exists(), "the addresses are still there");
    let data = addresses["data_dir"].as_str().context("a data_dir")?;
    ensure!(!std::path::Path::new(data).exists(), "{data} is still there");
    let mut ports = vec![address];
    for cluster in addresses["clusters"].as_array().context("clusters")? {
        ports.push(cluster["address"].as_str().context("an address")?.to_owned());
    }
    for port in ports {
        ensure!(tokio::net::TcpStream::connect(&port).await.is_err(), "{port} still answers");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_ends_when_a_part_ends_and_says_which() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (dev, addresses) = dev(&folder.path().join("addresses.json")).await?;
    let admin = addresses["envoy_admin"].as_str().context("an admin address")?;
    let quit = b"POST /quitquitquit HTTP/1.1\r\nHost: panko\r\nContent-Length: 0\r\n\r\n";
    let mut envoy = tokio::net::TcpStream::connect(admin).await?;
    tokio::io::AsyncWriteExt::write_all(&mut envoy, quit).await?;
    let output = tokio::time::timeout(Duration::from_secs(30), dev.wait_with_output()).await??;
    ensure!(!output.status.success() && said(&output).contains("envoy"), "{}", said(&output));
    Ok(())
}

#[tokio::test]
async fn a_missing_program_is_named_with_how_to_get_it() -> Result<()> {
    let output = panko(&["dev", "--temporal", "/nowhere/temporal"])?.output().await?;
    let said = said(&output);
    ensure!(!output.status.success(), "{said}");
    ensure!(said.contains("/nowhere/temporal") && said.contains("go install"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_good_members_from_bad_ones() -> Result<()> {
    let mut sandbox = start(Kind::Cli, &[("a", 1), ("b", 1)]).await?;
    let good = sandbox.data_dir().join("panko.yaml");
    let good_text = std::fs::read_to_string(&good)?;
    let good = good.display().to_string();
    let output = panko(&["check", "--config", &good, "--output", "json"])?.output().await?;
    ensure!(output.status.success(), "{}", said(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    ensure!(report["members"].as_array().is_some_and(|members| members.len() == 2), "{report}");

    let bad = tempfile::NamedTempFile::new()?;
    std::fs::write(bad.path(), good_text.replace("name: default", "name: missing"))?;
    let bad_path = bad.path().display().to_string();
    let output = panko(&["check", "--config", &bad_path])?.output().await?;
    let told = said(&output);
    ensure!(
        !output.status.success() && told.contains("temporal operator namespace create missing"),
        "{told}"
    );

    sandbox.stop_part("b").await?;
    let output = panko(&["check", "--config", &good])?.output().await?;
    let told = said(&output);
    ensure!(!output.status.success() && told.contains("is it up?"), "{told}");
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_what_waits_and_a_second_signal_ends_a_stop_at_once() -> Result<()> {
    let mut sandbox = start(Kind::Cli, &[("a", 1), ("b", 1)]).await?;
    let config = sandbox.data_dir().join("panko.yaml");
    let server = sandbox.addresses().control_servers[0].clone();
    // In its place one that this test can send signals to.
    sandbox.stop_part("control-server").await?;
    let config = config.display().to_string();
    let mut serving = panko(&["serve", "--config", &config])?.stderr(Stdio::piped()).spawn()?;
    let ready = async || http::get(server.http, "/readyz").await.is_ok();
    until("it is ready", Duration::from_secs(20), ready).await?;

    let worker = Client::new(server.grpc)?;
    let waiting = worker.clone();
    let poll = tokio::spawn(async move { waiting.poll("seen", Duration::from_secs(60)).await });
    until("a poll is open on each cluster", Duration::from_secs(20), async || {
        let metrics = http::get(server.http, "/metrics").await.unwrap_or_default();
        http::sum(&metrics, "panko_open_polls") == 2.0
    })
    .await?;
    let asked = ["status", "polls", "--config", &config, "--output", "json"];
    let output = panko(&asked)?.output().await?;
    ensure!(output.status.success(), "{}", said(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let pool = &report["pools"][0];
    ensure!(pool["task_queue"] == "seen" && pool["parked_polls"] == 1, "{report}");
    ensure!(pool["open_polls"] == serde_json::json!({ "a": 1, "b": 1 }), "{report}");

    // Its polls are open, so a stop waits for them; the second signal does not.
    signal(&serving, "-TERM").await?;
    let stopping = async || http::get(server.http, "/readyz").await.is_err();
    until("it leaves readiness", Duration::from_secs(5), stopping).await?;
    ensure!(serving.try_wait()?.is_none(), "it has not waited for its polls");
    signal(&serving, "-TERM").await?;
    let output = tokio::time::timeout(Duration::from_secs(2), serving.wait_with_output()).await??;
    ensure!(
        !output.status.success() && said(&output).contains("second signal"),
        "{}",
        said(&output)
    );
    poll.abort();
    let silent = panko(&["status", "polls", "--config", &config])?.output().await?;
    ensure!(!silent.status.success() && said(&silent).contains("does it run"), "{}", said(&silent));
    sandbox.stop_all().await;
    Ok(())
}
