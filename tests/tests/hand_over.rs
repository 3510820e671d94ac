//! Two control servers: what one has no worker for goes to the other, a worker that shuts down is heard
//! of by both, and one that stops loses nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Addresses, Kind, Options, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::http;
use panko_tests::sandbox::{homes, options, start_with};
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus as Status;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1 as api;

const EVEN: [(&str, u32); 2] = [("a", 1), ("b", 1)];
const SECOND: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_secs(30);

async fn two_control_servers() -> Result<Sandbox> {
    let even = options(Kind::Cli, &EVEN)?;
    start_with(&Options { control_servers: 2, ..even }).await
}

/// The sum of a metric over one control server.
async fn metric(addresses: &Addresses, server: usize, name: &str) -> f64 {
    let metrics = http::get(addresses.control_servers[server].http, "/metrics").await;
    metrics.map_or(f64::NAN, |metrics| http::sum(&metrics, name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_a_worker_goes_to_the_control_server_that_has_one() -> Result<()> {
    let mut sandbox = two_control_servers().await?;
    let addresses = sandbox.addresses().clone();
    let client = Client::new(addresses.address)?;
    let first = Client::new(addresses.control_servers[0].grpc)?;
    let second = Client::new(addresses.control_servers[1].grpc)?;

    // The first has a poll open on each cluster, and its worker goes.
    let gone = tokio::spawn(async move { first.poll("moved", POLL).await });
    until("a poll is open on each cluster", POLL, async || {
        metric(&addresses, 0, "panko_open_polls").await == 2.0
    })
    .await?;
    gone.abort();
    until("the worker has gone", POLL, async || {
        metric(&addresses, 0, "panko_parked_polls").await == 0.0
    })
    .await?;
    let ids: Vec<String> =
        homes("moved", 20, &EVEN).into_values().map(|ids| ids[0].clone()).collect();
    for id in &ids {
        client.start(id, "moved").await?;
    }
    until("the tasks are held", 3 * SECOND, async || {
        metric(&addresses, 0, "panko_held_tasks").await == 2.0
    })
    .await?;
    for _ in &ids {
        let task = second.poll("moved", POLL).await?.context("a task")?;
        client.complete(task).await?;
    }
    for id in &ids {
        ensure!(client.status(id).await? == Status::Completed, "{id}");
    }
    let passed_on = metric(&addresses, 0, "panko_tasks_passed_on_total").await;
    let given_back = metric(&addresses, 0, "panko_tasks_given_back_total").await;
    ensure!(
        (passed_on, given_back) == (2.0, 0.0),
        "{passed_on} passed on, {given_back} given back"
    );
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_shuts_down_has_its_polls_answered_on_both() -> Result<()> {
    let mut sandbox = two_control_servers().await?;
    let addresses = sandbox.addresses().clone();
    let request = |key: &str| api::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(TaskQueue { name: "leaves".to_owned(), ..Default::default() }),
        worker_instance_key: key.to_owned(),
        ..Default::default()
    };
    let mut polls = Vec::new();
    for server in &addresses.control_servers {
        for key in ["leaving", "staying"] {
            let (client, request) = (Client::new(server.grpc)?, request(key));
            let poll = tokio::spawn(async move {
                let answer = client.call("PollWorkflowTaskQueue", &request, POLL).await;
                answer.map(|answer: api::PollWorkflowTaskQueueResponse| answer.task_token)
            });
            polls.push((key, poll));
        }
    }
    for server in [0, 1] {
        until("the polls are parked", POLL, async || {
            metric(&addresses, server, "panko_parked_polls").await == 2.0
        })
        .await?;
    }
    let client = Client::new(addresses.address)?;
    let shutdown = api::ShutdownWorkerRequest {
        namespace: "default".to_owned(),
        worker_instance_key: "leaving".to_owned(),
        ..Default::default()
    };
    let _: api::ShutdownWorkerResponse = client.call("ShutdownWorker", &shutdown, POLL).await?;
    for (key, poll) in polls {
        if key == "leaving" {
            let token = tokio::time::timeout(2 * SECOND, poll).await.context(key)???;
            ensure!(token.is_empty(), "an empty answer");
        } else {
            ensure!(!poll.is_finished(), "{key}");
            poll.abort();
        }
    }
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn control_servers_that_stop_in_turn_lose_nothing_and_show_no_error_to_callers() -> Result<()>
{
    let mut sandbox = two_control_servers().await?;
    let client = Client::new(sandbox.addresses().address)?;
    let worker = client.clone();
    let worker = tokio::spawn(async move { worker.work("turns", 6).await });
    let starting = client.clone();
    let started = tokio::spawn(async move {
        let ids: Vec<String> = homes("turns", 300, &EVEN).into_values().flatten().collect();
        for id in &ids {
            starting.start(id, "turns").await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(ids)
    });
    for name in ["control-server-1", "control-server-2"] {
        sandbox.restart_part(name).await?;
    }
    for id in started.await?? {
        until(&format!("{id} completes"), 30 * SECOND, async || {
            client.status(&id).await.is_ok_and(|status| status == Status::Completed)
        })
        .await?;
        let lost = client.lost_tasks(&id).await?;
        ensure!(lost.is_empty(), "{id}: {lost:?}");
    }
    worker.abort();
    sandbox.stop_all().await;
    Ok(())
}
