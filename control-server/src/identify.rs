//! Asks the clusters who they are: on Panko's own behalf, again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use panko_proto::rpc::Method;
use panko_routing::placement::NamespaceUuid;
use panko_routing::wire::fields::{Value, fields, last_bytes, put_bytes};
use tokio::task::JoinSet;
use tonic::Status;

use crate::failover::{Health, interval};
use crate::frontend::is_missing;
use crate::placements::PlacementsHolder;
use crate::topology::Member;

/// Between two tries at one that does not.
const RETRY: Duration = Duration::from_millis(500);
/// How long a cluster has for an answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// `/…WorkflowService/DescribeNamespace`.
pub const DESCRIBE_NAMESPACE: &str =
    "/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace";
/// `/…WorkflowService/GetSystemInfo`.
pub const GET_SYSTEM_INFO: &str = "/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo";

/// `worker_poll_complete_on_shutdown` of `NamespaceInfo.Capabilities` (7 of `NamespaceInfo`).
const POLL_COMPLETE_ON_SHUTDOWN: u32 = 8;

/// What the clusters last said of themselves. When one is down, what it offered still counts.
#[derive(Debug, Default)]
pub struct LastAnswers(Mutex<HashMap<(String, String), Bytes>>);

impl LastAnswers {
    /// The last `GetSystemInfoResponse` of a cluster.
    #[must_use]
    pub fn system_info(&self, cluster: &str) -> Option<Bytes> {
        self.get(cluster, "")
    }

    /// The last `DescribeNamespaceResponse` of a physical namespace.
    #[must_use]
    pub fn namespace(&self, cluster: &str, namespace: &str) -> Option<Bytes> {
        self.get(cluster, namespace)
    }

    fn get(&self, cluster: &str, namespace: &str) -> Option<Bytes> {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(&(cluster.to_owned(), namespace.to_owned())).cloned()
    }

    fn put(&self, cluster: &str, namespace: &str, answer: Bytes) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert((cluster.to_owned(), namespace.to_owned()), answer);
    }
}

/// Looks at every member until dropped, those that come later included; what is learned goes into `placements` and
/// `answers`, and whether it answers into `health`.
pub async fn watch(
    placements: Arc<PlacementsHolder>,
    answers: Arc<LastAnswers>,
    health: Arc<Health>,
) {
    let mut topologies = placements.topologies();
    let mut watched = HashMap::new();
    loop {
        let topology = topologies.borrow_and_update().clone();
        let mut wanted = HashMap::new();
        for namespace in topology.namespaces() {
            for member in &namespace.members {
                // Each `Arc` is another member as long as it is held.
                let own = (namespace.name.clone(), Arc::as_ptr(member) as usize);
                let (_, watch) = watched.remove(&own).unwrap_or_else(|| {
                    let (placements, answers) = (placements.clone(), answers.clone());
                    let (name, health) = (namespace.name.clone(), health.clone());
                    let watch = watch_member(name, member.clone(), placements, answers, health);
                    let mut task = JoinSet::new();
                    task.spawn(watch);
                    (member.clone(), task)
                });
                wanted.insert(own, (member.clone(), watch));
            }
        }
        // What is left is watched no more.
        watched = wanted;
        if topologies.changed().await.is_err() {
            return;
        }
    }
}

async fn watch_member(
    namespace: Arc<str>,
    member: Arc<Member>,
    placements: Arc<PlacementsHolder>,
    answers: Arc<LastAnswers>,
    health: Arc<Health>,
) {
    loop {
        let looked = look(&namespace, &member, &placements, &answers, &health).await;
        let topology = placements.topology();
        let wait = match topology.namespace(&namespace) {
            Some(namespace) if looked.is_ok() => interval(namespace),
            _ => RETRY,
        };
        tokio::time::sleep(wait).await;
    }
}

async fn look(
    namespace: &str,
    member: &Member,
    placements: &PlacementsHolder,
    answers: &LastAnswers,
    health: &Health,
) -> Result<(), Status> {
    let cluster = &member.cluster;
    let result = async {
        answers.put(cluster.name(), "", system_info(member).await?);
        describe(member).await
    };
    let result = result.await;
    health.note(namespace, member, !result.as_ref().is_err_and(is_missing));
    let answer = result.inspect_err(|status| {
        tracing::warn!(cluster = %cluster.name(), namespace = member.namespace, %status, "a member does not say who it is");
    })?;
    member.set_withdraws_polls(withdraws_polls(&answer));
    let uuid = namespace_uuid(&answer).ok_or_else(|| {
        Status::internal(format!("cluster {} gave no UUID of its namespace", cluster.name()))
    })?;
    answers.put(cluster.name(), &member.namespace, answer);
    let learned = placements.learned(namespace, cluster.name(), &member.namespace, uuid);
    match learned.await {
        Ok(true) => {
            tracing::info!(cluster = %cluster.name(), namespace = member.namespace, %uuid, "a member was reached");
        }
        Ok(false) => {}
        Err(error) => {
            tracing::error!(%error, "what a member says of itself cannot be written down");
            return Err(Status::unavailable(error.to_string()));
        }
    }
    Ok(())
}

/// The `GetSystemInfoResponse` of a member's cluster.
pub async fn system_info(member: &Member) -> Result<Bytes, Status> {
    let cluster = &member.cluster;
    cluster.call(method(GET_SYSTEM_INFO)?, cluster.own(), Bytes::new(), DEADLINE).await
}

/// The `DescribeNamespaceResponse` of a member's namespace.
pub async fn describe(member: &Member) -> Result<Bytes, Status> {
    let (cluster, mut request) = (&member.cluster, Vec::new());
    put_bytes(&mut request, 1, member.namespace.as_bytes());
    cluster.call(method(DESCRIBE_NAMESPACE)?, cluster.own(), request.into(), DEADLINE).await
}

/// The RPC at a path that is written in this crate.
pub fn method(path: &'static str) -> Result<&'static Method, Status> {
    Method::by_path(path).ok_or_else(|| Status::internal(format!("{path} is not in the RPC table")))
}

/// Whether a `DescribeNamespaceResponse` says that `ShutdownWorker` ends the worker's polls.
fn withdraws_polls(answer: &[u8]) -> bool {
    let capabilities = last_bytes(answer, 1).and_then(|info| last_bytes(info, 7));
    fields(capabilities.unwrap_or_default())
        .flatten()
        .any(|field| field.number == POLL_COMPLETE_ON_SHUTDOWN && field.value == Value::Varint(1))
}

/// `namespace_info.id` of a `DescribeNamespaceResponse`.
fn namespace_uuid(answer: &[u8]) -> Option<NamespaceUuid> {
    let info = last_bytes(answer, 1).ok()?;
    NamespaceUuid::parse(last_bytes(info, 6).ok()?)
}
