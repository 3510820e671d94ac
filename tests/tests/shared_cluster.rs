//! One cluster that serves a virtual namespace with two of its own: they are told apart everywhere, as if they
//! were on two clusters.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Options};
use panko_tests::bare::{Client, until};
use panko_tests::http;
use panko_tests::sandbox::{homes, options, start_with};
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;
use temporalio_protos::temporal::api::workflowservice::v1 as api;

/// The members, in the order of the configuration.
const MEMBERS: [(&str, u32); 2] = [("default", 1), ("default-2", 1)];
const QUEUE: &str = "shared";
const POLL: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn two_namespaces_of_one_cluster_are_two_members() -> Result<()> {
    let one = options(Kind::Cli, &[("a", 1)])?;
    let shared = Options { clusters: 1, per_cluster: 2, control_servers: 2, ..one };
    let mut sandbox = start_with(&shared).await?;
    let addresses = sandbox.addresses().clone();
    let panko = Client::new(addresses.address)?;
    let [first, second] = [0, 1].map(|n| addresses.control_servers[n].clone());
    let metric = async |name: &str| {
        let metrics = http::get(first.http, "/metrics").await;
        metrics.map_or(f64::NAN, |metrics| http::sum(&metrics, name))
    };

    // Both members' tasks are held by one control server, and offered to the other.
    let gone = Client::new(first.grpc)?;
    let gone = tokio::spawn(async move { gone.poll(QUEUE, POLL).await });
    until("a poll is open on each", POLL, async || metric("panko_open_polls").await == 2.0).await?;
    let metrics = http::get(first.http, "/metrics").await?;
    for member in ["a/default", "a/default-2"] {
        ensure!(metrics.contains(&format!("member=\"{member}\"")), "{metrics}");
    }
    gone.abort();
    until("the worker has gone", POLL, async || metric("panko_parked_polls").await == 0.0).await?;
    let ids = homes("shared", 40, &MEMBERS);
    for ids in ids.values() {
        panko.start(&ids[0], QUEUE).await?;
    }
    until("the tasks are held", POLL, async || metric("panko_held_tasks").await == 2.0).await?;
    let second = Client::new(second.grpc)?;
    for _ in &ids {
        let task = second.poll(QUEUE, POLL).await?.context("a task")?;
        panko.complete(task).await?;
    }
    ensure!(metric("panko_tasks_passed_on_total").await == 2.0, "tasks passed on");

    let worker = panko.clone();
    let worker = tokio::spawn(async move { worker.work(QUEUE, 2).await });
    for id in ids.values().flat_map(|ids| &ids[1..]) {
        panko.start(id, QUEUE).await?;
    }
    for (member, ids) in &ids {
        let own = Client::new(addresses.clusters[0].address)?.with_namespace(member);
        for id in ids {
            until(&format!("{id} completes"), POLL, async || {
                panko.status(id).await.is_ok_and(|status| status == Status::Completed)
            })
            .await?;
        }
        until("its rows are visible", POLL, async || {
            own.count("").await.is_ok_and(|n| n == ids.len() as i64)
        })
        .await?;
    }
    worker.abort();
    let all: api::ListWorkflowExecutionsResponse = panko
        .call(
            "ListWorkflowExecutions",
            &api::ListWorkflowExecutionsRequest {
                namespace: "default".to_owned(),
                ..Default::default()
            },
            POLL,
        )
        .await?;
    ensure!(all.executions.len() == 40, "{} rows", all.executions.len());
    sandbox.stop_all().await;
    Ok(())
}
