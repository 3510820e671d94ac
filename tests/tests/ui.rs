//! The Temporal Web UI, pointed at Panko, in a real browser.
//!
//! Long, and it needs Chromium: `make ui`, which is a part of `make test-all`.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::Kind;
use panko_tests::bare::{Client, until};
use panko_tests::sandbox::start;
use tokio::process::Command;

/// More than a page of the list.
const WORKFLOWS: usize = 110;

fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; run `make ui`"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: make ui"]
async fn the_web_ui_finds_one_cluster() -> Result<()> {
    let mut sandbox = start(Kind::Cli, &[("a", 1), ("b", 1)]).await?;
    let address = sandbox.addresses().address.to_string();
    let panko = Client::new(&address)?;
    for n in 0..WORKFLOWS {
        panko.start(&format!("order-{n:03}"), "nobody-polls").await?;
    }
    for cluster in &sandbox.addresses().clusters {
        let here = Client::new(cluster.address)?;
        until("each cluster has some", Duration::from_secs(20), async || {
            here.count("").await.unwrap_or(0) > 10
        })
        .await?;
    }
    for (schedule, every) in
        [("nightly", "24h"), ("hourly", "1h"), ("weekly", "168h"), ("daily", "25h")]
    {
        let create = format!(
            "schedule create --schedule-id {schedule} --interval {every} --type t --task-queue q --workflow-id {schedule}"
        );
        let mut temporal = Command::new(variable("PANKO_TEMPORAL")?);
        temporal.args(create.split(' ')).args(["--address", &address]);
        ensure!(temporal.stdout(Stdio::null()).status().await?.success(), "{create}");
    }
    let worker = panko.clone();
    let polling = tokio::spawn(async move { worker.work("polled", 2).await });
    until("all are visible", Duration::from_secs(20), async || {
        panko.count("TaskQueue = 'nobody-polls'").await.unwrap_or(0) == WORKFLOWS as i64
    })
    .await?;

    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut ui = Command::new(variable("PANKO_UI")?)
        .args(["--address", &address, "--port", &port.to_string()])
        .kill_on_drop(true)
        .stderr(Stdio::null())
        .spawn()?;
    until("the UI answers", Duration::from_secs(20), async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await?;
    let output = Command::new(variable("PANKO_UI_PYTHON")?)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/ui/check.py"))
        .args(["--ui", &format!("http://127.0.0.1:{port}"), "--workflows", &WORKFLOWS.to_string()])
        .args(["--chromium", &variable("PANKO_CHROMIUM")?])
        .args(["--pictures", &variable("PANKO_UI_PICTURES")?])
        .kill_on_drop(true)
        .output()
        .await?;
    println!("{}", String::from_utf8_lossy(&output.stdout));
    polling.abort();
    ui.kill().await?;
    sandbox.stop_all().await;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
