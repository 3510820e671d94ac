//! What operators are told, and what Panko tells by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Options, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::http;
use panko_tests::operator::Operator;
use panko_tests::sandbox::{homes, options, start_with};
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::workflowservice::v1 as api;

const SECOND: Duration = Duration::from_secs(1);
const EVEN: [(&str, u32); 2] = [("a", 1), ("b", 1)];

async fn metric(sandbox: &Sandbox, name: &str) -> Option<f64> {
    let address = sandbox.addresses().control_servers.first()?.http;
    let metrics = http::get(address, "/metrics").await.ok()?;
    http::series(&metrics, name).next().map(|(_, value)| value)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_open_twice_is_seen_without_being_asked_for() -> Result<()> {
    let even = options(Kind::Cli, &EVEN)?;
    let mut sandbox = start_with(&Options { verify_seconds: 1, ..even }).await?;
    let clusters = sandbox.addresses().clusters.clone();
    let clients: Result<Vec<_>> = clusters.iter().map(|c| Client::new(c.address)).collect();
    let clients = clients?;
    let is = async |name: &str, value: f64| metric(&sandbox, name).await == Some(value);
    until("nothing is found at first", 30 * SECOND, async || {
        is("panko_verify_duplicates", 0.0).await
    })
    .await?;
    let at = metric(&sandbox, "panko_verify_last_whole_seconds").await.context("a time")?;
    ensure!(at > 1.7e9, "{at}");
    for client in &clients {
        client.start("twice", "nobody-polls").await?;
        client.start(&format!("once at {client:p}"), "nobody-polls").await?;
    }
    until("it is found", 30 * SECOND, async || is("panko_verify_duplicates", 1.0).await).await?;
    ensure!(is("panko_verify_incomplete", 0.0).await, "both were looked at");
    let away = metric(&sandbox, "panko_verify_away").await.context("how many are away")?;
    ensure!(away >= 1.0, "one of the two has nothing to do with its slot: {away}");

    terminate(&clients[1], "twice").await?;
    until("it is over", 30 * SECOND, async || is("panko_verify_duplicates", 0.0).await).await?;
    sandbox.stop_all().await;
    Ok(())
}

async fn terminate(client: &Client, id: &str) -> Result<()> {
    let end = api::TerminateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(WorkflowExecution {
            workflow_id: id.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let _: api::TerminateWorkflowExecutionResponse =
        client.call("TerminateWorkflowExecution", &end, 10 * SECOND).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_ends_here_and_begins_there_is_no_duplicate() -> Result<()> {
    let mut sandbox = start_with(&options(Kind::Cli, &EVEN)?).await?;
    let operator = Operator::of(&sandbox)?;
    let clusters = sandbox.addresses().clusters.clone();
    let clients: Result<Vec<_>> = clusters.iter().map(|c| Client::new(c.address)).collect();
    let clients = clients?;
    // Many, so that the lists, which are of different moments, have some of them both.
    let changing = (0..20).map(|id| {
        let clients = clients.clone();
        tokio::spawn(async move {
            let id = format!("changes-{id}");
            for n in 0.. {
                let client = &clients[n % 2];
                client.start_as(&id, "nobody-polls", &format!("{id} {n}")).await?;
                terminate(client, &id).await?;
            }
            anyhow::Ok(())
        })
    });
    let changing: Vec<_> = changing.collect();
    for _ in 0..20 {
        let verified = operator.run(&["verify"]).await?;
        ensure!(verified["duplicates_in_all"] == 0, "{verified}");
        ensure!(changing.iter().all(|one| !one.is_finished()), "they still change");
    }
    changing.iter().for_each(tokio::task::JoinHandle::abort);
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_explained_and_what_each_filter_does() -> Result<()> {
    let mut sandbox = start_with(&options(Kind::Cli, &EVEN)?).await?;
    let operator = Operator::of(&sandbox)?;
    let client = Client::new(sandbox.addresses().address)?;
    let id = &homes("explained", 20, &EVEN)["b"][0];
    let run = client.start(id, "explained").await?;
    let task = client.poll("explained", 30 * SECOND).await?.context("a task")?;
    let token = base64(&task.task_token);
    let told = operator.run(&["explain", "--task-token", &token]).await?;
    ensure!(told["token"]["member"] == "b" && told["token"]["run_id"] == run.as_str(), "{told}");
    ensure!(told["id"] == id.as_str() && told["owner"] == "b", "{told}");
    ensure!(told["members"][1]["marks"] == serde_json::json!(["owner"]), "{told}");
    ensure!(told["filters"][0]["starts"] == "straight to b", "{told}");
    let wrong = operator.run(&["explain", "--task-token", "bm90aGluZw=="]).await;
    ensure!(wrong.is_err_and(|e| e.to_string().contains("no task token")), "it is none");

    // An Envoy that hears nothing goes on by what it has, and that is what is told of it.
    sandbox.hang_part("envoy", true)?;
    operator.run(&["cordon", "a"]).await?;
    operator
        .run(&["move", "--from", "b", "--to", "a", "--slots", "1"])
        .await
        .err()
        .context("cordoned")?;
    operator.run(&["uncordon", "a"]).await?;
    operator.run(&["drain", "b", "--no-wait"]).await?;
    let told = operator.run(&["explain", "--workflow-id", id]).await?;
    ensure!(told["to"] == "a" && told["starts"] != "straight to b", "{told}");
    let marks = serde_json::json!(["owner", "weight 0"]);
    ensure!(told["members"][1]["marks"] == marks, "{told}");
    let filters = told["filters"].as_array().context("filters")?;
    ensure!(filters.iter().all(|filter| filter["starts"] == "straight to b"), "{told}");
    ensure!(filters[0]["version"].as_u64() < told["version"].as_u64(), "{told}");
    sandbox.hang_part("envoy", false)?;
    until("they all do the new", 30 * SECOND, async || {
        let told = operator.run(&["explain", "--workflow-id", id]).await;
        told.is_ok_and(|told| {
            told["owner"] == "a" && told["filters"][0]["starts"] == told["starts"]
        })
    })
    .await?;
    sandbox.stop_all().await;
    Ok(())
}

/// Starts one workflow after the other, whatever comes of it.
async fn start_again_and_again(client: Client) {
    for n in 0.. {
        let client = client.clone();
        tokio::spawn(async move {
            let started = client.start(&format!("ring-{n}"), "nobody-polls").await;
            drop(started);
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_goes_ring_by_ring_and_back_when_a_cluster_hangs() -> Result<()> {
    let rings = vec!["c=1".parse().map_err(anyhow::Error::msg)?];
    let three = options(Kind::Cli, &[("a", 1), ("b", 0), ("c", 0)])?;
    let mut sandbox = start_with(&Options { clusters: 3, rings, ..three }).await?;
    let operator = Operator::of(&sandbox)?;
    let load = tokio::spawn(start_again_and_again(Client::new(sandbox.addresses().address)?));
    let by_ring = ["move", "--by-ring", "--from", "a", "--share", "50%", "--soak", "5s"];
    let to = |to: &'static str| [&by_ring[..], &["--to", to]].concat();

    let plan = operator.run(&[&to("b,c")[..], &["--dry-run"]].concat()).await?;
    let rings: Vec<_> =
        plan.as_array().context("steps")?.iter().map(|step| &step["ring"]).collect();
    ensure!(rings == [0, 0, 0, 1], "{plan}");
    let steps = operator.run(&to("b,c")).await?;
    let steps = steps.as_array().context("steps")?;
    ensure!(steps.len() == 4, "{steps:?}");
    for step in steps {
        let b = &step["health"]["members"][0];
        ensure!(b["member"] == "b" && b["starts"].as_f64() > Some(0.0), "{step}");
        ensure!(b["failed"] == 0.0 && step["tripped"].is_null(), "{step}");
    }
    ensure!(operator.owned().await? == [2048, 1024, 1024], "{:?}", operator.owned().await?);

    sandbox.hang_part("b", true)?;
    let tripped = operator.run(&to("b")).await.err().context("b hangs")?.to_string();
    ensure!(tripped.contains("starts at b have failed"), "{tripped}");
    ensure!(tripped.contains("gone back to a"), "{tripped}");
    ensure!(operator.owned().await? == [2048, 1024, 1024], "{:?}", operator.owned().await?);
    sandbox.hang_part("b", false)?;

    // One that answers, but not in time.
    let strict = operator.run(&[&to("c")[..], &["--max-start-p99", "0s"]].concat()).await;
    let strict = strict.err().context("no start takes no time")?.to_string();
    ensure!(strict.contains("took longer") && strict.contains("gone back"), "{strict}");
    ensure!(operator.owned().await? == [2048, 1024, 1024], "{:?}", operator.owned().await?);
    load.abort();
    sandbox.stop_all().await;
    Ok(())
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let group = three.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = letters[(group >> (18 - 6 * at) & 63) as usize];
            text.push(if at > three.len() { '=' } else { letter.into() });
        }
    }
    text
}
