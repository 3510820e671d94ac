//! What clients do meanwhile: they start workflows under fresh ids and under ids that are open, signal, signal with start,
//! look and terminate, and try again as SDKs do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use prost::Message;
use temporalio_protos::temporal::api::common::v1::{WorkflowExecution, WorkflowType};
use temporalio_protos::temporal::api::enums::v1::{
    WorkflowExecutionStatus, WorkflowIdConflictPolicy,
};
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use super::nothing;
use super::table::{Phase, table};
use crate::bare::Client;

/// How many ids are started again and again, and by how many clients each.
const ENTITIES: usize = 24;
const CLIENTS: usize = 2;

/// Between two calls of each. What is measured is Panko, not how busy the machine can be made.
const PAUSE: Duration = Duration::from_millis(200);

/// The queue that workers poll, and the one that nobody does.
const WORKED: &str = "moves";
const OPEN: &str = "nobody-polls";

/// Of each call, as the SDKs' common core has it.
const DEADLINE: Duration = Duration::from_secs(30);

/// What SDKs try again: their common core's list. A connection that ends within an answer is INTERNAL.
const AGAIN: [Code; 7] = [
    Code::DataLoss,
    Code::Internal,
    Code::Unknown,
    Code::ResourceExhausted,
    Code::Aborted,
    Code::OutOfRange,
    Code::Unavailable,
];

/// How long a workflow has to complete. A task that was on its way through a control server that is killed is
/// started again after its timeout, 10 s.
const COMPLETES: Duration = Duration::from_secs(60);

/// What has been seen.
#[derive(Debug)]
pub struct Seen {
    /// Phase by phase.
    pub phases: Vec<Phase>,
    /// What went wrong, in words.
    pub wrong: Vec<String>,
    /// All ids that were started.
    pub ids: Vec<String>,
}

struct Shared {
    client: Client,
    name: String,
    stopping: AtomicBool,
    phases: Mutex<Vec<Phase>>,
    wrong: Mutex<Vec<String>>,
    fresh: Mutex<Vec<String>>,
    number: AtomicU64,
}

/// Clients and workers at work.
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Begins.
    pub fn start(address: SocketAddr) -> Result<Self> {
        Self::start_as(address, "fresh")
    }

    /// The same beside another one: ids that nobody has used begin with `name`, those that many use are the same.
    pub fn start_as(address: SocketAddr, name: &str) -> Result<Self> {
        let shared = Arc::new(Shared {
            client: Client::new(address)?,
            name: name.to_owned(),
            stopping: AtomicBool::new(false),
            phases: Mutex::new(vec![Phase::named("nothing moves")]),
            wrong: Mutex::default(),
            fresh: Mutex::default(),
            number: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        let worker = shared.client.clone();
        tasks.spawn(async move { worker.work(WORKED, 4).await });
        for _ in 0..3 {
            let shared = shared.clone();
            tasks.spawn(async move { shared.until_stopped(Shared::fresh_ids).await });
        }
        for entity in 0..ENTITIES {
            for client in 0..CLIENTS {
                let (shared, id) = (shared.clone(), entity_id(entity));
                tasks.spawn(async move {
                    let mut turn = client;
                    while !shared.stopping.load(Ordering::Relaxed) {
                        shared.entity(&id, turn).await;
                        turn += 1;
                        tokio::time::sleep(PAUSE).await;
                    }
                });
            }
        }
        Ok(Self { shared, tasks })
    }

    /// What follows happens during this.
    pub fn during(&self, what: &str) {
        self.shared.phases().push(Phase::named(what));
    }

    /// Ends, and tells what was seen.
    pub async fn finish(mut self) -> Seen {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // All but the worker end by themselves.
        while self.tasks.len() > 1 {
            self.tasks.join_next().await;
        }
        self.tasks.abort_all();
        let phases = std::mem::take(&mut *self.shared.phases());
        let wrong = std::mem::take(&mut *lock(&self.shared.wrong));
        let fresh = std::mem::take(&mut *lock(&self.shared.fresh));
        let ids = fresh.into_iter().chain((0..ENTITIES).map(entity_id)).collect();
        Seen { phases, wrong, ids }
    }

    /// Ends, shows the table, and fails if anything went wrong. Returns all ids.
    pub async fn stop(self) -> Result<Vec<String>> {
        let Seen { phases, wrong, ids } = self.finish().await;
        println!("{}", table(&[("gRPC", phases)]));
        nothing(&wrong)?;
        Ok(ids)
    }
}

fn entity_id(number: usize) -> String {
    format!("entity-{number}")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn phases(&self) -> std::sync::MutexGuard<'_, Vec<Phase>> {
        lock(&self.phases)
    }

    async fn until_stopped<'a, F: Future<Output = ()>>(
        self: &'a Arc<Self>,
        step: fn(&'a Self) -> F,
    ) {
        while !self.stopping.load(Ordering::Relaxed) {
            step(self).await;
        }
    }

    /// One start under an id that nobody has used: it is found at once, and it completes.
    async fn fresh_ids(&self) {
        let id = format!("{}-{}", self.name, self.number.fetch_add(1, Ordering::Relaxed));
        lock(&self.fresh).push(id.clone());
        let start = start(&id, WORKED, &id, WorkflowIdConflictPolicy::Unspecified);
        let started: Result<api::StartWorkflowExecutionResponse, _> =
            self.call("start", "StartWorkflowExecution", &start).await;
        if let Err(status) = started {
            return self.went_wrong("start", &id, &status);
        }
        let began = Instant::now();
        while began.elapsed() < COMPLETES {
            match self.describe(&id).await {
                Ok(WorkflowExecutionStatus::Completed) => return,
                Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(status) => return self.went_wrong("describe", &id, &status),
            }
        }
        lock(&self.wrong).push(format!("{id} does not complete"));
    }

    /// One thing that is done to an id that others use, too.
    async fn entity(&self, id: &str, turn: usize) {
        let request_id = format!("{}-{id}-{turn}-{:?}", self.name, Instant::now());
        let fail = WorkflowIdConflictPolicy::Unspecified;
        let use_existing = WorkflowIdConflictPolicy::UseExisting;
        let outcome = match turn % 7 {
            0 | 1 => {
                let start = start(id, OPEN, &request_id, fail);
                let answer = self.call("start an open id", "StartWorkflowExecution", &start).await;
                allowed(
                    answer.map(|_: api::StartWorkflowExecutionResponse| ()),
                    Code::AlreadyExists,
                )
            }
            2 => {
                let start = start(id, OPEN, &request_id, use_existing);
                let answer = self.call("use an open id", "StartWorkflowExecution", &start).await;
                answer.map(|_: api::StartWorkflowExecutionResponse| ())
            }
            3 => {
                let signal = signal_with_start(id, &request_id);
                let method = "SignalWithStartWorkflowExecution";
                let answer = self.call("signal with start", method, &signal).await;
                answer.map(|_: api::SignalWithStartWorkflowExecutionResponse| ())
            }
            4 => {
                let signal = api::SignalWorkflowExecutionRequest {
                    namespace: "default".to_owned(),
                    workflow_execution: Some(execution(id)),
                    signal_name: "noted".to_owned(),
                    request_id,
                    ..Default::default()
                };
                let answer = self.call("signal", "SignalWorkflowExecution", &signal).await;
                // Another client may have terminated it.
                allowed(answer.map(|_: api::SignalWorkflowExecutionResponse| ()), Code::NotFound)
            }
            5 => self.describe(id).await.map(drop),
            _ => {
                let terminate = api::TerminateWorkflowExecutionRequest {
                    namespace: "default".to_owned(),
                    workflow_execution: Some(execution(id)),
                    ..Default::default()
                };
                let answer = self.call("terminate", "TerminateWorkflowExecution", &terminate).await;
                allowed(answer.map(|_: api::TerminateWorkflowExecutionResponse| ()), Code::NotFound)
            }
        };
        if let Err(status) = outcome {
            self.went_wrong("an entity", id, &status);
        }
    }

    async fn describe(&self, id: &str) -> Result<WorkflowExecutionStatus, Status> {
        let request = api::DescribeWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            execution: Some(execution(id)),
        };
        let answer: api::DescribeWorkflowExecutionResponse =
            self.call("describe", "DescribeWorkflowExecution", &request).await?;
        Ok(answer.workflow_execution_info.unwrap_or_default().status())
    }

    /// A call, tried again as SDKs do.
    async fn call<Q: Message, A: Message + Default>(
        &self,
        what: &'static str,
        method: &str,
        request: &Q,
    ) -> Result<A, Status> {
        let (began, mut wait) = (Instant::now(), Duration::from_millis(100));
        loop {
            let answer = self.client.call(method, request, DEADLINE).await;
            match &answer {
                Err(status)
                    if AGAIN.contains(&status.code())
                        && began.elapsed() < Duration::from_secs(60) =>
                {
                    if let Some(phase) = self.phases().last_mut() {
                        phase.error(what, status.code());
                    }
                    tokio::time::sleep(wait).await;
                    wait = wait.mul_f64(1.7).min(Duration::from_secs(5));
                }
                _ => {
                    let took = began.elapsed().as_secs_f64() * 1000.0;
                    if let Some(phase) = self.phases().last_mut() {
                        phase.took.entry(what.to_owned()).or_default().push(took);
                    }
                    return answer;
                }
            }
        }
    }

    fn went_wrong(&self, what: &str, id: &str, status: &Status) {
        lock(&self.wrong).push(format!("{what} {id}: {:?} {}", status.code(), status.message()));
    }
}

fn allowed(answer: Result<(), Status>, code: Code) -> Result<(), Status> {
    answer.or_else(|status| if status.code() == code { Ok(()) } else { Err(status) })
}

fn execution(id: &str) -> WorkflowExecution {
    WorkflowExecution { workflow_id: id.to_owned(), ..Default::default() }
}

fn start(
    id: &str,
    queue: &str,
    request_id: &str,
    policy: WorkflowIdConflictPolicy,
) -> api::StartWorkflowExecutionRequest {
    api::StartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "bare".to_owned() }),
        task_queue: Some(TaskQueue { name: queue.to_owned(), ..Default::default() }),
        request_id: request_id.to_owned(),
        workflow_id_conflict_policy: policy.into(),
        ..Default::default()
    }
}

fn signal_with_start(id: &str, request_id: &str) -> api::SignalWithStartWorkflowExecutionRequest {
    api::SignalWithStartWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_id: id.to_owned(),
        workflow_type: Some(WorkflowType { name: "bare".to_owned() }),
        task_queue: Some(TaskQueue { name: OPEN.to_owned(), ..Default::default() }),
        request_id: request_id.to_owned(),
        signal_name: "noted".to_owned(),
        ..Default::default()
    }
}
