//! What the clusters say afterwards: each run's start and end, by their own visibility.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::Addresses;
use temporalio_protos::temporal::api::workflowservice::v1 as api;

use crate::bare::{Client, until};

const DEADLINE: Duration = Duration::from_secs(10);

/// A run: its cluster, when it began, and when it ended if it has, in nanoseconds since 1970.
#[derive(Debug, Clone)]
struct Run {
    cluster: String,
    began: i128,
    ended: Option<i128>,
}

/// These ids are there, and no id at all has two runs open at the same time, wherever they are.
pub async fn check(addresses: &Addresses, ids: &[String]) -> Result<()> {
    let mut runs: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for cluster in &addresses.clusters {
        let client = Client::new(cluster.address)?;
        // Visibility comes a moment after the fact.
        let mut before = -1;
        until("visibility is still", DEADLINE, async || {
            let now = client.count("").await.unwrap_or(-2);
            let still = now == std::mem::replace(&mut before, now);
            tokio::time::sleep(Duration::from_millis(300)).await;
            still
        })
        .await?;
        for (id, run) in all(&client, &cluster.name).await? {
            runs.entry(id).or_default().push(run);
        }
    }
    let (mut moved, mut wrong) = (0, Vec::new());
    for id in ids {
        ensure!(runs.contains_key(id), "{id} is nowhere");
    }
    for (id, runs) in &mut runs {
        runs.sort_by_key(|run| run.began);
        for pair in runs.windows(2) {
            let [first, second] = pair else { continue };
            // One cluster keeps this promise by itself, and its clock reads begin before they count.
            if first.cluster == second.cluster {
                continue;
            }
            moved += 1;
            if first.ended.is_none_or(|ended| ended > second.began) {
                wrong.push(format!("{id}: {first:?} and {second:?}"));
            }
        }
    }
    let all: usize = runs.values().map(Vec::len).sum();
    println!(
        "{all} runs of {} ids; {moved} times the next run of an id was on another cluster",
        runs.len()
    );
    ensure!(wrong.is_empty(), "open twice at a time: {wrong:#?}");
    ensure!(moved > 0, "no id was started on two clusters, so nothing has been shown");
    Ok(())
}

async fn all(client: &Client, cluster: &str) -> Result<Vec<(String, Run)>> {
    let (mut found, mut token) = (Vec::new(), Vec::new());
    loop {
        let request = api::ListWorkflowExecutionsRequest {
            namespace: "default".to_owned(),
            page_size: 1000,
            next_page_token: token,
            ..Default::default()
        };
        let page: api::ListWorkflowExecutionsResponse =
            client.call("ListWorkflowExecutions", &request, DEADLINE).await?;
        for info in page.executions {
            let nanos =
                |seconds: i64, nanos: i32| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
            let began = info.start_time.map(|t| nanos(t.seconds, t.nanos)).context("a start")?;
            let ended = info.close_time.map(|t| nanos(t.seconds, t.nanos));
            let run = Run { cluster: cluster.to_owned(), began, ended };
            found.push((info.execution.context("an execution")?.workflow_id, run));
        }
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(found);
        }
    }
}
