//! The placements of all virtual namespaces, as the store has them: what filters are sent. With what operators have applied
//! they make the topology.
//!
//! * [`begin`] — what a start adds to the store from its `panko.yaml`: the first time, all of it.
//! * [`follow`] — what other control servers change.
//! * [`drive`] — the leader's part: handovers are completed once every filter agrees, and former owners that are
//!   empty are released ([`scan`]).
//! * [`verify`] — the leader looks whether an id is open on several members.
//! * [`known`] — what was read from the store last, and how it is published.
//! * [`learn`] — what clusters tell of their namespaces.
//! * [`roll`] — what filters say, written down.
//! * [`wire`] — a placement as filters get it; [`delta`] — what has changed in it.

pub mod begin;
pub mod delta;
pub mod drive;
#[cfg(test)]
mod fixture;
pub mod follow;
mod known;
mod learn;
pub mod roll;
mod scan;
mod verify;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use panko_placement::{Change, Refused, State};
use panko_routing::placement;
use panko_routing::{Key, Placement, in_flight};
use panko_store::{Applied, Entry, FormerOwner, Lead, Store, UnixMillis, Write};
use tokio::sync::watch;

use crate::desired::Desired;
use crate::topology::{Topology, VirtualNamespace};
use known::Known;

/// All placements at one moment; none once the control server stops.
pub type Snapshot = Option<Arc<Vec<Arc<Placement>>>>;

/// How often a change is tried again that another one has overtaken.
const TRIES: usize = 20;

/// How long something that a filter, or a control server, has sent may take effect, with a margin for clocks
/// that differ.
pub const SETTLED: UnixMillis = in_flight::LONGEST + in_flight::MARGIN;

/// Holds the placements, and the topology that they and what was applied make; changes them in the store, and tells who
/// wants to know of each change.
#[derive(Debug)]
pub struct PlacementsHolder {
    store: Arc<dyn Store>,
    known: Mutex<Known>,
    learning: learn::Learning,
    topologies: watch::Sender<Arc<Topology>>,
    sender: watch::Sender<Snapshot>,
}

/// Why a placement was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody has configured it.
    #[error("there is no virtual namespace {0:?}; `panko apply` a panko.yaml that has it")]
    UnknownNamespace(String),
    /// The change makes no sense.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What was applied cannot be read.
    #[error(
        "what was applied cannot be read: {0}; was it by a newer release? Then use that, else `panko apply` again"
    )]
    Applied(#[from] serde_json::Error),
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

impl By<'_> {
    /// The entry of a history for what this one does now.
    fn entry(&self, version: u64, what: &str) -> Entry {
        let (who, what, why) = (self.who.to_owned(), what.to_owned(), self.why.to_owned());
        Entry { version, at: now(), who, what, why }
    }
}

impl PlacementsHolder {
    /// What the store has. There is something at least ([`begin::begin`]).
    pub async fn new(store: Arc<dyn Store>) -> Result<Arc<Self>, Error> {
        let topologies = watch::Sender::new(Arc::new(Topology::new(&[], &[], None)));
        let (known, learning) = (Mutex::default(), learn::Learning::default());
        let sender = watch::Sender::new(None);
        let holder = Arc::new(Self { store, known, learning, topologies, sender });
        holder.refresh().await?;
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

    /// The clusters and namespaces from now on; changes wake the receiver.
    #[must_use]
    pub fn topologies(&self) -> watch::Receiver<Arc<Topology>> {
        self.topologies.subscribe()
    }

    /// The clusters and namespaces of this moment.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.topologies.borrow().clone()
    }

    /// What was applied last, and its version.
    #[must_use]
    pub fn desired(&self) -> (u64, Arc<Desired>) {
        let known = self.lock();
        (known.applied, known.desired.clone())
    }

    /// Ends the streams of all filters: they look for another control server, or for the next start
    /// of this one.
    pub fn close(&self) {
        self.sender.send_replace(None);
    }

    /// Reads the store as far as it is newer than what is here. That is published.
    pub async fn refresh(&self) -> Result<(), Error> {
        let mut here = self.lock().clone();
        let versions = self.store.versions().await?;
        let mut applied = None;
        if versions.applied > here.applied {
            applied = self.store.applied().await?;
            here.forget_unserved();
        }
        let mut states = Vec::new();
        for (namespace, version) in versions.placements {
            if here.version(&namespace) < version
                && let Some(state) = self.store.placement(&namespace).await?
            {
                states.push((namespace, state));
            }
        }
        self.take(applied, states)
    }

    /// The placement of a namespace as it was last read.
    #[must_use]
    pub fn state(&self, namespace: &str) -> Option<Arc<State>> {
        self.lock().states.get(namespace).cloned()
    }

    /// The names of all namespaces.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        self.lock().states.keys().cloned().collect()
    }

    /// The placement as the store has it at this moment.
    pub async fn current(&self, namespace: &str) -> Result<Arc<State>, Error> {
        let unknown = || Error::UnknownNamespace(namespace.to_owned());
        let here = self.state(namespace).ok_or_else(unknown)?;
        if self.store.version(namespace).await? == here.version {
            return Ok(here);
        }
        self.refresh().await?;
        self.state(namespace).ok_or_else(unknown)
    }

    /// The position of the member that owns a key's slot. None before there is a placement, and while the namespace's
    /// members change.
    #[must_use]
    pub fn owner(&self, namespace: &VirtualNamespace, key: &Key<'_>) -> Option<usize> {
        let state = self.state(&namespace.name).filter(|state| namespace.fits(state))?;
        let owner = state.slots.get(key.slot().index())?.owner;
        Some(usize::from(owner.0))
    }

    /// Like [`PlacementsHolder::change`], where the change names members by their positions in the placement that was
    /// `read`: fails if they are others by then.
    pub async fn change_of(
        &self,
        namespace: &str,
        read: &State,
        by: By<'_>,
        what: &str,
        mut change: impl FnMut(&State) -> Result<Change, Error> + Send,
    ) -> Result<Arc<State>, Error> {
        let same = |now: &State| match now.has_the_members_of(read) {
            true => change(now),
            false => Err(panko_store::Error::Conflict(namespace.to_owned()).into()),
        };
        self.change(namespace, by, what, same).await
    }

    /// Like [`PlacementsHolder::change`], as it was planned from version `from`, or not at all.
    pub async fn change_from(
        &self,
        namespace: &str,
        from: u64,
        by: By<'_>,
        what: &str,
        change: &Change,
    ) -> Result<Arc<State>, Error> {
        let planned = |now: &State| match now.version == from {
            true => Ok(change.clone()),
            false => Err(panko_store::Error::Conflict(namespace.to_owned()).into()),
        };
        self.change(namespace, by, what, planned).await
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
            let entry = by.entry(state.version, what);
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
                    self.take(None, vec![(namespace.to_owned(), state)])?;
                    return self
                        .state(namespace)
                        .ok_or_else(|| Error::UnknownNamespace(namespace.to_owned()));
                }
                Err(panko_store::Error::Conflict(_)) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes down what operators want from now on, in place of what was applied as version `from`; returns its version.
    /// `source` is what was asked for.
    pub async fn apply(
        &self,
        from: u64,
        source: &Desired,
        desired: &Desired,
        by: By<'_>,
    ) -> Result<u64, Error> {
        let (body, source) = (serde_json::to_string(desired)?, serde_json::to_string(source)?);
        let names = |names: Vec<&str>| names.join(", ");
        let clusters = names(desired.clusters.iter().map(|c| c.name.as_str()).collect());
        let namespaces = names(desired.namespaces.iter().map(|n| n.name.as_str()).collect());
        let what = format!("clusters {clusters}; namespaces {namespaces}");
        let entry = by.entry(from + 1, &what);
        self.store.apply(from, &source, &body, &entry).await?;
        self.take(Some(Applied { version: entry.version, body }), Vec::new())?;
        Ok(entry.version)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // What is known is replaced as a whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
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
