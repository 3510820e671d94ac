//! What was read from the store last, and how it is published: the topology first, then the placements, so that whoever has a
//! placement has its members.

use std::collections::BTreeMap;
use std::sync::Arc;

use panko_placement::State;
use panko_routing::Placement;
use panko_store::Applied;

use super::{Error, PlacementsHolder, wire};
use crate::desired::{self, Desired};
use crate::topology::Topology;

/// What was last read from the store.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The version of what was applied; 0 for nothing.
    pub(super) applied: u64,
    pub(super) desired: Arc<Desired>,
    /// The placements of the namespaces that are served.
    pub(super) states: BTreeMap<String, Arc<State>>,
    /// The versions of the other placements: they need not be read again before something else is applied.
    unserved: BTreeMap<String, u64>,
    /// The placements as filters get them. Those that stay the same are shared from one snapshot to the next.
    placements: BTreeMap<String, Arc<Placement>>,
}

impl Known {
    /// The version of a placement that was read last; 0 for none.
    pub(super) fn version(&self, namespace: &str) -> u64 {
        let served = self.states.get(namespace).map(|state| state.version);
        served.or_else(|| self.unserved.get(namespace).copied()).unwrap_or(0)
    }

    /// What is applied anew may serve what was not.
    pub(super) fn forget_unserved(&mut self) {
        self.unserved.clear();
    }

    /// Takes in what is newer than what is here.
    fn take(
        &mut self,
        applied: Option<Applied>,
        states: Vec<(String, State)>,
    ) -> Result<(), Error> {
        if let Some(applied) = applied.filter(|applied| applied.version > self.applied) {
            self.desired = Arc::new(serde_json::from_str(&applied.body)?);
            self.applied = applied.version;
            self.forget_unserved();
        }
        for (namespace, state) in states {
            if self.version(&namespace) < state.version {
                self.states.insert(namespace, Arc::new(state));
            }
        }
        let Self { desired, states, unserved, .. } = self;
        states.retain(|name, state| {
            let serves = is_served(desired, name, state);
            if serves {
                unserved.remove(name);
            } else {
                unserved.insert(name.clone(), state.version);
            }
            serves
        });
        Ok(())
    }

    /// Whether the namespaces here and there have the same members, and of these the same are fenced.
    fn has_the_members_of(&self, other: &Self) -> bool {
        let same = |(name, state): (&String, &Arc<State>)| {
            other.states.get(name).is_some_and(|other| {
                let mut members = state.members.iter().zip(&other.members);
                Arc::ptr_eq(state, other)
                    || state.has_the_members_of(other) && members.all(|(a, b)| a.fenced == b.fenced)
            })
        };
        self.states.len() == other.states.len() && self.states.iter().all(same)
    }

    fn is_the_same(&self, other: &Self) -> bool {
        let states = self.states.values().zip(other.states.values());
        self.applied == other.applied
            && self.states.len() == other.states.len()
            && states.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl PlacementsHolder {
    /// Publishes what is newer than what is here.
    pub(super) fn take(
        &self,
        applied: Option<Applied>,
        states: Vec<(String, State)>,
    ) -> Result<(), Error> {
        let mut here = self.lock();
        let mut next = here.clone();
        next.take(applied, states)?;
        if next.is_the_same(&here) {
            *here = next;
            return Ok(());
        }
        let topology = self.topology_of(&next, &here);
        next.placements = self.placements_of(&next, &here, &topology)?;
        for (name, state) in &next.states {
            let members = topology.namespace(name).into_iter().flat_map(|of| &of.members);
            for (member, of) in members.zip(&state.members) {
                member.set_fenced(of.fenced);
            }
        }
        let placements = next.placements.values().cloned().collect();
        *here = next;
        self.topologies.send_if_modified(|old| {
            let news = !Arc::ptr_eq(old, &topology);
            *old = topology;
            news
        });
        self.sender.send_replace(Some(Arc::new(placements)));
        Ok(())
    }

    /// The placements as filters get them, those of before where nothing of them has changed.
    fn placements_of(
        &self,
        next: &Known,
        here: &Known,
        topology: &Topology,
    ) -> Result<BTreeMap<String, Arc<Placement>>, Error> {
        let before = self.topology();
        let mut placements = BTreeMap::new();
        for (name, state) in &next.states {
            let Some(of) = topology.namespace(name) else { continue };
            let same = before.namespace(name).is_some_and(|before| Arc::ptr_eq(before, of))
                && here.states.get(name).is_some_and(|here| Arc::ptr_eq(here, state));
            let placement = match here.placements.get(name).filter(|_| same) {
                Some(placement) => placement.clone(),
                None => Arc::new(wire::placement(of, state)?),
            };
            placements.insert(name.clone(), placement);
        }
        Ok(placements)
    }

    /// The topology of what is known; the one that is here, if that is still the same. Most changes are of slots, and make no
    /// other.
    fn topology_of(&self, next: &Known, here: &Known) -> Arc<Topology> {
        let before = self.topology();
        let usable = before.clusters().iter().all(|cluster| cluster.is_usable());
        if usable && next.applied == here.applied && next.has_the_members_of(here) {
            return before;
        }
        let mut namespaces = Vec::new();
        for (name, state) in &next.states {
            let settings = next.desired.namespace(name);
            namespaces.extend(settings.map(|namespace| desired::with_members(namespace, state)));
        }
        let mut topology = Topology::new(&next.desired.clusters, &namespaces, Some(&before));
        for (name, state) in &next.states {
            let members = topology.namespace(name).into_iter().flat_map(|of| &of.members);
            if members.zip(&state.members).any(|(member, of)| member.is_fenced() != of.fenced) {
                topology.renew(name);
            }
        }
        if topology.is_the_same(&before) { before } else { Arc::new(topology) }
    }
}

/// Whether a namespace can be served: it was applied, and so were the clusters of all its members.
fn is_served(desired: &Desired, name: &str, state: &State) -> bool {
    let unknown = state.members.iter().find(|member| desired.cluster(&member.cluster).is_none());
    if let (Some(member), true) = (unknown, desired.namespace(name).is_some()) {
        let cluster = &member.cluster;
        tracing::error!(
            namespace = name,
            cluster,
            "a member's cluster was not applied, so the namespace is not served; `panko apply` a panko.yaml that has it"
        );
    }
    unknown.is_none() && desired.namespace(name).is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use panko_placement::Change;
    use panko_routing::placement::MemberIndex;

    use crate::placements::By;
    use crate::placements::fixture::Fixture;

    const BY: By<'_> = By { who: "a test", why: "", lead: None, emptied: &[] };

    #[tokio::test(flavor = "multi_thread")]
    async fn slots_change_no_topology_and_members_do() {
        let here = Fixture::of_members(2).await;
        let first = here.placements.topology();
        let change = async |change: Change| {
            let change = |_: &_| Ok(change.clone());
            here.placements.change("default", BY, "a change", change).await.unwrap()
        };
        change(Change::Begin(vec![(7, MemberIndex(1))])).await;
        assert!(Arc::ptr_eq(&first, &here.placements.topology()));
        let state = change(Change::Cancel).await;
        let mut member = state.members[1].clone();
        member.fenced = true;
        change(Change::Put(member)).await;
        let fenced = here.placements.topology();
        assert!(!Arc::ptr_eq(&first, &fenced));
        assert!(fenced.namespace("default").unwrap().members[1].is_fenced());
    }
}
