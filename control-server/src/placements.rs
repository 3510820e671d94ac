//! The placements of all virtual namespaces, as they stand: what filters are sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use panko_routing::placement::{self, MemberIndex, NamespaceUuid, PlacementVersion, assign};
use panko_routing::{Key, Placement, SLOTS};
use tokio::sync::watch;

use crate::topology::{Topology, VirtualNamespace};

/// All placements at one moment; none once the control server stops.
pub type Snapshot = Option<Arc<Vec<Placement>>>;

/// Holds the placements and tells who wants to know of each change.
#[derive(Debug)]
pub struct PlacementsHolder {
    states: Mutex<Vec<State>>,
    sender: watch::Sender<Snapshot>,
}

/// What one virtual namespace's placement is made of.
#[derive(Debug)]
struct State {
    namespace: Arc<VirtualNamespace>,
    slots: Box<[MemberIndex; SLOTS]>,
    uuids: Vec<Option<NamespaceUuid>>,
    version: u64,
}

impl PlacementsHolder {
    /// Gives every namespace's slots out by weight. No member's UUID is known yet.
    ///
    /// Versions begin with the time of the start, so that they grow from one start to the next.
    pub fn new(topology: &Topology) -> Result<Arc<Self>, placement::Error> {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let version = u64::try_from(began.as_millis()).unwrap_or(0);
        let states: Vec<State> = topology
            .namespaces()
            .filter_map(|namespace| {
                // A namespace without an active member is refused with the configuration.
                let slots = assign::assign(&namespace.weights, None)?;
                let uuids = vec![None; namespace.members.len()];
                Some(State { namespace: namespace.clone(), slots, uuids, version })
            })
            .collect();
        let sender = watch::Sender::new(snapshot(&states)?);
        Ok(Arc::new(Self { states: Mutex::new(states), sender }))
    }

    /// The placements from now on; changes wake the receiver.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.sender.subscribe()
    }

    /// Ends the streams of all filters: they look for another control server, or for the next start
    /// of this one.
    pub fn close(&self) {
        self.sender.send_replace(None);
    }

    /// The position of the member that owns a key's slot. None before there is a placement, and for a
    /// namespace that nobody configured.
    #[must_use]
    pub fn owner(&self, namespace: &str, key: &Key<'_>) -> Option<usize> {
        let snapshot = self.sender.borrow().clone()?;
        snapshot.iter().find(|placement| placement.namespace() == namespace)?.owner_index(key)
    }

    /// A cluster has told the UUID of a member's physical namespace. Returns whether that is news.
    pub fn learned(
        &self,
        namespace: &str,
        member: usize,
        uuid: NamespaceUuid,
    ) -> Result<bool, placement::Error> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.iter_mut().find(|state| *state.namespace.name == *namespace);
        let news = state.is_some_and(|state| match state.uuids.get_mut(member) {
            Some(known) if *known != Some(uuid) => {
                *known = Some(uuid);
                state.version += 1;
                true
            }
            _ => false,
        });
        if news {
            self.sender.send_replace(snapshot(&states)?);
        }
        Ok(news)
    }
}

fn snapshot(states: &[State]) -> Result<Snapshot, placement::Error> {
    let placement = |state: &State| {
        let members = state.namespace.members.iter().zip(&state.uuids).map(|(member, uuid)| {
            placement::Member {
                cluster: member.cluster.name().clone(),
                namespace: member.namespace.as_str().into(),
                uuid: *uuid,
            }
        });
        let version = PlacementVersion(state.version);
        let (namespace, slots) = (&state.namespace, state.slots.clone());
        let placement = Placement::new(&namespace.name, version, members.collect(), slots)?;
        let spread = namespace.spread.iter().map(|(queue, parts)| (queue.as_str(), *parts));
        let locate = namespace.locate_before_start;
        Ok(placement.with_spread(spread).with_locate_before_start(locate))
    };
    Ok(Some(Arc::new(states.iter().map(placement).collect::<Result<_, _>>()?)))
}
