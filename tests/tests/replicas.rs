//! Several control servers behind one Envoy: which one has which polls, and what a client sees when
//! one of them goes.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::future::{join_all, try_join_all};
use panko_control_server::dev::{Addresses, Kind, Options, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::http;
use panko_tests::sandbox::{options, start_with};
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::Code;

const SECOND: Duration = Duration::from_secs(1);
/// What SDKs ask for.
const POLL: Duration = Duration::from_secs(70);
/// So many that the ring gives each of two control servers some.
const QUEUES: usize = 24;
const PARTS: u32 = 16;
/// Envoy's workers take turns at connections.
const CONNECTIONS: usize = 6;

async fn two_control_servers() -> Result<Sandbox> {
    let spread = vec![("hot".to_owned(), PARTS)];
    let even = options(Kind::Cli, &[("a", 1), ("b", 1)])?;
    let sandbox = start_with(&Options { control_servers: 2, spread, ..even }).await?;
    healthy(sandbox.addresses(), 2.0).await?;
    Ok(sandbox)
}

fn clients(addresses: &Addresses) -> Result<Vec<Client>> {
    (0..CONNECTIONS).map(|_| Client::new(addresses.address)).collect()
}

/// How many polls each control server has; none where it does not answer.
async fn parked(addresses: &Addresses) -> [usize; 2] {
    let parked = addresses.control_servers.iter().map(async |server| {
        let metrics = http::get(server.http, "/metrics").await.unwrap_or_default();
        http::sum(&metrics, "panko_parked_polls") as usize
    });
    join_all(parked).await.try_into().unwrap_or_default()
}

/// Waits until so many polls are parked in all, and says where.
async fn all_parked(addresses: &Addresses, polls: usize) -> Result<[usize; 2]> {
    let mut here = [0; 2];
    until("all polls are parked", 15 * SECOND, async || {
        here = parked(addresses).await;
        here.iter().sum::<usize>() == polls
    })
    .await
    .with_context(|| format!("{here:?} are, of {polls}"))?;
    Ok(here)
}

/// Polls until a task comes, and completes it. Says how often it was told UNAVAILABLE; anything
/// worse is an error.
async fn one_task(client: Client, queue: String) -> Result<usize> {
    let mut unavailable = 0;
    loop {
        match client.poll(&queue, POLL).await {
            Ok(Some(task)) => {
                client.complete(task).await?;
                return Ok(unavailable);
            }
            Ok(None) => {}
            Err(status) if status.code() == Code::Unavailable => unavailable += 1,
            Err(status) => bail!("a poll of {queue}: {status}"),
        }
        // Like an SDK, and so that the metrics below are read between two polls.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// One worker for each of `QUEUES` queues with this prefix.
fn workers(clients: &[Client], prefix: &str) -> Vec<JoinHandle<Result<usize>>> {
    let worker = |n: usize| {
        let client = clients[n % CONNECTIONS].clone();
        tokio::spawn(one_task(client, format!("{prefix}-{n}")))
    };
    (0..QUEUES).map(worker).collect()
}

/// Starts a workflow on each queue with this prefix.
async fn a_task_for_each(client: &Client, prefix: &str) -> Result<()> {
    let starts = (0..QUEUES).map(async |n| {
        let queue = format!("{prefix}-{n}");
        client.start(&format!("workflow-{queue}"), &queue).await
    });
    try_join_all(starts).await?;
    Ok(())
}

/// What the workers were told, once each has had its task.
async fn told(workers: Vec<JoinHandle<Result<usize>>>) -> Result<Vec<usize>> {
    let all = tokio::time::timeout(30 * SECOND, try_join_all(workers));
    all.await.context("not every worker got its task")??.into_iter().collect()
}

/// Waits until Envoy takes so many control servers for healthy.
async fn healthy(addresses: &Addresses, servers: f64) -> Result<()> {
    until("Envoy has seen which are there", 10 * SECOND, async || {
        let stats = http::get(addresses.envoy_admin, "/stats/prometheus").await.unwrap_or_default();
        let mut healthy = http::series(&stats, "envoy_cluster_membership_healthy");
        healthy.any(|(labels, n)| labels.contains("panko-control-server") && n == servers)
    })
    .await
}

/// Calls that any control server answers.
async fn calls_are_answered(client: &Client) -> Result<()> {
    for n in 0..50 {
        let request = api::GetSystemInfoRequest::default();
        let answer = client.call("GetSystemInfo", &request, 5 * SECOND).await;
        let _: api::GetSystemInfoResponse = answer.with_context(|| format!("call {n}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_of_one_queue_meet_and_those_of_many_or_of_a_spread_one_do_not() -> Result<()> {
    let mut sandbox = two_control_servers().await?;
    let addresses = sandbox.addresses().clone();
    let clients = clients(&addresses)?;
    let mut before = [0; 2];
    let mut polls = Vec::new();
    let mut more = async |queue: &dyn Fn(usize) -> String| -> Result<[usize; 2]> {
        for n in 0..QUEUES {
            let (client, queue) = (clients[n % CONNECTIONS].clone(), queue(n));
            polls.push(tokio::spawn(async move { client.poll(&queue, POLL).await.map(drop) }));
        }
        let now = all_parked(&addresses, polls.len()).await?;
        let [first, second] = [now[0] - before[0], now[1] - before[1]];
        before = now;
        Ok([first, second])
    };

    let [first, second] = more(&|_| "one".to_owned()).await?;
    println!("{QUEUES} polls of one queue: {first} and {second}");
    ensure!(first == 0 || second == 0, "one queue is in two pools: {first} and {second}");
    let [first, second] = more(&|n| format!("many-{n}")).await?;
    println!("{QUEUES} queues: {first} and {second}");
    ensure!(first > 0 && second > 0, "all queues are in one place: {first} and {second}");
    let [first, second] = more(&|_| "hot".to_owned()).await?;
    println!("{QUEUES} polls of a spread queue: {first} and {second}");
    ensure!(first > 0 && second > 0, "a spread queue is in one place: {first} and {second}");
    polls.iter().for_each(JoinHandle::abort);
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_one_is_killed_the_other_has_its_polls_at_once() -> Result<()> {
    let mut sandbox = two_control_servers().await?;
    let addresses = sandbox.addresses().clone();
    let clients = clients(&addresses)?;
    let before = workers(&clients, "kill");
    let [lost, _] = all_parked(&addresses, QUEUES).await?;
    ensure!(lost > 0, "the one that is killed has no poll");

    sandbox.kill_part("control-server-1").await?;
    let after = workers(&clients, "after");
    calls_are_answered(&clients[0]).await?;
    let [none, here] = all_parked(&addresses, 2 * QUEUES).await?;
    ensure!((none, here) == (0, 2 * QUEUES), "{none} and {here}");
    a_task_for_each(&clients[0], "kill").await?;
    a_task_for_each(&clients[0], "after").await?;
    // Who was parked there was told once; nobody else was told anything.
    let told_before = told(before).await?;
    ensure!(told_before.iter().sum::<usize>() == lost, "{lost} were lost: {told_before:?}");
    ensure!(told_before.iter().all(|&times| times <= 1), "{told_before:?}");
    let told_after = told(after).await?;
    ensure!(told_after.iter().all(|&times| times == 0), "after the kill: {told_after:?}");

    // Nobody tries it in vain any more; back again, it gets its queues back.
    healthy(&addresses, 1.0).await?;
    sandbox.start_part("control-server-1").await?;
    healthy(&addresses, 2.0).await?;
    until("polls go to it", 10 * SECOND, async || {
        let poll =
            async |n: usize| clients[0].poll(&format!("again-{n}"), 3 * SECOND).await.map(drop);
        let polls = join_all((0..QUEUES).map(poll));
        let seen = async {
            tokio::time::sleep(SECOND).await;
            parked(&addresses).await[0] > 0
        };
        tokio::join!(polls, seen).1
    })
    .await?;
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_one_stops_goes_to_the_other_unnoticed() -> Result<()> {
    let mut sandbox = two_control_servers().await?;
    let addresses = sandbox.addresses().clone();
    let clients = clients(&addresses)?;
    let before = workers(&clients, "before");
    let [there, _] = all_parked(&addresses, QUEUES).await?;
    ensure!(there > 0, "the one that is stopped has no poll");

    let stopping = addresses.control_servers[0].grpc;
    let during = async {
        until("it listens no more", 30 * SECOND, async || {
            TcpStream::connect(stopping).await.is_err()
        })
        .await?;
        // What it says to those who are connected takes its moment too.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let workers = workers(&clients, "during");
        calls_are_answered(&clients[0]).await?;
        Ok(workers)
    };
    let (stopped, during): (_, Result<_>) =
        tokio::join!(sandbox.stop_part("control-server-1"), during);
    stopped?;
    let [none, here] = all_parked(&addresses, 2 * QUEUES).await?;
    ensure!((none, here) == (0, 2 * QUEUES), "{none} and {here}");
    a_task_for_each(&clients[0], "before").await?;
    a_task_for_each(&clients[0], "during").await?;
    told(before).await?;
    let told = told(during?).await?;
    ensure!(told.iter().all(|&times| times == 0), "while it stopped: {told:?}");
    sandbox.stop_all().await;
    Ok(())
}
