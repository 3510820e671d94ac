//! Where the keys of virtual namespaces live.

mod apply;
pub mod assign;
pub mod codec;
mod starts;
mod uuid;

use std::collections::HashMap;
use std::sync::Arc;

use crate::dialect::Dialect;
use crate::key::{Key, SLOTS, Slot};
use crate::poll::Spread;
pub use starts::Starts;
pub use uuid::NamespaceUuid;

/// What begins the name of a chain, Envoy's composite cluster of a cluster and the control servers. The
/// cluster's name follows.
pub const CHAIN: &str = "panko-chain-";

/// A placement's version. It only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacementVersion(pub u64);

/// A member's position in its placement's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIndex(pub u16);

/// A physical namespace's place in a virtual namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The cluster's name, for Envoy as for Panko.
    pub cluster: Arc<str>,
    /// The physical namespace's name on that cluster.
    pub namespace: Arc<str>,
    /// What its task tokens begin with. `None` while the cluster has not yet been reached.
    pub uuid: Option<NamespaceUuid>,
}

/// Members and slots of one virtual namespace, under one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    namespace: Arc<str>,
    version: PlacementVersion,
    members: Vec<Member>,
    /// By member: Envoy's name of its chain.
    chains: Vec<Arc<str>>,
    locate_before_start: bool,
    /// By member: how its cluster names namespaces, where it does so otherwise.
    dialects: Vec<Option<Arc<Dialect>>>,
    /// The owner of each slot; all of them are indices into `members`.
    slots: Box<[MemberIndex; SLOTS]>,
    /// By slot: what becomes of start-type calls.
    starts: Box<[Starts; SLOTS]>,
    /// By task queue.
    spread: HashMap<Box<str>, Spread>,
}

/// Why members and slots do not make a placement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A slot's owner is not in the list of members.
    #[error(
        "placement of {namespace:?}: slot {slot} belongs to member {owner}, and there are {members}"
    )]
    UnknownOwner {
        /// The virtual namespace.
        namespace: String,
        /// The slot's number.
        slot: usize,
        /// The index that is not in the list.
        owner: u32,
        /// How many members there are.
        members: usize,
    },
    /// The runs of slots do not add up to [`SLOTS`].
    #[error("placement of {namespace:?}: its runs cover {slots} slots, not {SLOTS}")]
    SlotCount {
        /// The virtual namespace.
        namespace: String,
        /// How many slots the runs cover (counted up to one run past the end).
        slots: usize,
    },
    /// A placement is older than the one that is here.
    #[error("placement of {namespace:?}: version {version} is older than {here}, which is here")]
    Older {
        /// The virtual namespace.
        namespace: String,
        /// The version that was sent.
        version: u64,
        /// The version that is here.
        here: u64,
    },
    /// A change is of another version than the one that is here.
    #[error(
        "placement of {namespace:?}: a change of version {from} cannot be made to version {here}"
    )]
    OtherVersion {
        /// The virtual namespace.
        namespace: String,
        /// The version that is changed.
        from: u64,
        /// The version that is here; 0 for none.
        here: u64,
    },
    /// A member's UUID is not one.
    #[error("placement of {namespace:?}: {uuid:?} of cluster {cluster:?} is not a UUID")]
    Uuid {
        /// The virtual namespace.
        namespace: String,
        /// The member's cluster.
        cluster: String,
        /// What was sent.
        uuid: String,
    },
}

impl Placement {
    /// Puts a placement together.
    ///
    /// Fails with [`Error::UnknownOwner`] when a slot's owner is not in `members`.
    pub fn new(
        namespace: &str,
        version: PlacementVersion,
        members: Vec<Member>,
        slots: Box<[MemberIndex; SLOTS]>,
    ) -> Result<Self, Error> {
        let unknown = slots.iter().enumerate().find(|(_, o)| usize::from(o.0) >= members.len());
        if let Some((slot, owner)) = unknown {
            let (namespace, owner) = (namespace.to_owned(), owner.0.into());
            return Err(Error::UnknownOwner { namespace, slot, owner, members: members.len() });
        }
        let (namespace, spread) = (namespace.into(), HashMap::new());
        let chains = members.iter().map(|m| format!("{CHAIN}{}", m.cluster).into()).collect();
        let (locate_before_start, dialects) = (false, Vec::new());
        Ok(Self {
            namespace,
            version,
            members,
            chains,
            locate_before_start,
            dialects,
            slots,
            starts: Box::new([Starts::Direct; SLOTS]),
            spread,
        })
    }

    /// Has calls that create their key look for it everywhere first.
    #[must_use]
    pub fn with_locate_before_start(mut self, locate: bool) -> Self {
        self.locate_before_start = locate;
        self
    }

    /// Whether calls that create their key look for it everywhere first.
    #[must_use]
    pub fn locate_before_start(&self) -> bool {
        self.locate_before_start
    }

    /// Says of each slot what becomes of start-type calls.
    #[must_use]
    pub fn with_starts(mut self, starts: Box<[Starts; SLOTS]>) -> Self {
        self.starts = starts;
        self
    }

    /// What becomes of start-type calls on a slot.
    #[must_use]
    pub fn starts(&self, slot: Slot) -> Starts {
        self.starts.get(slot.index()).copied().unwrap_or_default()
    }

    /// Of all slots what becomes of start-type calls.
    #[must_use]
    pub fn all_starts(&self) -> &[Starts; SLOTS] {
        &self.starts
    }

    /// Spreads the polls of task queues in so many parts each.
    #[must_use]
    pub fn with_spread<'a>(mut self, queues: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let spread = |(queue, parts): (&str, u32)| (queue.into(), Spread::new(parts));
        self.spread = queues.into_iter().map(spread).collect();
        self
    }

    /// The virtual namespace's name.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The same, to be kept.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.namespace
    }

    /// The placement's version.
    #[must_use]
    pub fn version(&self) -> PlacementVersion {
        self.version
    }

    /// All members, owners of slots or not.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Changes slots, under a new version. Fails with [`Error::UnknownOwner`] and changes nothing when a
    /// slot's new owner is not among the members.
    pub fn change(
        &mut self,
        version: PlacementVersion,
        changes: impl IntoIterator<Item = (usize, MemberIndex, Starts)> + Clone,
    ) -> Result<(), Error> {
        let members = self.members.len();
        let unknown = |owner: MemberIndex| usize::from(owner.0) >= members;
        if let Some((slot, owner, _)) = changes.clone().into_iter().find(|c| unknown(c.1)) {
            let (namespace, owner) = (self.namespace.to_string(), owner.0.into());
            return Err(Error::UnknownOwner { namespace, slot, owner, members });
        }
        for (slot, owner, starts) in changes {
            if let Some(place) = self.slots.get_mut(slot) {
                *place = owner;
            }
            if let Some(place) = self.starts.get_mut(slot) {
                *place = starts;
            }
        }
        self.version = version;
        Ok(())
    }

    /// The owner of a key's slot.
    #[must_use]
    pub fn owner(&self, key: &Key<'_>) -> Option<&Member> {
        self.slot_owner(key.slot())
    }

    /// The position of a slot's owner in the list of members.
    #[must_use]
    pub fn slot_owner_index(&self, slot: Slot) -> Option<usize> {
        Some(usize::from(self.slots.get(slot.index())?.0))
    }

    /// Envoy's name of a member's chain: its cluster first, and where that does not find what is asked
    /// for, a control server. None where there is no other member to look at.
    #[must_use]
    pub fn chain(&self, member: usize) -> Option<&Arc<str>> {
        self.chains.get(member).filter(|_| self.members.len() > 1)
    }

    /// The owner of a slot. `None` never happens to a placement that [`Placement::new`] made.
    #[must_use]
    pub fn slot_owner(&self, slot: Slot) -> Option<&Member> {
        self.members.get(usize::from(self.slots.get(slot.index())?.0))
    }

    /// How a member's cluster names namespaces. None where it does so as callers do; known once the placement
    /// is among others ([`Placements::insert`]).
    #[must_use]
    pub fn dialect(&self, member: usize) -> Option<&Arc<Dialect>> {
        self.dialects.get(member)?.as_ref()
    }

    /// Which part of its task queue's polls the next poll is: always 0, unless the queue is spread.
    #[must_use]
    pub fn part_of(&self, queue: &[u8]) -> u32 {
        let spread = std::str::from_utf8(queue).ok().and_then(|queue| self.spread.get(queue));
        spread.map_or(0, Spread::next)
    }

    /// The task queues that are spread, and in how many parts, in no order.
    pub fn spread(&self) -> impl Iterator<Item = (&str, u32)> {
        self.spread.iter().map(|(queue, spread)| (queue.as_ref(), spread.parts()))
    }

    /// The owner of every slot.
    #[must_use]
    pub fn slots(&self) -> &[MemberIndex; SLOTS] {
        &self.slots
    }
}

/// A namespace's virtual and physical name.
type Names = (Arc<str>, Arc<str>);

/// Where a physical namespace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its cluster.
    pub cluster: Arc<str>,
    /// How that names namespaces, where it does so otherwise than callers.
    pub dialect: Option<Arc<Dialect>>,
}

/// The placements of all virtual namespaces, as a filter holds them.
#[derive(Debug, Default)]
pub struct Placements {
    by_namespace: HashMap<Arc<str>, Placement>,
    by_uuid: HashMap<NamespaceUuid, Home>,
    /// Whether a first snapshot has come: before it nothing can be said to be unknown.
    ready: bool,
}

impl Placements {
    /// Takes a placement, unless a newer one of its namespace is here already.
    ///
    /// Returns whether it was taken.
    pub fn insert(&mut self, placement: Placement) -> bool {
        let taken = self.put(placement);
        self.index();
        taken
    }

    /// Like [`Placements::insert`]; [`Placements::index`] has to follow.
    fn put(&mut self, placement: Placement) -> bool {
        let here = self.by_namespace.get(placement.namespace.as_ref());
        if here.is_some_and(|here| here.version > placement.version) {
            return false;
        }
        self.by_namespace.insert(placement.namespace.clone(), placement);
        true
    }

    /// Forgets the placements of virtual namespaces for which `keep` is false; [`Placements::index`] has to follow
    /// when there is one.
    fn keep(&mut self, keep: impl Fn(&str) -> bool) {
        self.by_namespace.retain(|namespace, _| keep(namespace));
    }

    /// Says that a snapshot has come: from now on what is not here is unknown.
    pub fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether a first snapshot has come.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// The placement of a virtual namespace.
    #[must_use]
    pub fn get(&self, namespace: &str) -> Option<&Placement> {
        self.by_namespace.get(namespace)
    }

    /// Where the physical namespace with this UUID is.
    #[must_use]
    pub fn home_of(&self, uuid: NamespaceUuid) -> Option<&Home> {
        self.by_uuid.get(&uuid)
    }

    /// The first member whose UUID is not known, if there is one: a token may then be its.
    #[must_use]
    pub fn unreached(&self) -> Option<&Member> {
        self.iter().flat_map(Placement::members).find(|member| member.uuid.is_none())
    }

    /// All placements, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Placement> {
        self.by_namespace.values()
    }

    /// Works out what follows from all placements together.
    fn index(&mut self) {
        let mut on_cluster: HashMap<Arc<str>, Vec<Names>> = HashMap::new();
        for placement in self.by_namespace.values() {
            for member in &placement.members {
                let names = (placement.namespace.clone(), member.namespace.clone());
                on_cluster.entry(member.cluster.clone()).or_default().push(names);
            }
        }
        // Most have nothing to translate.
        on_cluster.retain(|_, names| names.iter().any(|(name, physical)| name != physical));
        for placement in self.by_namespace.values_mut() {
            let dialect = |member: &Member| {
                let cluster = &*member.cluster;
                let all = on_cluster.get(cluster)?;
                let own = (&*placement.namespace, cluster, &*member.namespace);
                Dialect::of(cluster, Some(own), all.iter().map(|(n, p)| (&**n, cluster, &**p)))
            };
            placement.dialects = placement.members.iter().map(dialect).collect();
        }
        self.by_uuid = self
            .by_namespace
            .values()
            .flat_map(|placement| placement.members.iter().zip(&placement.dialects))
            .filter_map(|(member, dialect)| {
                let (cluster, dialect) = (member.cluster.clone(), dialect.clone());
                Some((member.uuid?, Home { cluster, dialect }))
            })
            .collect();
    }
}
