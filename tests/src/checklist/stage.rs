//! What a check is given: a client, ids that live on its cluster, and a note of what it started.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use temporalio_client::{Client, WorkflowHandle, WorkflowStartOptions};
use temporalio_common::HasWorkflowDefinition;

use super::Cluster;
use super::activities::Desk;

/// No workflow outlives its run by more than this, whatever happens to its check.
pub(super) const LIFETIME: Duration = Duration::from_secs(90);

/// One cluster's view of a run. Clones share what was started.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) client: Client,
    pub(super) task_queue: String,
    /// Where the worker's activities leave the tokens of what is completed elsewhere.
    pub(super) desk: Arc<Desk>,
    pub(super) name: String,
    cluster: usize,
    ledger: Arc<Mutex<Ledger>>,
}

/// A workflow that the checks started.
#[derive(Clone, Debug)]
pub(super) struct Started {
    pub(super) id: String,
    /// The cluster that it must live on, by its place in the target.
    pub(super) cluster: usize,
    /// How often its activities are tried: once, unless its check makes them fail on purpose.
    pub(super) attempts: i32,
}

#[derive(Default)]
struct Ledger {
    unused: Vec<Vec<String>>,
    started: Vec<Started>,
}

/// One stage for each cluster, with a task queue that no other run has used.
pub(super) fn set(client: &Client, clusters: &[Cluster]) -> Vec<Stage> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unused = clusters.iter().map(|cluster| cluster.ids.clone()).collect();
    let ledger = Arc::new(Mutex::new(Ledger { unused, started: Vec::new() }));
    let desk = Arc::new(Desk::default());
    let stage = |(cluster, Cluster { name, .. }): (usize, &Cluster)| Stage {
        client: client.clone(),
        task_queue: format!("checklist-{}", now.as_millis()),
        desk: desk.clone(),
        name: name.clone(),
        cluster,
        ledger: ledger.clone(),
    };
    clusters.iter().enumerate().map(stage).collect()
}

impl Stage {
    /// An id that hashes to this cluster, for a workflow that is about to be started.
    pub(super) fn id(&self) -> Result<String> {
        let id = self.unused_id()?;
        self.note(&id);
        Ok(id)
    }

    /// An id that hashes to this cluster, and that nobody starts.
    pub(super) fn unused_id(&self) -> Result<String> {
        self.take_from(self.cluster)
    }

    /// An id for a child, which lives on this cluster because its parent does. The id itself
    /// hashes to another cluster, if there is one.
    pub(super) fn stray_id(&self) -> Result<String> {
        let clusters = self.ledger().unused.len();
        let id = self.take_from((self.cluster + 1) % clusters)?;
        self.note(&id);
        Ok(id)
    }

    /// Notes that the activities of `id` are tried as often as this, on purpose.
    pub(super) fn expect_attempts(&self, id: &str, attempts: i32) {
        let mut ledger = self.ledger();
        for started in ledger.started.iter_mut().filter(|started| started.id == id) {
            started.attempts = attempts;
        }
    }

    /// Everything that any check started so far.
    pub(super) fn started(&self) -> Vec<Started> {
        self.ledger().started.clone()
    }

    pub(super) fn options(&self, id: impl Into<String>) -> WorkflowStartOptions {
        WorkflowStartOptions::new(self.task_queue.clone(), id).execution_timeout(LIFETIME).build()
    }

    /// Starts `workflow` on this cluster.
    pub(super) async fn start<W>(
        &self,
        workflow: W,
        input: W::Input,
    ) -> Result<WorkflowHandle<Client, W>>
    where
        W: HasWorkflowDefinition,
        W::Input: Send,
    {
        let options = self.options(self.id()?);
        self.client.start_workflow(workflow, input, options).await.context("start")
    }

    fn take_from(&self, cluster: usize) -> Result<String> {
        let mut ledger = self.ledger();
        let id = ledger.unused.get_mut(cluster).and_then(Vec::pop);
        id.context("the target has too few ids for this cluster")
    }

    fn note(&self, id: &str) {
        let started = Started { id: id.to_owned(), cluster: self.cluster, attempts: 1 };
        self.ledger().started.push(started);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
