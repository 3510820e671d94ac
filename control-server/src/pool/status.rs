//! How a pool stands, for operators.

use panko_proto::v1::PoolStatus as Message;

use super::event::Kind;
use super::shell::Shell;

/// How one pool stands.
pub type PoolStatus = Message;

/// Looks at a pool.
pub(super) fn of(shell: &Shell) -> PoolStatus {
    let held = shell.tasks.values().filter(|task| task.held);
    let oldest = held.map(|task| task.came.elapsed().as_millis() as u64).max();
    PoolStatus {
        namespace: shell.newest.namespace.clone(),
        task_queue: shell.newest.task_queue.clone(),
        kind: kind(shell.newest.kind).to_owned(),
        parked_polls: shell.pool.waiting() as u64,
        open_polls: shell.roster.open_polls(|n| shell.pool.open_on(n)).into_iter().collect(),
        held_tasks: shell.pool.held() as u64,
        oldest_held_ms: oldest.unwrap_or(0),
        tasks: shell.metrics.counts.tasks,
        tasks_poll_sync: shell.metrics.counts.synced,
        tasks_given_back: shell.metrics.counts.given_back,
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Workflow => "workflow",
        Kind::Sticky => "sticky",
        Kind::Activity => "activity",
        Kind::Nexus => "nexus",
    }
}
