//! Registers a physical namespace that is missing, like those that are there, and sees that workflows can start in it.

use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::fields::{put_bytes, put_uint};
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::check::facts::{self, retention};
use crate::config::Namespace;
use crate::desired::Desired;
use crate::identify::{describe, method};
use crate::topology::{Member, Topology};

/// How long a cluster has for an answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// Frontends keep a list of namespaces that they read again every ten seconds or so.
const SETTLES: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(500);

const REGISTER: &str = "/temporal.api.workflowservice.v1.WorkflowService/RegisterNamespace";
const ADD_ATTRIBUTES: &str = "/temporal.api.operatorservice.v1.OperatorService/AddSearchAttributes";
const START: &str = "/temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution";
const DELETE: &str = "/temporal.api.workflowservice.v1.WorkflowService/DeleteWorkflowExecution";

/// Registers it, gives it the search attributes of the namespace's other members, and starts a workflow there and deletes it
/// again. What is done already is not done again.
pub async fn create(
    wanted: &Desired,
    namespace: &Namespace,
    cluster: &str,
    physical: &str,
) -> Result<(), Status> {
    let topology = Topology::new(&wanted.clusters, &wanted.namespaces, None);
    let of = topology.namespace(&namespace.name);
    let members = of.map(|of| of.members.as_slice()).unwrap_or_default();
    let is = |member: &&std::sync::Arc<Member>| {
        **member.cluster.name() == *cluster && member.namespace == physical
    };
    let new = members.iter().find(is).ok_or_else(|| Status::internal("no such member"))?;
    let mut like = None;
    for member in members {
        if let Ok(described) = describe(member).await {
            like = Some((member, retention(&described)));
            break;
        }
    }
    let hours = Duration::from_secs(u64::from(namespace.retention_hours) * 3600);
    let keeps = like.map_or(hours, |(_, retention)| retention);
    register(new, &namespace.name, keeps).await.map_err(|e| told(new, "be registered", &e))?;
    if let Some((like, _)) = like {
        attributes(like, new).await.map_err(|e| told(new, "get search attributes", &e))?;
    }
    round_trip(new).await.map_err(|e| told(new, "start a workflow", &e))
}

fn told(member: &Member, what: &str, status: &Status) -> Status {
    let (cluster, namespace) = (member.cluster.name(), &member.namespace);
    let why = status.message();
    let text = format!(
        "{namespace} on {cluster} could not {what}: {why}; apply again when that is mended"
    );
    Status::new(status.code(), text)
}

/// `RegisterNamespaceRequest {namespace 1, description 2, workflow_execution_retention_period 4}`.
async fn register(member: &Member, name: &str, keeps: Duration) -> Result<(), Status> {
    let (mut body, mut period) = (Vec::new(), Vec::new());
    put_uint(&mut period, 1, keeps.as_secs());
    put_bytes(&mut body, 1, member.namespace.as_bytes());
    put_bytes(&mut body, 2, format!("serves {name} of Panko").as_bytes());
    put_bytes(&mut body, 4, &period);
    match call(member, REGISTER, body).await {
        Err(status) if status.code() == Code::AlreadyExists => {}
        answer => drop(answer?),
    }
    until(|| describe(member)).await.map(drop)
}

/// `AddSearchAttributesRequest {search_attributes 1, namespace 2}`.
async fn attributes(like: &Member, new: &Member) -> Result<(), Status> {
    let Some(wanted) = facts::search_attributes(like).await? else { return Ok(()) };
    let has = facts::search_attributes(new).await?.unwrap_or_default();
    let mut body = Vec::new();
    for (name, kind) in wanted.iter().filter(|(name, _)| !has.contains_key(*name)) {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, name.as_bytes());
        put_uint(&mut entry, 2, *kind);
        put_bytes(&mut body, 1, &entry);
    }
    if body.is_empty() {
        return Ok(());
    }
    put_bytes(&mut body, 2, new.namespace.as_bytes());
    until(|| call(new, ADD_ATTRIBUTES, body.clone())).await.map(drop)
}

/// A workflow that nobody works on starts and is deleted.
async fn round_trip(member: &Member) -> Result<(), Status> {
    let id = format!("panko-round-trip-{}", uuid::Uuid::new_v4().simple());
    let (mut start, mut name) = (Vec::new(), Vec::new());
    put_bytes(&mut name, 1, b"panko-check");
    put_bytes(&mut start, 1, member.namespace.as_bytes());
    put_bytes(&mut start, 2, id.as_bytes());
    put_bytes(&mut start, 3, &name);
    put_bytes(&mut start, 4, &name);
    // `workflow_execution_timeout`, a minute: should it not be deleted, it ends.
    put_bytes(&mut start, 6, &[0x08, 60]);
    put_bytes(&mut start, 9, b"panko");
    put_bytes(&mut start, 10, id.as_bytes());
    until(|| call(member, START, start.clone())).await?;
    let (mut delete, mut execution) = (Vec::new(), Vec::new());
    put_bytes(&mut execution, 1, id.as_bytes());
    put_bytes(&mut delete, 1, member.namespace.as_bytes());
    put_bytes(&mut delete, 2, &execution);
    until(|| call(member, DELETE, delete.clone())).await.map(drop)
}

async fn call(member: &Member, path: &'static str, body: Vec<u8>) -> Result<Bytes, Status> {
    let cluster = &member.cluster;
    cluster.call(method(path)?, cluster.own(), body.into(), DEADLINE).await
}

/// Tries again what a frontend may not know yet.
async fn until<T, F: Future<Output = Result<T, Status>>>(
    mut done: impl FnMut() -> F,
) -> Result<T, Status> {
    let give_up = Instant::now() + SETTLES;
    loop {
        match done().await {
            Err(status) if Instant::now() < give_up && may_settle(status.code()) => {
                tokio::time::sleep(AGAIN).await;
            }
            result => return result,
        }
    }
}

fn may_settle(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound | Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted
    )
}
