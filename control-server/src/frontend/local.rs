//! Class `local`: answered here, so that what Panko offers is what all members offer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use panko_routing::wire::fields::{last_bytes, put_bytes, put_uint};
use tonic::{Code, Status};
use uuid::Uuid;

use super::offers::{least, with_bytes, without};
use super::{Call, Frontend, malformed};
use crate::caller::Caller;
use crate::cluster::Cluster;
use crate::identify::{DESCRIBE_NAMESPACE, method};
use crate::topology::VirtualNamespace;

/// How long the members have. SDKs ask when they connect, and some wait no longer than 5 s; of a member that
/// hangs, what it last said counts.
const DEADLINE: Duration = Duration::from_secs(2);

/// `GetSystemInfoResponse.capabilities`.
const SYSTEM_CAPABILITIES: u32 = 2;

/// `DescribeNamespaceResponse.namespace_info` and fields of `NamespaceInfo`.
const NAMESPACE_INFO: u32 = 1;
const INFO_NAME: u32 = 1;
const INFO_ID: u32 = 6;
const INFO_CAPABILITIES: u32 = 7;
const INFO_LIMITS: u32 = 8;

/// `worker_poll_complete_on_shutdown`, which Panko has even if no member does: a worker's polls are
/// Panko's to end. SDKs that see it wait for that, and do not cancel polls that may have a task on
/// their way.
const POLL_COMPLETE_ON_SHUTDOWN: u32 = 8;

/// Namespace capabilities that are not taken from the members: the one above, and what Panko does not
/// have even if all members do: `worker_commands` (10) reach one worker by its control queue, which
/// pooled polls leave out.
const NOT_OF_MEMBERS: [u32; 2] = [POLL_COMPLETE_ON_SHUTDOWN, 10];

impl Frontend {
    pub(super) async fn local(&self, call: Call) -> Result<Bytes, Status> {
        match call.method.name {
            "GetSystemInfo" => self.system_info(&call).await,
            "GetClusterInfo" => self.cluster_info(&call).await,
            "DescribeNamespace" => {
                let asked =
                    |number| last_bytes(&call.body, number).map_err(|e| malformed(call.method, e));
                let (name, id) = (asked(1)?, asked(2)?);
                let namespace = match self.namespace_by_id(id) {
                    Some(namespace) if name.is_empty() => namespace,
                    _ => self.namespace(name)?,
                };
                self.describe_namespace(namespace, &call.caller).await
            }
            "ListNamespaces" => self.list_namespaces(&call.caller).await,
            name => Err(Status::unimplemented(format!("{name} is not served here"))),
        }
    }

    async fn system_info(&self, call: &Call) -> Result<Bytes, Status> {
        let clusters = self.topology.clusters();
        let asked = clusters.iter().map(|cluster| ask(cluster, call));
        let last = clusters.iter().map(|cluster| self.answers.system_info(cluster.name()));
        let offers = Offers::of(join_all(asked).await, last)?;
        let capabilities = offers.part(|answer| last_bytes(answer, SYSTEM_CAPABILITIES));
        Ok(with_bytes(&offers.first, SYSTEM_CAPABILITIES, &least(&capabilities)).into())
    }

    /// The first cluster that answers speaks for all: nothing in it is summed or compared by SDKs.
    async fn cluster_info(&self, call: &Call) -> Result<Bytes, Status> {
        let mut last = no_cluster();
        for cluster in self.topology.clusters() {
            match ask(cluster, call).await {
                Ok(answer) => return Ok(answer),
                Err(status) => last = status,
            }
        }
        Err(last)
    }

    /// The first member's answer under the virtual namespace's name and id, with the capabilities
    /// that all members have and the strictest limits.
    async fn describe_namespace(
        &self,
        namespace: &VirtualNamespace,
        caller: &Caller,
    ) -> Result<Bytes, Status> {
        let describe = method(DESCRIBE_NAMESPACE)?;
        let asked = namespace.members.iter().map(|member| async move {
            let mut body = Vec::new();
            put_bytes(&mut body, 1, namespace.name.as_bytes());
            member.ask(describe, caller, body.into(), DEADLINE).await
        });
        let last = namespace
            .members
            .iter()
            .map(|member| self.answers.namespace(member.cluster.name(), &member.namespace));
        let offers = Offers::of(join_all(asked).await, last)?;
        let all = |number| {
            least(&offers.part(|answer| last_bytes(last_bytes(answer, NAMESPACE_INFO)?, number)))
        };
        let named = named(namespace, &offers.first);
        let info = last_bytes(&named, NAMESPACE_INFO).unwrap_or_default();
        let mut capabilities = without(&all(INFO_CAPABILITIES), &NOT_OF_MEMBERS);
        put_uint(&mut capabilities, POLL_COMPLETE_ON_SHUTDOWN, 1);
        let info = with_bytes(info, INFO_CAPABILITIES, &capabilities);
        let info = with_bytes(&info, INFO_LIMITS, &all(INFO_LIMITS));
        Ok(with_bytes(&offers.first, NAMESPACE_INFO, &info).into())
    }

    /// The virtual namespace that has this id.
    pub(super) fn namespace_by_id(&self, asked: &[u8]) -> Option<&Arc<VirtualNamespace>> {
        self.topology.namespaces().find(|namespace| is_id(namespace, asked))
    }

    /// All virtual namespaces that the caller may see, on one page.
    async fn list_namespaces(&self, caller: &Caller) -> Result<Bytes, Status> {
        let mut namespaces: Vec<_> = self.topology.namespaces().collect();
        namespaces.sort_by(|a, b| a.name.cmp(&b.name));
        let described =
            join_all(namespaces.iter().map(|namespace| self.describe_namespace(namespace, caller)));
        let mut list = Vec::new();
        for description in described.await {
            match description {
                Ok(description) => put_bytes(&mut list, 1, &description),
                Err(status) if status.code() == Code::PermissionDenied => {}
                Err(status) => return Err(status),
            }
        }
        Ok(list.into())
    }
}

/// A member's `DescribeNamespaceResponse` or `UpdateNamespaceResponse` under the virtual namespace's name
/// and id.
pub(super) fn named(namespace: &VirtualNamespace, answer: &[u8]) -> Vec<u8> {
    let info = last_bytes(answer, NAMESPACE_INFO).unwrap_or_default();
    let info = with_bytes(info, INFO_NAME, namespace.name.as_bytes());
    with_bytes(answer, NAMESPACE_INFO, &with_bytes(&info, INFO_ID, id(namespace).as_bytes()))
}

async fn ask(cluster: &Cluster, call: &Call) -> Result<Bytes, Status> {
    cluster.call(call.method, &call.caller, call.body.clone(), DEADLINE).await
}

/// What the members say that they offer.
struct Offers {
    /// The first answer of a member that is up: what the merged answer is made from.
    first: Bytes,
    all: Vec<Bytes>,
}

impl Offers {
    /// Of each member its answer; of one that is down what it last said. One that is down and has
    /// never said anything is passed over: nothing is known that it would take away.
    ///
    /// Fails with what a member that is up refuses, and when all are down.
    fn of(
        answers: Vec<Result<Bytes, Status>>,
        last: impl Iterator<Item = Option<Bytes>>,
    ) -> Result<Self, Status> {
        let (mut first, mut down) = (None, no_cluster());
        let mut all = Vec::with_capacity(answers.len());
        for (answer, last) in answers.into_iter().zip(last) {
            match answer {
                Ok(answer) => {
                    first.get_or_insert_with(|| answer.clone());
                    all.push(answer);
                }
                Err(status) if is_down(&status) => {
                    down = status;
                    all.extend(last);
                }
                Err(status) => return Err(status),
            }
        }
        Ok(Self { first: first.ok_or(down)?, all })
    }

    /// The same part of every answer; empty where it is missing.
    fn part<'a>(
        &'a self,
        part: impl Fn(&'a [u8]) -> Result<&'a [u8], panko_routing::wire::Error>,
    ) -> Vec<&'a [u8]> {
        self.all.iter().map(|answer| part(answer).unwrap_or_default()).collect()
    }
}

fn no_cluster() -> Status {
    Status::unavailable("Panko has no cluster; add one to panko.yaml")
}

fn is_down(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
    )
}

/// A virtual namespace's id: the same at every start and on every control server.
fn id(namespace: &VirtualNamespace) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("panko/{}", namespace.name).as_bytes()).to_string()
}

fn is_id(namespace: &VirtualNamespace, asked: &[u8]) -> bool {
    !asked.is_empty() && id(namespace).as_bytes() == asked
}
