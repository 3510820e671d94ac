//! What operators want: the clusters and the virtual namespaces of a `panko.yaml`. What was applied last is in the
//! store, and counts for all control servers; the rest of the file is each control server's own.

use panko_placement::State;
use serde::{Deserialize, Serialize};

use crate::config::{self, Config};

/// Clusters and virtual namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// The Temporal clusters.
    pub clusters: Vec<config::Cluster>,
    /// The virtual namespaces. Who their members are, and with what weight, is said by their placements.
    pub namespaces: Vec<config::Namespace>,
}

impl Desired {
    /// What a file says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { clusters: config.clusters.clone(), namespaces: config.namespaces.clone() }
    }

    /// The virtual namespace of this name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<&config::Namespace> {
        self.namespaces.iter().find(|namespace| namespace.name == name)
    }

    /// The cluster of this name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&config::Cluster> {
        self.clusters.iter().find(|cluster| cluster.name == name)
    }

    /// What is here or there; where both have something of one name, it is `newer`'s.
    #[must_use]
    pub fn with(&self, newer: &Self) -> Self {
        let (mut clusters, mut namespaces) = (newer.clusters.clone(), newer.namespaces.clone());
        let old = self.clusters.iter().filter(|old| newer.cluster(&old.name).is_none());
        clusters.extend(old.cloned());
        let old = self.namespaces.iter().filter(|old| newer.namespace(&old.name).is_none());
        namespaces.extend(old.cloned());
        Self { clusters, namespaces }
    }
}

/// A namespace with the members that its placement has.
#[must_use]
pub fn with_members(namespace: &config::Namespace, state: &State) -> config::Namespace {
    let members = state.members.iter().map(|member| config::Member {
        cluster: member.cluster.clone(),
        namespace: Some(member.namespace.clone()),
        weight: member.weight,
        state: config::MemberState::default(),
    });
    config::Namespace { members: members.collect(), ..namespace.clone() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_newer_goes_before_what_is_older_and_nothing_is_lost() {
        let of = |clusters: &str| {
            let text = format!(
                "clusters: [{clusters}]\nnamespaces: [{{ name: default, members: [{{ cluster: a }}] }}]"
            );
            Desired::of(&Config::parse(&text, Path::new("panko.yaml")).unwrap())
        };
        let old = of("{ name: a, address: 127.0.0.1:1 }, { name: b, address: 127.0.0.1:2 }");
        let new = of("{ name: c, address: 127.0.0.1:3 }, { name: a, address: 127.0.0.1:4 }");
        let both = old.with(&new);
        let clusters: Vec<_> = both.clusters.iter().map(|c| (&*c.name, &*c.address)).collect();
        let wanted = [("c", "127.0.0.1:3"), ("a", "127.0.0.1:4"), ("b", "127.0.0.1:2")];
        assert_eq!(clusters, wanted);
        assert_eq!(both.namespaces, new.namespaces);
    }
}
