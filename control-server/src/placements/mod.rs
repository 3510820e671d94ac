//! The placements of all virtual namespaces, as the store has them: what filters are sent.
//!
//! * [`begin`] — the first placement of a namespace, and the members that `panko.yaml` adds.
//! * [`follow`] — what other control servers change.
//! * [`drive`] — the leader's part: handovers are completed once every filter agrees, and former owners that are
//!   empty are released ([`scan`]).
//! * [`learn`] — what clusters tell of their namespaces.
//! * [`roll`] — what filters say, written down.
//! * [`wire`] — a placement as filters get it; [`delta`] — what has changed in it.

pub mod begin;
pub mod delta;
pub mod drive;
#[cfg(test)]
mod fixture;
pub mod follow;
mod learn;
pub mod roll;
mod scan;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use panko_placement::{Change, Refused, State};
use panko_routing::placement;
use panko_routing::{Key, Placement, in_flight};
use panko_store::{Entry, FormerOwner, Lead, Store, UnixMillis, Write};
use tokio::sync::watch;

use crate::topology::{Topology, VirtualNamespace};

/// All placements at one moment; none once the control server stops.
pub type Snapshot = Option<Arc<Vec<Arc<Placement>>>>;

/// How often a change is tried again that another one has overtaken.
const TRIES: usize = 20;

/// How long something that a filter, or a control server, has sent may take effect, with a margin for clocks
/// that differ.
pub const SETTLED: UnixMillis = in_flight::LONGEST + in_flight::MARGIN;

/// Holds the placements, changes them in the store, and tells who wants to know of each change.
#[derive(Debug)]
pub struct PlacementsHolder {
    store: Arc<dyn Store>,
    topology: Arc<Topology>,
    all: Mutex<BTreeMap<String, Held>>,
    learning: learn::Learning,
    sender: watch::Sender<Snapshot>,
}

/// A placement as it was last read, and as filters get it. What does not change is shared from one snapshot to the next.
#[derive(Debug)]
struct Held {
    state: Arc<State>,
    placement: Arc<Placement>,
}

/// Why a placement was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody has configured it.
    #[error("there is no virtual namespace {0:?}; see namespaces in panko.yaml")]
    UnknownNamespace(String),
    /// The change makes no sense.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The members are not those that this control server was started with.
    #[error(
        "{0:?} has other members now than this control server was started with: restart it with the new panko.yaml"
    )]
    OtherMembers(String),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] panko_store::Error),
    /// What is in the store is no placement.
    #[error(transparent)]
    Placement(#[from] placement::Error),
}

/// Who changes a placement, and why.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// An operator's name, or the control server's.
    pub who: &'a str,
    /// As the operator has said.
    pub why: &'a str,
    /// For what only a leader may change.
    pub lead: Option<&'a Lead>,
    /// Former owners that are released: no start may have been sent there since they were found empty.
    pub emptied: &'a [FormerOwner],
}

impl PlacementsHolder {
    /// The placements of the store. Every namespace of the topology is there ([`begin::begin`]).
    pub async fn new(topology: Arc<Topology>, store: Arc<dyn Store>) -> Result<Arc<Self>, Error> {
        let (all, learning) = (Mutex::default(), learn::Learning::default());
        let sender = watch::Sender::new(None);
        let holder = Arc::new(Self { store, topology, all, learning, sender });
        for (namespace, state) in holder.store.placements().await? {
            if holder.topology.namespace(&namespace).is_some() {
                holder.take(&namespace, state)?;
            }
        }
        Ok(holder)
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
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

    /// Reads the store. What is newer there is published. One that cannot be read keeps none of the others.
    pub async fn refresh(&self) -> Result<(), Error> {
        let mut read = Ok(());
        for (namespace, version) in self.store.versions().await? {
            let here = self.state(&namespace);
            if here.is_some_and(|here| here.version < version) {
                read = read.and(self.read(&namespace).await);
            }
        }
        read
    }

    async fn read(&self, namespace: &str) -> Result<(), Error> {
        let state = self.store.placement(namespace).await?;
        self.take(namespace, state.ok_or_else(|| Error::UnknownNamespace(namespace.to_owned()))?)
    }

    /// The placement of a namespace as it was last read.
    #[must_use]
    pub fn state(&self, namespace: &str) -> Option<Arc<State>> {
        self.lock().get(namespace).map(|held| held.state.clone())
    }

    /// The names of all namespaces.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The placement as the store has it at this moment.
    pub async fn current(&self, namespace: &str) -> Result<Arc<State>, Error> {
        let unknown = || Error::UnknownNamespace(namespace.to_owned());
        let here = self.state(namespace).ok_or_else(unknown)?;
        if self.store.version(namespace).await? == here.version {
            return Ok(here);
        }
        self.read(namespace).await?;
        self.state(namespace).ok_or_else(unknown)
    }

    /// The position of the member that owns a key's slot. None before there is a placement, and for a
    /// namespace that nobody configured.
    #[must_use]
    pub fn owner(&self, namespace: &str, key: &Key<'_>) -> Option<usize> {
        let owner = self.state(namespace)?.slots.get(key.slot().index())?.owner;
        Some(usize::from(owner.0))
    }

    /// Changes a placement as the store has it by then. `change` is asked again when another change came
    /// first. Returns the placement after it.
    pub async fn change(
        &self,
        namespace: &str,
        by: By<'_>,
        what: &str,
        mut change: impl FnMut(&State) -> Result<Change, Error> + Send,
    ) -> Result<Arc<State>, Error> {
        let mut tries = 0;
        loop {
            let here = self.current(namespace).await?;
            let state = here.after(&change(&here)?)?;
            let entry = Entry {
                version: state.version,
                at: now(),
                who: by.who.to_owned(),
                what: what.to_owned(),
                why: by.why.to_owned(),
            };
            let from = here.version;
            let write = Write {
                namespace,
                from,
                state: &state,
                entry: &entry,
                lead: by.lead,
                hands_over: handed_over(&here, &state),
                emptied: by.emptied,
            };
            match self.store.write(write).await {
                Ok(()) => {
                    tracing::info!(
                        namespace,
                        version = state.version,
                        what,
                        who = by.who,
                        "the placement has changed"
                    );
                    self.take(namespace, state)?;
                    return self
                        .state(namespace)
                        .ok_or_else(|| Error::UnknownNamespace(namespace.to_owned()));
                }
                Err(panko_store::Error::Conflict(_)) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Publishes a placement, if it is newer than what is here.
    fn take(&self, namespace: &str, state: State) -> Result<(), Error> {
        let mut all = self.lock();
        if all.get(namespace).is_some_and(|here| here.state.version >= state.version) {
            return Ok(());
        }
        let same = |namespace: &VirtualNamespace| {
            let here = namespace.members.iter().map(|m| (&**m.cluster.name(), &*m.namespace));
            here.eq(state.members.iter().map(|m| (&*m.cluster, &*m.namespace)))
        };
        let of = self.topology.namespace(namespace).filter(|namespace| same(namespace));
        let of = of.ok_or_else(|| Error::OtherMembers(namespace.to_owned()))?;
        let placement = Arc::new(wire::placement(of, &state)?);
        all.insert(namespace.to_owned(), Held { state: Arc::new(state), placement });
        let placements = all.values().map(|held| held.placement.clone()).collect();
        self.sender.send_replace(Some(Arc::new(placements)));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        // The map is whole whatever panicked beside it.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a slot has another owner than before.
fn handed_over(before: &State, after: &State) -> bool {
    let members = before.members.len() == after.members.len();
    members && before.slots.iter().zip(&after.slots).any(|(a, b)| a.owner != b.owner)
}

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}
