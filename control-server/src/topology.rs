//! The clusters and virtual namespaces of the configuration, ready to be called.
//!
//! * [`generation`] — which of two looks at the same namespace is the later one.

pub mod generation;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use panko_placement::State;
use panko_proto::rpc::Method;
use panko_routing::Dialect;
use tonic::Status;
use xxhash_rust::xxh64::xxh64;

use crate::caller::Caller;
use crate::cluster::{Cluster, translated};
use crate::config::{self, Failover, MissingMember, NamespaceChanges};
use crate::nexus_callback;
use generation::Generation;

/// All clusters and virtual namespaces.
#[derive(Debug)]
pub struct Topology {
    clusters: Vec<Arc<Cluster>>,
    namespaces: HashMap<String, Arc<VirtualNamespace>>,
}

/// One virtual namespace.
#[derive(Debug, Clone)]
pub struct VirtualNamespace {
    /// The name that SDKs say.
    pub name: Arc<str>,
    /// Its members, in its placement's order.
    pub members: Vec<Arc<Member>>,
    /// In how many parts the polls of a task queue are spread over the control servers.
    pub spread: BTreeMap<String, u32>,
    /// What becomes of a list or a count while a member is down.
    pub missing_member: MissingMember,
    /// Whether every start looks on all members first.
    pub locate_before_start: bool,
    /// Whether callers may change the namespace itself.
    pub namespace_changes: NamespaceChanges,
    /// When this was built: of two of the same name the later one counts.
    pub generation: Generation,
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
    fn is_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cluster, &other.cluster)
            && self.namespace == other.namespace
            && self.name == other.name
            && self.dialect == other.dialect
    }

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

    /// A number of its own in its namespace, the same at every start and on every control server, wherever
    /// it stands among the members.
    #[must_use]
    pub fn number(&self) -> u64 {
        let (cluster, namespace) = (self.cluster.name(), &self.namespace);
        xxh64(format!("{cluster}/{namespace}").as_bytes(), 0)
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
        self.members.iter().map(|member| member.number()).collect()
    }

    /// Whether polls are opened on the member at this position. What is open there already goes on.
    #[must_use]
    pub fn takes_polls(&self, index: usize) -> bool {
        self.members.get(index).is_some_and(|member| !member.is_fenced())
    }

    /// Whether a placement has exactly these members: then its positions are those of the members here.
    #[must_use]
    pub fn fits(&self, state: &State) -> bool {
        let here = self.members.iter().map(|m| (&**m.cluster.name(), &*m.namespace));
        here.eq(state.members.iter().map(|m| (&*m.cluster, &*m.namespace)))
    }

    /// Fails with UNAVAILABLE unless [`VirtualNamespace::fits`]: a call that comes again finds the namespace as it is then.
    pub fn must_fit(&self, state: &State) -> Result<(), Status> {
        match self.fits(state) {
            true => Ok(()),
            false => Err(Status::unavailable("the namespace's members change; try again")),
        }
    }

    fn is_the_same(&self, other: &Self) -> bool {
        let members = self.members.iter().zip(&other.members);
        self.members.len() == other.members.len()
            && members.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
            && self.spread == other.spread
            && self.missing_member == other.missing_member
            && self.locate_before_start == other.locate_before_start
            && self.namespace_changes == other.namespace_changes
            && self.failover == other.failover
    }
}

impl Topology {
    /// Prepares what a configuration names. Nothing is called yet. What is the same as `before` is taken from there,
    /// with its connections. A cluster that cannot be used from here answers UNAVAILABLE.
    pub fn new(
        clusters: &[config::Cluster],
        namespaces: &[config::Namespace],
        before: Option<&Self>,
    ) -> Self {
        let clusters: Vec<_> = clusters
            .iter()
            .map(|cluster| {
                let known = before.into_iter().flat_map(|before| &before.clusters);
                let mut usable = known.filter(|known| known.is_usable());
                let known = usable.find(|known| known.config() == cluster).cloned();
                known.unwrap_or_else(|| Arc::new(Cluster::or_silent(cluster)))
            })
            .collect();
        let places = || {
            namespaces.iter().flat_map(|namespace| {
                let name = namespace.name.as_str();
                let members = namespace.members.iter();
                members.map(move |m| (name, m.cluster.as_str(), m.physical(name)))
            })
        };
        for cluster in &clusters {
            cluster.set_dialect(Dialect::of(cluster.name(), None, places()));
        }
        let mut built = HashMap::new();
        for namespace in namespaces {
            let before = before.and_then(|before| before.namespace(&namespace.name));
            let members = namespace.members.iter().filter_map(|member| {
                let mut cluster = clusters.iter();
                let cluster = cluster.find(|one| **one.name() == *member.cluster)?;
                let physical = member.physical(&namespace.name);
                let own = (namespace.name.as_str(), member.cluster.as_str(), physical);
                let of = namespace.members.iter().map(|m| m.cluster.as_str());
                let new = Member {
                    cluster: cluster.clone(),
                    name: member_name(&member.cluster, physical, of).into(),
                    namespace: physical.to_owned(),
                    dialect: Dialect::of(&member.cluster, Some(own), places()),
                    withdraws_polls: AtomicBool::new(false),
                    fenced: AtomicBool::new(false),
                };
                let mut known = before.into_iter().flat_map(|before| &before.members);
                let known = known.find(|known| known.is_the_same(&new)).cloned();
                Some(known.unwrap_or_else(|| Arc::new(new)))
            });
            let new = VirtualNamespace {
                name: namespace.name.as_str().into(),
                members: members.collect(),
                spread: namespace.spread.clone(),
                missing_member: namespace.missing_member,
                locate_before_start: namespace.locate_before_start,
                namespace_changes: namespace.namespace_changes,
                generation: Generation::next(),
                failover: namespace.failover,
            };
            let known = before.filter(|before| before.is_the_same(&new)).cloned();
            built.insert(namespace.name.clone(), known.unwrap_or_else(|| Arc::new(new)));
        }
        Self { clusters, namespaces: built }
    }

    /// Makes a namespace anew: something of its members is otherwise than before, and whoever goes by them is to look again.
    pub fn renew(&mut self, name: &str) {
        if let Some(namespace) = self.namespaces.get_mut(name) {
            let generation = Generation::next();
            *namespace = Arc::new(VirtualNamespace { generation, ..(**namespace).clone() });
        }
    }

    /// Whether it is made of the same clusters and namespaces.
    #[must_use]
    pub fn is_the_same(&self, other: &Self) -> bool {
        let clusters = self.clusters.iter().zip(&other.clusters);
        let namespaces = self
            .namespaces
            .iter()
            .map(|(name, own)| other.namespace(name).is_some_and(|other| Arc::ptr_eq(own, other)));
        self.clusters.len() == other.clusters.len()
            && self.namespaces.len() == other.namespaces.len()
            && clusters.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
            && namespaces.into_iter().all(|same| same)
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
