//! Polls by the thousand park over a handful of connections, and ordinary calls go on beside them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::future::join_all;
use panko_control_server::dev::Kind;
use panko_tests::bare::{Client, until};
use panko_tests::http;
use panko_tests::sandbox::{homes, start};
use tokio::task::JoinHandle;

const POLLS: usize = 5_000;
const CONNECTIONS: usize = 5;
const QUEUES: usize = 50;

/// What SDKs ask for. The clock of a poll begins where it is sent, so it has to have room for the way.
const SDK_DEADLINE: Duration = Duration::from_secs(70);

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_polls_park_and_calls_go_on_beside_them() -> Result<()> {
    let mut sandbox = start(Kind::Cli, &[("a", 1), ("b", 1)]).await?;
    let addresses = sandbox.addresses().clone();
    let connections: Vec<Client> =
        (0..CONNECTIONS).map(|_| Client::new(addresses.address)).collect::<Result<_>>()?;
    let polls: Vec<_> = (0..POLLS)
        .map(|n| {
            let client = connections[n % CONNECTIONS].clone();
            tokio::spawn(async move {
                let task = client.poll(&format!("queue-{}", n % QUEUES), SDK_DEADLINE).await?;
                let brought = task.is_some();
                if let Some(task) = task {
                    client.complete(task).await?;
                }
                Ok::<_, tonic::Status>(brought)
            })
        })
        .collect();
    let metric = async |name: &str| -> f64 {
        let metrics = http::get(addresses.control_servers[0].http, "/metrics").await;
        metrics.map_or(f64::NAN, |metrics| http::sum(&metrics, name))
    };
    let mut parked = 0.0;
    let all = until("all polls are parked", Duration::from_secs(60), async || {
        parked = metric("panko_parked_polls").await;
        parked == POLLS as f64 || polls.iter().any(JoinHandle::is_finished)
    });
    all.await.with_context(|| format!("{parked} are"))?;
    if let Some(ended) = polls.iter().position(JoinHandle::is_finished) {
        let ended = polls.into_iter().nth(ended).context("a poll")?.await?;
        bail!("a poll ended while the others came: {ended:?}");
    }
    let open = metric("panko_open_polls").await;
    println!("{POLLS} polls parked over {CONNECTIONS} connections; {open} open on the clusters");
    ensure!(open <= (QUEUES * 2 * 4) as f64, "{open} polls are open for {QUEUES} idle queues");

    // Ordinary calls on the same connections, and one task for each queue.
    let ids: Vec<String> =
        homes("parked", 100, &[("a", 1), ("b", 1)]).into_values().flatten().collect();
    let mut slowest = Duration::ZERO;
    for (n, id) in ids.iter().enumerate() {
        let (client, began) = (&connections[n % CONNECTIONS], Instant::now());
        client.start(id, &format!("queue-{}", n % QUEUES)).await?;
        client.status(id).await?;
        slowest = slowest.max(began.elapsed());
    }
    println!("{} starts and describes beside them, the slowest pair in {slowest:?}", ids.len());

    let ended = join_all(polls).await;
    let mut brought = 0;
    for poll in ended {
        brought += usize::from(poll??);
    }
    ensure!(brought == ids.len(), "{} tasks, {brought} polls brought one", ids.len());
    sandbox.stop_all().await;
    Ok(())
}
