//! What a run found out, as rows and as a table.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use comfy_table::{ContentArrangement, Table, presets};

/// The outcomes of all checks.
#[derive(Clone, Debug)]
pub struct Report {
    /// One for each check and cluster, in the order of the checklist.
    pub rows: Vec<Row>,
}

/// The outcome of one check on one cluster.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is promised.
    pub check: String,
    /// The cluster that it was checked on, or `all`.
    pub cluster: String,
    /// Why the promise is broken, if it is.
    pub outcome: Result<(), String>,
    /// How long the check took.
    pub ms: u128,
}

/// How the report calls what concerns no single cluster.
pub(super) const ALL: &str = "all";

/// The table is as wide as this at most, in columns.
const WIDTH: u16 = 120;

impl Row {
    /// The row of something that began at `since` and just ended.
    pub(super) fn new(check: &str, cluster: &str, since: Instant, outcome: Result<()>) -> Self {
        Self {
            check: check.replace('_', " "),
            cluster: cluster.to_owned(),
            outcome: outcome.map_err(|error| format!("{error:#}")),
            ms: since.elapsed().as_millis(),
        }
    }
}

impl Report {
    /// Fails when a row failed.
    pub fn verdict(&self) -> Result<()> {
        let failed = self.rows.iter().filter(|row| row.outcome.is_err()).count();
        ensure!(failed == 0, "{failed} of {} checks failed", self.rows.len());
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table
            .load_style(presets::UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(WIDTH)
            .set_header(["check", "cluster", "outcome", "ms"]);
        for Row { check, cluster, outcome, ms } in &self.rows {
            let outcome = match outcome {
                Ok(()) => "ok".to_owned(),
                Err(why) => format!("FAILED: {why}"),
            };
            table.add_row([check, cluster, &outcome, &ms.to_string()]);
        }
        table.fmt(f)
    }
}

/// Says whether `future` kept its promise within `limit`.
pub(super) async fn within(
    limit: Duration,
    future: impl Future<Output = Result<()>>,
) -> Result<()> {
    match tokio::time::timeout(limit, future).await {
        Ok(outcome) => outcome,
        Err(_) => anyhow::bail!("no answer within {} s", limit.as_secs()),
    }
}
