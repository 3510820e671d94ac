//! The clusters and virtual namespaces of the configuration, ready to be called.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::cluster::{self, Cluster};
use crate::config::Config;

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
    pub name: String,
    /// Its members, in the configuration's order.
    pub members: Vec<Member>,
    /// Each member's share of the slots; 0 for the cordoned.
    pub weights: Vec<u32>,
    /// In how many parts the polls of a task queue are spread over the control servers.
    pub spread: BTreeMap<String, u32>,
}

/// A physical namespace and its cluster.
#[derive(Debug)]
pub struct Member {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// The physical namespace's name.
    pub namespace: String,
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
        let namespaces = config.namespaces.iter().map(|namespace| {
            let members = namespace.members.iter().filter_map(|member| {
                let physical = member.physical(&namespace.name).to_owned();
                Some(Member { cluster: find(&member.cluster)?, namespace: physical })
            });
            let (name, members) = (namespace.name.clone(), members.collect());
            let (weights, spread) = (namespace.weights(), namespace.spread.clone());
            (name.clone(), Arc::new(VirtualNamespace { name, members, weights, spread }))
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
