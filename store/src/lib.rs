//! What Panko remembers: placements and their history, the filters, locks of keys, and who leads.
//!
//! [`Store`] says what is asked of it. [`sql::SqlStore`] is the one there is, over SQLite (a file, nothing to install) and
//! over PostgreSQL (several control servers); its parts are in [`mod@applied`], [`mod@placements`], [`mod@participants`], [`mod@locks`] and [`mod@leader`].
//!
//! A placement is only ever changed from the version that whoever changes it has read, so none overwrites what it
//! does not know; a leader's changes also need that it still leads. Times are milliseconds since 1970, and
//! control servers' clocks may differ by less than the margin that callers add to them.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod applied;
pub mod leader;
pub mod locks;
pub mod participants;
pub mod placements;
pub mod sql;

use std::collections::BTreeMap;

use async_trait::async_trait;
use panko_placement::{Participant, Participants, State};

pub use sql::SqlStore;

/// Milliseconds since 1970.
pub type UnixMillis = u64;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not answer, or fails.
    #[error("the store {0}")]
    Unavailable(#[from] sqlx::Error),
    /// It does not answer in time.
    #[error("the store does not answer; is its database up?")]
    Silent,
    /// Its tables cannot be brought to what this release needs.
    #[error(
        "the store's tables cannot be brought up to date: {0}; was it used by a newer release?"
    )]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// Something in it cannot be read.
    #[error(
        "the store's placement of {namespace:?} cannot be read: {source}; restore it from a backup"
    )]
    Corrupt {
        /// Whose placement.
        namespace: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Somebody else has changed the placement meanwhile.
    #[error("the placement of {0:?} has been changed meanwhile; look again")]
    Conflict(String),
    /// Somebody else has applied clusters and namespaces meanwhile.
    #[error("other clusters and namespaces have been applied meanwhile; look again")]
    Overtaken,
    /// Another control server leads now.
    #[error("this control server leads no more")]
    NotLeader,
    /// An address is none.
    #[error("store {0:?} is none; write sqlite:panko.db or postgres://user:password@host/database")]
    Address(String),
}

/// Clusters and virtual namespaces, as an operator has applied them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Grows by one each time.
    pub version: u64,
    /// What counts, as its author has written it.
    pub body: String,
}

/// The newest versions of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// Of what has been applied; 0 for nothing.
    pub applied: u64,
    /// By namespace.
    pub placements: BTreeMap<String, u64>,
}

/// One change of a placement, for `panko history`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    /// The version that it made.
    pub version: u64,
    /// When.
    pub at: UnixMillis,
    /// Who: an operator, or the control server itself.
    pub who: String,
    /// What has changed, in words.
    pub what: String,
    /// Why, as the operator has said.
    pub why: String,
}

/// That a control server leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Its name.
    pub holder: String,
    /// Grows with each new leader.
    pub fence: u64,
}

/// A change to be written.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// Whose placement.
    pub namespace: &'a str,
    /// The version that it was made from; 0 when there is none yet.
    pub from: u64,
    /// The placement after it.
    pub state: &'a State,
    /// What to write into the history; its version is the state's.
    pub entry: &'a Entry,
    /// For what only a leader may write.
    pub lead: Option<&'a Lead>,
    /// Whether slots get new owners, so that what scans have found before does not count.
    pub hands_over: bool,
    /// Former owners that it releases: all have to be known as empty ([`Store::found_empty`]) until it is written.
    pub emptied: &'a [FormerOwner],
}

/// A slot of a former owner.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FormerOwner {
    /// The slot's number.
    pub slot: usize,
    /// The member's cluster.
    pub cluster: String,
    /// The member's namespace there.
    pub physical: String,
}

/// A key's lock and who took it.
#[derive(Debug, Clone, Copy)]
pub struct KeyLock<'a> {
    /// The key's namespace.
    pub namespace: &'a str,
    /// The key.
    pub key: &'a str,
    /// Who took it.
    pub holder: &'a str,
}

/// A lock that is shared by calls to one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// Who took it.
    pub holder: String,
    /// The member, as its first holder has named it.
    pub to: String,
}

/// What a filter says: that it is connected, and what it routes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Which filter.
    pub filter: Participant,
    /// Versions of placements that it acknowledges, by namespace. Of none, it only shows that it is connected.
    pub acknowledged: Vec<(String, u64)>,
}

/// What Panko asks of a store.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// One placement.
    async fn placement(&self, namespace: &str) -> Result<Option<State>, Error>;
    /// The version of a placement; 0 when there is none.
    async fn version(&self, namespace: &str) -> Result<u64, Error>;
    /// Writes a change and its entry in the history, or nothing.
    async fn write(&self, write: Write<'_>) -> Result<(), Error>;
    /// The newest changes of a placement, newest first.
    async fn history(&self, namespace: &str, limit: u32) -> Result<Vec<Entry>, Error>;
    /// A placement as it was at a version.
    async fn at_version(&self, namespace: &str, version: u64) -> Result<Option<State>, Error>;

    /// Ends a placement of this version: its namespace is no longer Panko's. Its history stays.
    async fn end(&self, namespace: &str, from: u64) -> Result<(), Error>;

    /// What was applied last.
    async fn applied(&self) -> Result<Option<Applied>, Error>;
    /// Whether exactly this has been asked for before.
    async fn was_applied(&self, source: &str) -> Result<bool, Error>;
    /// Writes what counts from now on, where `from` is the version that counted. `source` is what was asked for, and the
    /// entry has the next version.
    async fn apply(&self, from: u64, source: &str, body: &str, entry: &Entry) -> Result<(), Error>;
    /// What was applied, newest first.
    async fn applied_history(&self, limit: u32) -> Result<Vec<Entry>, Error>;
    /// The newest versions of everything.
    async fn versions(&self) -> Result<Versions, Error>;

    /// Filters are about to get placements ([`Participants::came`]), in this order. What is read after that has every
    /// change that did not ask them. All are written, or none.
    async fn came(
        &self,
        filters: &[Participant],
        now: UnixMillis,
        settled: UnixMillis,
    ) -> Result<(), Error>;
    /// Filters are still connected, whatever was concluded from others of their nodes, and acknowledge versions
    /// ([`Participants::acknowledged`]). All is written, or nothing. Returns those that counted as gone.
    async fn heard(&self, heard: &[Heard], now: UnixMillis) -> Result<Vec<Participant>, Error>;
    /// A filter routes by a version ([`Participants::routes`]).
    async fn routes(
        &self,
        filter: &Participant,
        namespace: &str,
        version: u64,
    ) -> Result<(), Error>;
    /// All filters of a node are gone for good. Returns whether there was any.
    async fn forget(&self, node: &str) -> Result<bool, Error>;
    /// All filters, and what they have said of one placement.
    async fn participants(&self, namespace: &str) -> Result<Participants, Error>;

    /// Locks a key until then, unless somebody else has it. Returns whether it is locked now.
    async fn lock(
        &self,
        namespace: &str,
        key: &str,
        holder: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<bool, Error>;
    /// Ends a lock, if the holder still has it.
    async fn unlock(&self, namespace: &str, key: &str, holder: &str) -> Result<(), Error>;
    /// Whoever wants to call this member may join the lock, which lasts until then at least. Returns whether it still
    /// is this holder's.
    async fn share(
        &self,
        lock: &KeyLock<'_>,
        to: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<bool, Error>;
    /// Joins a lock that is shared and lasts until then. None if there is none.
    async fn join(
        &self,
        namespace: &str,
        key: &str,
        until: UnixMillis,
    ) -> Result<Option<Shared>, Error>;
    /// Leaves a lock that is shared: who leaves last ends it.
    async fn leave(&self, lock: &KeyLock<'_>) -> Result<(), Error>;
    /// The locks of keys that are held now: by whom, and until when at the most.
    async fn locks(
        &self,
        namespace: &str,
        now: UnixMillis,
    ) -> Result<Vec<(String, UnixMillis)>, Error>;
    /// A start goes to a former owner: scans that have found nothing there count no more.
    async fn returns(&self, namespace: &str, to: &FormerOwner) -> Result<(), Error>;
    /// A scan has found nothing of these slots; the others of this member are not empty. Returns since when each has been
    /// found empty.
    async fn found_empty(
        &self,
        namespace: &str,
        empty: &[FormerOwner],
        now: UnixMillis,
    ) -> Result<Vec<(FormerOwner, UnixMillis)>, Error>;

    /// Makes this control server the leader, or lets it stay it, until then. None when another one is.
    async fn lead(
        &self,
        holder: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Option<Lead>, Error>;
}
