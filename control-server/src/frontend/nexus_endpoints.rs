//! Nexus endpoints, which belong to whole clusters: the same name on all of them, and on each an id and a
//! version of its own.
//!
//! What a caller sees is the first cluster's id and version. A change by them is made on every cluster under
//! that one's own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use panko_proto::rpc::Method;
use panko_routing::wire::fields::{Value, fields, first_at, last_bytes, put_bytes, put_uint};
use tonic::{Code, Status};

use super::broadcast::done_before;
use super::fan_out::{is_missing, refused_alike, told_by_cluster};
use super::gather::number_of;
use super::reply::{Missing, Reply};
use super::{Call, Frontend, malformed, page_token};
use crate::caller::Caller;
use crate::cluster::Cluster;
use crate::identify::method;

/// How long a cluster has.
const DEADLINE: Duration = Duration::from_secs(10);

const LIST: &str = "/temporal.api.operatorservice.v1.OperatorService/ListNexusEndpoints";
const CREATE: &str = "/temporal.api.operatorservice.v1.OperatorService/CreateNexusEndpoint";

/// `Endpoint`: version, id, `spec.name`.
const VERSION: u32 = 1;
const ID: u32 = 2;
const NAME: [u32; 2] = [3, 1];

/// `ListNexusEndpointsRequest` and `…Response`.
const PAGE_SIZE: u32 = 1;
const PAGE_TOKEN: u32 = 2;
const NEXT_PAGE_TOKEN: u32 = 1;
const ENDPOINTS: u32 = 2;

/// The largest page, which is also the default (`limit.endpointListDefaultPageSize`).
const LARGEST_PAGE: usize = 1_000;

impl Frontend {
    /// Made on every cluster; the first one's answer.
    pub(super) async fn create_nexus_endpoint(&self, call: &Call) -> Result<Reply, Status> {
        let answers = join_all(self.topology.clusters().iter().map(|cluster| async move {
            (cluster, ask(cluster, call.method, &call.caller, call.body.clone()).await)
        }));
        one(call, answers.await)
    }

    /// First on the cluster that knows id and version: if they are out of date nothing is done.
    pub(super) async fn update_nexus_endpoint(&self, call: &Call) -> Result<Reply, Status> {
        self.change(call).await
    }

    /// As an update.
    pub(super) async fn delete_nexus_endpoint(&self, call: &Call) -> Result<Reply, Status> {
        self.change(call).await
    }

    async fn change(&self, call: &Call) -> Result<Reply, Status> {
        let id = last_bytes(&call.body, 1).map_err(|e| malformed(call.method, e))?;
        let (first, endpoint) = self.find(call, id).await?;
        let name = first_at(&endpoint, &NAME).ok().flatten().unwrap_or_default();
        let answer = ask(first, call.method, &call.caller, call.body.clone()).await?;
        let others = self.topology.clusters().iter().filter(|other| !Arc::ptr_eq(other, first));
        let mut answers = vec![(first, Ok(answer))];
        answers.extend(
            join_all(
                others.map(|other| async move { (other, self.follow(other, call, name).await) }),
            )
            .await,
        );
        one(call, answers)
    }

    /// The same change under another cluster's own id and version. An endpoint that is missing there is made
    /// by an update, and is done with by a delete.
    async fn follow(&self, cluster: &Cluster, call: &Call, name: &[u8]) -> Result<Bytes, Status> {
        let Some(own) = by_name(cluster, &call.caller, name).await? else {
            if call.method.name == "DeleteNexusEndpoint" {
                return Ok(Bytes::new());
            }
            let mut body = Vec::new();
            put_bytes(&mut body, 1, last_bytes(&call.body, 3).unwrap_or_default());
            return ask(cluster, method(CREATE)?, &call.caller, body.into()).await;
        };
        let mut body = Vec::new();
        put_bytes(&mut body, 1, last_bytes(&own, ID).unwrap_or_default());
        put_uint(&mut body, 2, version(&own));
        let rest = fields(&call.body).flatten().filter(|field| field.number > 2);
        rest.for_each(|field| body.extend_from_slice(field.raw));
        ask(cluster, call.method, &call.caller, body.into()).await
    }

    /// The endpoint with an id, and the cluster that knows it.
    async fn find(&self, call: &Call, id: &[u8]) -> Result<(&Arc<Cluster>, Bytes), Status> {
        let get = method("/temporal.api.operatorservice.v1.OperatorService/GetNexusEndpoint")?;
        let mut body = Vec::new();
        put_bytes(&mut body, 1, id);
        let body = Bytes::from(body);
        let mut last = Status::not_found("Panko has no cluster");
        for cluster in self.topology.clusters() {
            match ask(cluster, get, &call.caller, body.clone()).await {
                Ok(answer) => {
                    let endpoint = last_bytes(&answer, 1).map_err(|e| malformed(get, e))?;
                    return Ok((cluster, answer.slice_ref(endpoint)));
                }
                // One that is down may be the one that knows it.
                Err(status) if status.code() == Code::NotFound && is_missing(&last) => {}
                Err(status) => last = told_by_cluster(cluster, &status),
            }
        }
        Err(last)
    }

    /// By the id of any cluster.
    pub(super) async fn get_nexus_endpoint(&self, call: &Call) -> Result<Reply, Status> {
        let id = last_bytes(&call.body, 1).map_err(|e| malformed(call.method, e))?;
        let (_, endpoint) = self.find(call, id).await?;
        let mut body = Vec::new();
        put_bytes(&mut body, 1, &endpoint);
        Ok(Bytes::from(body).into())
    }

    /// All clusters' endpoints by name; of those with the same name the first cluster's.
    pub(super) async fn list_nexus_endpoints(&self, call: &Call) -> Result<Reply, Status> {
        let bad = |e| malformed(call.method, e);
        let name = last_bytes(&call.body, 3).map_err(bad)?;
        let list = number_of(&[call.method.name.as_bytes(), name]);
        let token = last_bytes(&call.body, PAGE_TOKEN).map_err(bad)?;
        let after = page_token::read_after(token, list)
            .map_err(|e| Status::invalid_argument(format!("{}: {e}", call.method.name)))?;
        let (mut rows, mut missing): (BTreeMap<Vec<u8>, Bytes>, _) = (BTreeMap::new(), Vec::new());
        let asked = self
            .topology
            .clusters()
            .iter()
            .map(|cluster| async move { (cluster, all(cluster, &call.caller, name).await) });
        for (cluster, answer) in join_all(asked).await {
            match answer {
                Ok(endpoints) => endpoints.into_iter().for_each(|endpoint| {
                    let name =
                        first_at(&endpoint, &NAME).ok().flatten().unwrap_or_default().to_vec();
                    rows.entry(name).or_insert(endpoint);
                }),
                Err(status) if is_missing(&status) => missing.push(Missing {
                    cluster: cluster.name().clone(),
                    why: status.message().to_owned(),
                }),
                Err(status) => return Err(told_by_cluster(cluster, &status)),
            }
        }
        if missing.len() == self.topology.clusters().len() {
            let told: Vec<_> = missing.iter().map(Missing::to_string).collect();
            return Err(Status::unavailable(told.join("; ")));
        }
        let mut body = Vec::new();
        let mut left = rows
            .into_iter()
            .filter(|(name, _)| after.as_ref().is_none_or(|after| name[..] > after[..]));
        let mut last = Vec::new();
        for (name, endpoint) in left.by_ref().take(page_size(&call.body)) {
            put_bytes(&mut body, ENDPOINTS, &endpoint);
            last = name;
        }
        if left.next().is_some() {
            put_bytes(&mut body, NEXT_PAGE_TOKEN, &page_token::write_after(list, last));
        }
        Ok(Reply { body: body.into(), receipt: None, missing })
    }
}

/// The first cluster's answer when all have done it; else the first failure.
fn one(call: &Call, answers: Vec<(&Arc<Cluster>, Result<Bytes, Status>)>) -> Result<Reply, Status> {
    if let Some(status) = refused_alike(answers.iter().map(|(_, result)| result)) {
        return Err(status);
    }
    let (mut done, mut before, mut failed) = (None, None, None);
    for (cluster, answer) in answers {
        match answer {
            Ok(body) => done = done.or(Some(body)),
            Err(status) if done_before(call.method.name, &status) => {
                before = before.or(Some(told_by_cluster(cluster, &status)));
            }
            Err(status) => failed = failed.or(Some(told_by_cluster(cluster, &status))),
        }
    }
    match (failed, done, before) {
        (Some(status), None, None) => Err(status),
        (Some(status), ..) => {
            let message = format!(
                "{} (done on other clusters; repeat the call, and it is done on the rest)",
                status.message()
            );
            Err(Status::with_details(status.code(), message, status.details().to_vec().into()))
        }
        (None, Some(body), _) => Ok(body.into()),
        (None, None, Some(status)) => Err(status),
        (None, None, None) => {
            Err(Status::unavailable("Panko has no cluster; add one to panko.yaml"))
        }
    }
}

async fn ask(
    cluster: &Cluster,
    method: &'static Method,
    caller: &Caller,
    body: Bytes,
) -> Result<Bytes, Status> {
    cluster.call_translated(method, caller, body, DEADLINE).await
}

/// A cluster's endpoint of this name.
async fn by_name(cluster: &Cluster, caller: &Caller, name: &[u8]) -> Result<Option<Bytes>, Status> {
    Ok(all(cluster, caller, name).await?.into_iter().next())
}

/// All of a cluster's endpoints, or the one of a name.
async fn all(cluster: &Cluster, caller: &Caller, name: &[u8]) -> Result<Vec<Bytes>, Status> {
    let list = method(LIST)?;
    let (mut endpoints, mut token) = (Vec::new(), Bytes::new());
    loop {
        let mut body = Vec::new();
        put_uint(&mut body, PAGE_SIZE, 100);
        put_bytes(&mut body, PAGE_TOKEN, &token);
        put_bytes(&mut body, 3, name);
        let answer = ask(cluster, list, caller, body.into()).await?;
        for field in fields(&answer).flatten() {
            match field.value {
                Value::Bytes(endpoint) if field.number == ENDPOINTS => {
                    endpoints.push(answer.slice_ref(endpoint));
                }
                _ => {}
            }
        }
        token = answer.slice_ref(last_bytes(&answer, NEXT_PAGE_TOKEN).unwrap_or_default());
        if token.is_empty() {
            return Ok(endpoints);
        }
    }
}

fn version(endpoint: &[u8]) -> u64 {
    let version = fields(endpoint).flatten().find(|field| field.number == VERSION);
    match version.map(|field| field.value) {
        Some(Value::Varint(version)) => version,
        _ => 0,
    }
}

fn page_size(body: &[u8]) -> usize {
    let size = fields(body).flatten().find(|field| field.number == PAGE_SIZE);
    let size = match size.map(|field| field.value) {
        Some(Value::Varint(size)) => usize::try_from(size).unwrap_or(usize::MAX),
        _ => 0,
    };
    if (1..=LARGEST_PAGE).contains(&size) { size } else { LARGEST_PAGE }
}
