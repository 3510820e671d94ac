//! Reads the histories of all workflows for tasks that a cluster handed out and nobody did.
//!
//! A lost workflow task shows as `WorkflowTaskTimedOut`. A lost activity task shows as a second
//! attempt, since the first one timed out. Both are what checks that only look at results miss.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures::stream::{self, StreamExt};
use temporalio_client::{Client, NamespacedClient, UntypedWorkflow, WorkflowExecutionInfo};
use temporalio_protos::temporal::api::history::v1::HistoryEvent;
use temporalio_protos::temporal::api::history::v1::history_event::Attributes;

use super::audit::{AT_ONCE, Direct};
use super::report::{ALL, Row};
use super::stage::Started;

/// Two rows: no workflow task timed out, and no activity was started a second time.
pub(super) async fn no_task_was_lost(clusters: &[Direct], started: &[Started]) -> Vec<Row> {
    let since = Instant::now();
    let read: Vec<Result<Found>> = stream::iter(started)
        .map(|started| read(clusters, started))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let timed_out = none(&read, |found| found.timed_out);
    let again = none(&read, |found| found.again);
    vec![
        Row::new("no_workflow_task_timed_out", ALL, since, timed_out),
        Row::new("no_activity_was_started_again", ALL, since, again),
    ]
}

/// What the histories of one workflow's runs tell.
struct Found {
    id: String,
    /// Workflow tasks that timed out.
    timed_out: usize,
    /// Activities that were tried more often than their check wanted. (The event of a start is
    /// written when its activity ends, with the number of the last attempt.)
    again: usize,
}

async fn read(clusters: &[Direct], started: &Started) -> Result<Found> {
    let Started { id, cluster, attempts } = started;
    let cluster = clusters.get(*cluster).context("a cluster that is not in the target")?;
    let events = all_events(&cluster.client, id)
        .await
        .with_context(|| format!("the history of {id} on {}", cluster.name))?;
    let mut found = Found { id: id.clone(), timed_out: 0, again: 0 };
    for event in events {
        match event.attributes {
            Some(Attributes::WorkflowTaskTimedOutEventAttributes(_)) => found.timed_out += 1,
            Some(Attributes::ActivityTaskStartedEventAttributes(start))
                if start.attempt > *attempts =>
            {
                found.again += 1;
            }
            _ => {}
        }
    }
    Ok(found)
}

/// The events of every run of `id`, found by walking from the latest run to those before it.
async fn all_events(client: &Client, id: &str) -> Result<Vec<HistoryEvent>> {
    let latest = client.get_workflow_handle::<UntypedWorkflow>(id);
    let latest = latest.describe(Default::default()).await?;
    let mut all = Vec::new();
    let mut known = BTreeSet::from([latest.run_id().to_owned()]);
    let mut next = vec![latest.run_id().to_owned()];
    while let Some(run) = next.pop() {
        let run = WorkflowExecutionInfo::builder()
            .namespace(client.namespace())
            .workflow_id(id)
            .run_id(run)
            .build()
            .bind_untyped(client.clone());
        let history = run.fetch_history(Default::default());
        let events = history.into_events().await?;
        if let Some(Attributes::WorkflowExecutionStartedEventAttributes(start)) =
            events.first().and_then(|event| event.attributes.as_ref())
        {
            // What continued as new into this run, and what this run was reset from: a reset run
            // begins with the start of the old run, which names that run as the original.
            for earlier in [&start.continued_execution_run_id, &start.original_execution_run_id] {
                if !earlier.is_empty() && known.insert(earlier.clone()) {
                    next.push(earlier.clone());
                }
            }
        }
        all.extend(events);
    }
    Ok(all)
}

/// Fails with the ids of the workflows that `count` is not zero for, and of those that were not
/// read.
fn none(read: &[Result<Found>], count: fn(&Found) -> usize) -> Result<()> {
    let bad: Vec<_> = read
        .iter()
        .filter_map(|read| match read {
            Ok(found) if count(found) == 0 => None,
            Ok(found) => Some(format!("{} of {}", count(found), found.id)),
            Err(error) => Some(format!("{error:#}")),
        })
        .collect();
    ensure!(bad.is_empty(), "{}", bad.join(", "));
    Ok(())
}
