//! The clusters and virtual namespaces of the configuration, ready to be called.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use panko_proto::rpc::Method;
use panko_routing::Dialect;
use tonic::Status;
use xxhash_rust::xxh64::xxh64;

use crate::caller::Caller;
use crate::cluster::{self, Cluster, translated};
use crate::config::{Config, Failover, MissingMember, NamespaceChanges};
use crate::nexus_callback;

/// All clusters and virtual namespaces.
#[derive(Debug)]
pub struct Topology {
    clusters: Vec<Arc<Cluster>>,
    namespaces: HashMap<String, Arc<VirtualNamespace>>,
}

/// One virtual namespace.
#[derive(Debug)]
pub struct VirtualNamespace {
    /// The name that SDKs say.
    pub name: Arc<str>,
    /// Its members, in the configuration's order.
    pub members: Vec<Arc<Member>>,
    /// Each member's share of the slots; 0 for the cordoned.
    pub weights: Vec<u32>,
    /// In how many parts the polls of a task queue are spread over the control servers.
    pub spread: BTreeMap<String, u32>,
    /// What becomes of a list or a count while a member is down.
    pub missing_member: MissingMember,
    /// Whether every start looks on all members first.
    pub locate_before_start: bool,
    /// Whether callers may change the namespace itself.
    pub namespace_changes: NamespaceChanges,
    /// When a member is given up without an operator.
    pub failover: Option<Failover>,
}

/// A physical namespace and its cluster.
#[derive(Debug)]
pub struct Member {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// The physical namespace's name.
    pub namespace: String,
    /// What operators and callers know it by: the cluster's name, and with a slash the namespace's where the
    /// cluster has several members.
    pub name: Arc<str>,
    /// How its cluster names namespaces, where it does so otherwise than callers.
    pub dialect: Option<Arc<Dialect>>,
    withdraws_polls: AtomicBool,
    fenced: AtomicBool,
}

impl Member {
    /// Makes a unary call that names this member's namespace, on behalf of `caller`.
    ///
    /// `body` says the virtual namespace's name, and so does the answer.
    pub async fn call(
        &self,
        method: &'static Method,
        caller: &Caller,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, Status> {
        let answer = translated(self.dialect.as_ref(), method, body, |body| {
            self.cluster.call(method, caller, body, deadline)
        });
        let answer = answer.await?;
        match (method.name, self.cluster.nexus_callback_url()) {
            ("PollNexusTaskQueue", Some(url)) => Ok(nexus_callback::reachable(answer, url)),
            _ => Ok(answer),
        }
    }

    /// Like [`Member::call`], unless the member is fenced: then it is as if it did not answer.
    pub async fn ask(
        &self,
        method: &'static Method,
        caller: &Caller,
        body: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, Status> {
        if self.is_fenced() {
            let again = format!("it is fenced; `panko failback {}` brings it back", self.name);
            return Err(Status::unavailable(again));
        }
        self.call(method, caller, body, deadline).await
    }

    /// Whether it is known to end polls early when it is told that their worker shuts down.
    #[must_use]
    pub fn withdraws_polls(&self) -> bool {
        self.withdraws_polls.load(Ordering::Relaxed)
    }

    /// Whether an operator has given it up ([`panko_placement::fence`]), as the placement says that was read last: it
    /// gets no calls.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Relaxed)
    }

    /// The placement says so.
    pub fn set_fenced(&self, fenced: bool) {
        self.fenced.store(fenced, Ordering::Relaxed);
    }

    /// It has told.
    pub fn set_withdraws_polls(&self, does: bool) {
        self.withdraws_polls.store(does, Ordering::Relaxed);
    }
}

impl VirtualNamespace {
    /// A number for each member, the same at every start and on every control server.
    #[must_use]
    pub fn numbers(&self) -> Vec<u64> {
        let number = |member: &Arc<Member>| {
            let (cluster, namespace) = (member.cluster.name(), &member.namespace);
            xxh64(format!("{cluster}/{namespace}").as_bytes(), 0)
        };
        self.members.iter().map(number).collect()
    }
}

impl Topology {
    /// Prepares what a configuration names. Nothing is called yet.
    pub fn new(config: &Config) -> Result<Self, cluster::Error> {
        let clusters: Vec<_> = config
            .clusters
            .iter()
            .map(|cluster| Cluster::new(cluster).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let find = |name: &str| clusters.iter().find(|c| c.name().as_ref() == name).cloned();
        let places = || {
            config.namespaces.iter().flat_map(|namespace| {
                let name = namespace.name.as_str();
                let members = namespace.members.iter();
                members.map(move |m| (name, m.cluster.as_str(), m.physical(name)))
            })
        };
        for cluster in &clusters {
            cluster.set_dialect(Dialect::of(cluster.name(), None, places()));
        }
        let namespaces = config.namespaces.iter().map(|namespace| {
            let members = namespace.members.iter().filter_map(|member| {
                let physical = member.physical(&namespace.name).to_owned();
                let cluster = find(&member.cluster)?;
                let (withdraws_polls, fenced) = (AtomicBool::new(false), AtomicBool::new(false));
                let own = (namespace.name.as_str(), member.cluster.as_str(), physical.as_str());
                let dialect = Dialect::of(&member.cluster, Some(own), places());
                let clusters = namespace.members.iter().map(|m| m.cluster.as_str());
                let name = member_name(&member.cluster, &physical, clusters).into();
                let namespace = physical;
                Some(Arc::new(Member {
                    cluster,
                    namespace,
                    name,
                    dialect,
                    withdraws_polls,
                    fenced,
                }))
            });
            let (name, members) = (namespace.name.as_str().into(), members.collect());
            let (weights, spread) = (namespace.weights(), namespace.spread.clone());
            let built = VirtualNamespace {
                name,
                members,
                weights,
                spread,
                missing_member: namespace.missing_member,
                locate_before_start: namespace.locate_before_start,
                namespace_changes: namespace.namespace_changes,
                failover: namespace.failover,
            };
            (namespace.name.clone(), Arc::new(built))
        });
        let namespaces = namespaces.collect();
        Ok(Self { clusters, namespaces })
    }

    /// All clusters, in the configuration's order.
    #[must_use]
    pub fn clusters(&self) -> &[Arc<Cluster>] {
        &self.clusters
    }

    /// The virtual namespace of this name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&Arc<VirtualNamespace>> {
        self.namespaces.get(name)
    }

    /// All virtual namespaces, in no order.
    pub fn namespaces(&self) -> impl Iterator<Item = &Arc<VirtualNamespace>> {
        self.namespaces.values()
    }
}

/// What operators and callers know a member by, among members on these clusters: its cluster's name, and with a
/// slash its namespace's where the cluster has several.
pub(crate) fn member_name<'a>(
    cluster: &str,
    namespace: &str,
    clusters: impl Iterator<Item = &'a str>,
) -> String {
    match clusters.filter(|other| *other == cluster).count() {
        1 => cluster.to_owned(),
        _ => format!("{cluster}/{namespace}"),
    }
}
