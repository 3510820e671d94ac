//! The store in a database.

use std::str::FromStr;
use std::sync::Once;
use std::time::Duration;

use async_trait::async_trait;
use panko_placement::{Participant, Participants, State};
use sqlx::AnyPool;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};

use crate::{
    Applied, Entry, Error, FormerOwner, Heard, KeyLock, Lead, Shared, Store, UnixMillis, Versions,
    Write,
};

/// Connections to PostgreSQL. SQLite has one writer at a time in any case.
const CONNECTIONS: u32 = 16;

/// How long the database has for what it is asked.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often migrations are tried again, and how soon.
const TRIES: usize = 10;
const AGAIN: Duration = Duration::from_millis(100);

static DRIVERS: Once = Once::new();

/// A store in SQLite or PostgreSQL.
#[derive(Debug, Clone)]
pub struct SqlStore {
    pub(crate) pool: AnyPool,
    /// For locks: they are over before a machine that crashed is back, so they need not be on the disk.
    pub(crate) locks: AnyPool,
}

impl SqlStore {
    /// Opens `sqlite:PATH` or `postgres://…`, and brings its tables up to date. An SQLite file that is not there
    /// is made.
    pub async fn open(address: &str) -> Result<Self, Error> {
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let bad = || Error::Address(address.to_owned());
        let (address, connections) = match address.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => (format!("sqlite:{path}?mode=rwc"), 1),
            None if address.starts_with("postgres") => (address.to_owned(), CONNECTIONS),
            _ => return Err(bad()),
        };
        let options = AnyConnectOptions::from_str(&address).map_err(|_| bad())?;
        if connections > 1 {
            let pool =
                AnyPoolOptions::new().max_connections(connections).connect_with(options).await?;
            migrate(&pool).await?;
            return Ok(Self { locks: pool.clone(), pool });
        }
        // What has been acknowledged has to stay.
        let pool = sqlite(options.clone(), "PRAGMA synchronous = FULL").await?;
        migrate(&pool).await?;
        let locks = sqlite(options, "PRAGMA synchronous = NORMAL").await?;
        Ok(Self { pool, locks })
    }
}

/// Brings the tables up to date. SQLite does not keep others from doing so at the same time: who loses finds it done
/// the next time.
async fn migrate(pool: &AnyPool) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        match sqlx::migrate!("./migrations").run(pool).await {
            Err(_) if tries < TRIES => tries += 1,
            done => return Ok(done?),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// One connection to an SQLite file; `synchronous` says what its commits wait for.
async fn sqlite(
    options: AnyConnectOptions,
    synchronous: &'static str,
) -> Result<AnyPool, sqlx::Error> {
    let pool = AnyPoolOptions::new().max_connections(1).after_connect(move |connection, _| {
        Box::pin(async move {
            for pragma in ["PRAGMA busy_timeout = 5000", "PRAGMA journal_mode = WAL", synchronous] {
                sqlx::Executor::execute(&mut *connection, pragma).await?;
            }
            Ok(())
        })
    });
    pool.connect_with(options).await
}

/// Numbers in the database have a sign.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// What takes longer than [`PATIENCE`] counts as failed; it may have been done all the same.
async fn within<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, asked).await.map_err(|_| Error::Silent)?
}

#[async_trait]
impl Store for SqlStore {
    async fn placement(&self, namespace: &str) -> Result<Option<State>, Error> {
        within(self.one_placement(namespace)).await
    }
    async fn version(&self, namespace: &str) -> Result<u64, Error> {
        within(self.version_of(namespace)).await
    }
    async fn write(&self, write: Write<'_>) -> Result<(), Error> {
        within(self.write_change(write)).await
    }
    async fn history(&self, namespace: &str, limit: u32) -> Result<Vec<Entry>, Error> {
        within(self.entries(namespace, limit)).await
    }
    async fn at_version(&self, namespace: &str, version: u64) -> Result<Option<State>, Error> {
        within(self.past(namespace, version)).await
    }
    async fn end(&self, namespace: &str, from: u64) -> Result<(), Error> {
        within(self.end_placement(namespace, from)).await
    }
    async fn applied(&self) -> Result<Option<Applied>, Error> {
        within(self.newest_applied()).await
    }
    async fn was_applied(&self, source: &str) -> Result<bool, Error> {
        within(self.was_applied_before(source)).await
    }
    async fn apply(&self, from: u64, source: &str, body: &str, entry: &Entry) -> Result<(), Error> {
        within(self.write_applied(from, source, body, entry)).await
    }
    async fn applied_history(&self, limit: u32) -> Result<Vec<Entry>, Error> {
        within(self.applied_entries(limit)).await
    }
    async fn versions(&self) -> Result<Versions, Error> {
        within(self.all_versions()).await
    }
    async fn came(
        &self,
        filters: &[Participant],
        now: UnixMillis,
        settled: UnixMillis,
    ) -> Result<(), Error> {
        within(self.participants_came(filters, now, settled)).await
    }
    async fn heard(&self, heard: &[Heard], now: UnixMillis) -> Result<Vec<Participant>, Error> {
        within(self.participants_heard(heard, now)).await
    }
    async fn routes(
        &self,
        filter: &Participant,
        namespace: &str,
        version: u64,
    ) -> Result<(), Error> {
        within(self.participant_routes(filter, namespace, version)).await
    }
    async fn forget(&self, node: &str) -> Result<bool, Error> {
        within(self.forget_node(node)).await
    }
    async fn participants(&self, namespace: &str) -> Result<Participants, Error> {
        within(self.all_participants(namespace)).await
    }
    async fn lock(
        &self,
        namespace: &str,
        key: &str,
        holder: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<bool, Error> {
        within(self.lock_key(namespace, key, holder, now, until)).await
    }
    async fn unlock(&self, namespace: &str, key: &str, holder: &str) -> Result<(), Error> {
        within(self.unlock_key(namespace, key, holder)).await
    }
    async fn share(
        &self,
        lock: &KeyLock<'_>,
        to: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<bool, Error> {
        within(self.share_lock(lock, to, now, until)).await
    }
    async fn join(
        &self,
        namespace: &str,
        key: &str,
        until: UnixMillis,
    ) -> Result<Option<Shared>, Error> {
        within(self.join_lock(namespace, key, until)).await
    }
    async fn leave(&self, lock: &KeyLock<'_>) -> Result<(), Error> {
        within(self.leave_lock(lock)).await
    }
    async fn locks(
        &self,
        namespace: &str,
        now: UnixMillis,
    ) -> Result<Vec<(String, UnixMillis)>, Error> {
        within(self.held_locks(namespace, now)).await
    }
    async fn returns(&self, namespace: &str, to: &FormerOwner) -> Result<(), Error> {
        within(self.start_returns(namespace, to)).await
    }
    async fn found_empty(
        &self,
        namespace: &str,
        empty: &[FormerOwner],
        now: UnixMillis,
    ) -> Result<Vec<(FormerOwner, UnixMillis)>, Error> {
        within(self.slots_found_empty(namespace, empty, now)).await
    }
    async fn lead(
        &self,
        holder: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Option<Lead>, Error> {
        within(self.take_lead(holder, now, until)).await
    }
}
