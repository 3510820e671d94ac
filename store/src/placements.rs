//! Placements, and what has become of them.

use panko_placement::State;
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::sql::{SqlStore, signed, unsigned};
use crate::{Entry, Error, Write};

impl SqlStore {
    pub(crate) async fn one_placement(&self, namespace: &str) -> Result<Option<State>, Error> {
        let row = sqlx::query("SELECT namespace, body FROM placements WHERE namespace = $1");
        row.bind(namespace).fetch_optional(&self.pool).await?.as_ref().map(read).transpose()
    }

    pub(crate) async fn version_of(&self, namespace: &str) -> Result<u64, Error> {
        let row = sqlx::query("SELECT version FROM placements WHERE namespace = $1");
        let row = row.bind(namespace).fetch_optional(&self.pool).await?;
        Ok(row.map(|row| row.try_get("version")).transpose()?.map_or(0, unsigned))
    }

    pub(crate) async fn write_change(&self, write: Write<'_>) -> Result<(), Error> {
        let Write { namespace, from, state, entry, lead, hands_over, emptied } = write;
        let corrupt = |source| Error::Corrupt { namespace: namespace.to_owned(), source };
        let body = serde_json::to_string(state).map_err(corrupt)?;
        let (from, to) = (signed(from), signed(state.version));
        let mut transaction = self.pool.begin().await?;
        if let Some(lead) = lead {
            // The row stays as it is, and locked until the end: no other leader comes between.
            let leads =
                sqlx::query("UPDATE leader SET fence = fence WHERE holder = $1 AND fence = $2");
            let leads = leads.bind(&lead.holder).bind(signed(lead.fence));
            if leads.execute(&mut *transaction).await?.rows_affected() == 0 {
                return Err(Error::NotLeader);
            }
        }
        if hands_over {
            let scans = sqlx::query("DELETE FROM empty_since WHERE namespace = $1");
            scans.bind(namespace).execute(&mut *transaction).await?;
        }
        for former in emptied {
            let known = sqlx::query(
                "DELETE FROM empty_since WHERE namespace = $1 AND slot = $2 AND cluster = $3 AND physical = $4",
            );
            let known = known.bind(namespace).bind(signed(former.slot as u64));
            let known = known.bind(&former.cluster).bind(&former.physical);
            if known.execute(&mut *transaction).await?.rows_affected() == 0 {
                return Err(Error::Conflict(namespace.to_owned()));
            }
        }
        let after = body.clone();
        let written = match from {
            0 => sqlx::query(
                "INSERT INTO placements (namespace, version, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(namespace)
            .bind(to)
            .bind(body),
            _ => sqlx::query(
                "UPDATE placements SET version = $2, body = $3 WHERE namespace = $1 AND version = $4",
            )
            .bind(namespace)
            .bind(to)
            .bind(body)
            .bind(from),
        };
        if written.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(Error::Conflict(namespace.to_owned()));
        }
        sqlx::query("INSERT INTO history (namespace, version, at, who, what, why, body) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(namespace)
            .bind(to)
            .bind(signed(entry.at))
            .bind(&entry.who)
            .bind(&entry.what)
            .bind(&entry.why)
            .bind(after)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn past(&self, namespace: &str, version: u64) -> Result<Option<State>, Error> {
        let row = sqlx::query(
            "SELECT namespace, body FROM history WHERE namespace = $1 AND version <= $2 ORDER BY version DESC LIMIT 1",
        );
        let row = row.bind(namespace).bind(signed(version)).fetch_optional(&self.pool).await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn entries(&self, namespace: &str, limit: u32) -> Result<Vec<Entry>, Error> {
        let rows = sqlx::query(
            "SELECT version, at, who, what, why FROM history WHERE namespace = $1 ORDER BY version DESC LIMIT $2",
        );
        let rows = rows.bind(namespace).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        rows.iter().map(entry).collect()
    }
}

fn read(row: &AnyRow) -> Result<State, Error> {
    let (namespace, body): (String, String) = (row.try_get("namespace")?, row.try_get("body")?);
    serde_json::from_str(&body).map_err(|source| Error::Corrupt { namespace, source })
}

/// A row of a history.
pub(crate) fn entry(row: &sqlx::any::AnyRow) -> Result<Entry, Error> {
    Ok(Entry {
        version: unsigned(row.try_get("version")?),
        at: unsigned(row.try_get("at")?),
        who: row.try_get("who")?,
        what: row.try_get("what")?,
        why: row.try_get("why")?,
    })
}
