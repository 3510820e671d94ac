//! Asks the clusters themselves where the workflows are.

use std::time::Instant;

use anyhow::{Result, bail};
use futures::stream::{self, StreamExt, TryStreamExt};
use temporalio_client::errors::WorkflowInteractionError;
use temporalio_client::{Client, UntypedWorkflow};

use super::report::Row;
use super::stage::Started;

/// How many questions one cluster is asked at once.
pub(super) const AT_ONCE: usize = 8;

/// A cluster, asked past the address that is checked.
pub(super) struct Direct {
    pub(super) name: String,
    pub(super) client: Client,
}

/// One row for each cluster: it has all workflows that it must have, and no other.
pub(super) async fn every_workflow_is_where_it_belongs(
    clusters: &[Direct],
    started: &[Started],
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (place, cluster) in clusters.iter().enumerate() {
        let since = Instant::now();
        let outcome = has_exactly_its_own(place, cluster, started).await;
        rows.push(Row::new("every_workflow_is_where_it_belongs", &cluster.name, since, outcome));
    }
    rows
}

async fn has_exactly_its_own(place: usize, cluster: &Direct, started: &[Started]) -> Result<()> {
    let found: Vec<bool> = stream::iter(started)
        .map(|started| has(&cluster.client, &started.id))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let with = |belongs: bool| {
        let wrong = started.iter().zip(&found).filter(move |(started, found)| {
            (started.cluster == place) == belongs && **found != belongs
        });
        wrong.map(|(started, _)| started.id.as_str()).collect::<Vec<_>>()
    };
    match (with(true), with(false)) {
        (missing, strange) if missing.is_empty() && strange.is_empty() => Ok(()),
        (missing, strange) => bail!("missing: {missing:?}; not its own: {strange:?}"),
    }
}

async fn has(client: &Client, id: &str) -> Result<bool> {
    let handle = client.get_workflow_handle::<UntypedWorkflow>(id);
    match handle.describe(Default::default()).await {
        Ok(_) => Ok(true),
        Err(WorkflowInteractionError::NotFound(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
