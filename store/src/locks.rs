//! Keys that are being started on slots with a former owner, and what scans have found of those.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;

use crate::sql::{SqlStore, signed, unsigned};
use crate::{Error, FormerOwner, KeyLock, Shared, UnixMillis};

/// How many rows are written at once: meanwhile no start gets its lock from SQLite.
const TOGETHER: usize = 500;

impl SqlStore {
    pub(crate) async fn lock_key(
        &self,
        namespace: &str,
        key: &str,
        holder: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<bool, Error> {
        let locked = sqlx::query(
            "INSERT INTO key_locks (namespace, locked_key, holder, until) VALUES ($1, $2, $3, $4)
             ON CONFLICT (namespace, locked_key) DO UPDATE
             SET holder = excluded.holder, until = excluded.until, sent_to = '', calls = 1
             WHERE key_locks.until <= $5",
        );
        let locked = locked.bind(namespace).bind(key).bind(holder);
        let locked = locked.bind(signed(until)).bind(signed(now)).execute(&self.locks).await?;
        Ok(locked.rows_affected() > 0)
    }

    pub(crate) async fn share_lock(
        &self,
        lock: &KeyLock<'_>,
        to: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<bool, Error> {
        let shared = sqlx::query(
            "UPDATE key_locks SET sent_to = $1, until = CASE WHEN until < $2 THEN $2 ELSE until END
             WHERE namespace = $3 AND locked_key = $4 AND holder = $5 AND until > $6",
        );
        let shared = shared.bind(to).bind(signed(until));
        let shared = shared.bind(lock.namespace).bind(lock.key).bind(lock.holder);
        let shared = shared.bind(signed(now)).execute(&self.locks).await?;
        Ok(shared.rows_affected() > 0)
    }

    pub(crate) async fn join_lock(
        &self,
        namespace: &str,
        key: &str,
        until: UnixMillis,
    ) -> Result<Option<Shared>, Error> {
        let joined = sqlx::query(
            "UPDATE key_locks SET calls = calls + 1
             WHERE namespace = $1 AND locked_key = $2 AND sent_to <> '' AND until > $3
             RETURNING holder, sent_to",
        );
        let joined = joined.bind(namespace).bind(key).bind(signed(until));
        let Some(row) = joined.fetch_optional(&self.locks).await? else { return Ok(None) };
        Ok(Some(Shared { holder: row.try_get("holder")?, to: row.try_get("sent_to")? }))
    }

    pub(crate) async fn leave_lock(&self, lock: &KeyLock<'_>) -> Result<(), Error> {
        for statement in [
            "UPDATE key_locks SET calls = calls - 1 WHERE namespace = $1 AND locked_key = $2 AND holder = $3",
            "DELETE FROM key_locks WHERE namespace = $1 AND locked_key = $2 AND holder = $3 AND calls <= 0",
        ] {
            let left = sqlx::query(statement);
            let left = left.bind(lock.namespace).bind(lock.key).bind(lock.holder);
            left.execute(&self.locks).await?;
        }
        Ok(())
    }

    pub(crate) async fn unlock_key(
        &self,
        namespace: &str,
        key: &str,
        holder: &str,
    ) -> Result<(), Error> {
        let unlock =
            "DELETE FROM key_locks WHERE namespace = $1 AND locked_key = $2 AND holder = $3";
        let unlock = sqlx::query(unlock).bind(namespace).bind(key).bind(holder);
        unlock.execute(&self.locks).await?;
        Ok(())
    }

    pub(crate) async fn held_locks(
        &self,
        namespace: &str,
        now: UnixMillis,
    ) -> Result<Vec<(String, UnixMillis)>, Error> {
        let held = "SELECT holder, until FROM key_locks WHERE namespace = $1 AND until > $2";
        let held = sqlx::query(held).bind(namespace).bind(signed(now));
        let rows = held.fetch_all(&self.locks).await?;
        let lock =
            |row: &sqlx::any::AnyRow| Ok((row.try_get("holder")?, unsigned(row.try_get("until")?)));
        rows.iter().map(lock).collect()
    }

    pub(crate) async fn start_returns(
        &self,
        namespace: &str,
        to: &FormerOwner,
    ) -> Result<(), Error> {
        let returns = sqlx::query(
            "DELETE FROM empty_since WHERE namespace = $1 AND slot = $2 AND cluster = $3 AND physical = $4",
        );
        let returns = returns.bind(namespace).bind(signed(to.slot as u64));
        returns.bind(&to.cluster).bind(&to.physical).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn slots_found_empty(
        &self,
        namespace: &str,
        empty: &[FormerOwner],
        now: UnixMillis,
    ) -> Result<Vec<(FormerOwner, UnixMillis)>, Error> {
        // Not in one transaction: on SQLite starts would wait for its end. Whoever releases a slot makes sure that its row is still
        // there, and rows that are half written only make it later.
        let rows = sqlx::query(
            "SELECT slot, cluster, physical, since FROM empty_since WHERE namespace = $1",
        );
        let mut known = BTreeMap::new();
        for row in &rows.bind(namespace).fetch_all(&self.pool).await? {
            let slot: i64 = row.try_get("slot")?;
            let (cluster, physical) = (row.try_get("cluster")?, row.try_get("physical")?);
            let since: i64 = row.try_get("since")?;
            let slot = usize::try_from(slot).unwrap_or(usize::MAX);
            known.insert(FormerOwner { slot, cluster, physical }, unsigned(since));
        }
        let still: BTreeSet<_> = empty.iter().collect();
        // Rows that stay are not touched: one that a start takes back meanwhile has to stay away.
        let gone: Vec<_> = known.keys().filter(|former| !still.contains(former)).collect();
        for some in gone.chunks(TOGETHER) {
            let mut transaction = self.pool.begin().await?;
            for former in some {
                let gone = "DELETE FROM empty_since WHERE namespace = $1 AND slot = $2 AND cluster = $3 AND physical = $4";
                let gone = sqlx::query(gone).bind(namespace).bind(signed(former.slot as u64));
                let gone = gone.bind(&former.cluster).bind(&former.physical);
                gone.execute(&mut *transaction).await?;
            }
            transaction.commit().await?;
        }
        let new: Vec<_> = empty.iter().filter(|former| !known.contains_key(former)).collect();
        for some in new.chunks(TOGETHER) {
            let row = |n| format!("($1, ${}, ${}, ${}, $2)", 3 * n + 3, 3 * n + 4, 3 * n + 5);
            let rows = (0..some.len()).map(row).collect::<Vec<_>>().join(", ");
            let new = format!(
                "INSERT INTO empty_since (namespace, slot, cluster, physical, since) VALUES {rows} ON CONFLICT DO NOTHING"
            );
            let mut new = sqlx::query(&new).bind(namespace).bind(signed(now));
            for former in some {
                new = new.bind(signed(former.slot as u64));
                new = new.bind(&former.cluster).bind(&former.physical);
            }
            new.execute(&self.pool).await?;
        }
        let since = |former: &FormerOwner| known.get(former).copied().unwrap_or(now);
        Ok(empty.iter().map(|former| (former.clone(), since(former))).collect())
    }
}
