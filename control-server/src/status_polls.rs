//! `panko status polls`: how the pools of polls stand, on every control server.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{Table, presets};
use futures_util::future::join_all;
use panko_proto::v1::PoolStatus;
use serde::Serialize;

use crate::config::Config;
use crate::replicas;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    pools: Vec<Row>,
    /// Control servers that did not answer, and why.
    silent: Vec<String>,
}

/// The pool of one task queue on one control server. A queue has several where its workers' polls
/// differ in what decides which tasks they may get.
#[derive(Debug, Serialize)]
struct Row {
    control_server: String,
    namespace: String,
    task_queue: String,
    kind: String,
    parked_polls: u64,
    /// By cluster.
    open_polls: BTreeMap<String, u64>,
    held_tasks: u64,
    oldest_held_ms: u64,
    tasks: u64,
    tasks_poll_sync: u64,
    tasks_given_back: u64,
}

impl Report {
    /// Whether every control server has answered.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.silent.is_empty()
    }
}

/// Asks every control server of the configuration.
pub async fn run(config: &Config) -> anyhow::Result<Report> {
    let own = [config.listen.grpc.to_string()];
    let addresses: &[String] = match config.peers.addresses.as_slice() {
        [] => &own,
        all => all,
    };
    let asked = addresses.iter().map(|address| replicas::list_pools(address, &config.peers));
    let mut report = Report { pools: Vec::new(), silent: Vec::new() };
    for (address, answer) in addresses.iter().zip(join_all(asked).await) {
        match answer {
            Ok(answer) => report.pools.extend(answer.pools.into_iter().map(|p| row(address, p))),
            Err(error) => report.silent.push(format!(
                "control server {address} does not answer: {error:#}; does it run, and is peers in panko.yaml the same for all?"
            )),
        }
    }
    report.pools.sort_by(|a, b| {
        let key = |row: &Row| {
            (
                row.namespace.clone(),
                row.task_queue.clone(),
                row.kind.clone(),
                row.control_server.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    Ok(report)
}

fn row(address: &str, pool: PoolStatus) -> Row {
    Row {
        control_server: address.to_owned(),
        namespace: pool.namespace,
        task_queue: pool.task_queue,
        kind: pool.kind,
        parked_polls: pool.parked_polls,
        open_polls: pool.open_polls.into_iter().collect(),
        held_tasks: pool.held_tasks,
        oldest_held_ms: pool.oldest_held_ms,
        tasks: pool.tasks,
        tasks_poll_sync: pool.tasks_poll_sync,
        tasks_given_back: pool.tasks_given_back,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "namespace",
            "task queue",
            "kind",
            "control server",
            "waiting",
            "open",
            "held",
            "oldest held",
            "tasks",
            "poll sync",
            "given back",
        ]);
        for row in &self.pools {
            let open: Vec<_> =
                row.open_polls.iter().map(|(cluster, open)| format!("{cluster} {open}")).collect();
            let sync = match row.tasks {
                0 => "-".to_owned(),
                all => format!("{:.1} %", row.tasks_poll_sync as f64 / all as f64 * 100.0),
            };
            let oldest = match row.held_tasks {
                0 => "-".to_owned(),
                _ => format!("{:.1} s", row.oldest_held_ms as f64 / 1_000.0),
            };
            table.add_row([
                row.namespace.clone(),
                row.task_queue.clone(),
                row.kind.clone(),
                row.control_server.clone(),
                row.parked_polls.to_string(),
                open.join(", "),
                row.held_tasks.to_string(),
                oldest,
                row.tasks.to_string(),
                sync,
                row.tasks_given_back.to_string(),
            ]);
        }
        write!(f, "{table}")?;
        for problem in &self.silent {
            write!(f, "\n{problem}")?;
        }
        Ok(())
    }
}
