//! Clusters and virtual namespaces, as operators have applied them.

use std::collections::BTreeMap;

use sqlx::Row;

use crate::sql::{SqlStore, signed, unsigned};
use crate::{Applied, Entry, Error, Versions};

impl SqlStore {
    pub(crate) async fn newest_applied(&self) -> Result<Option<Applied>, Error> {
        let row = sqlx::query("SELECT version, body FROM applied ORDER BY version DESC LIMIT 1");
        let row = row.fetch_optional(&self.pool).await?;
        let applied = |row: sqlx::any::AnyRow| {
            let (version, body) = (unsigned(row.try_get("version")?), row.try_get("body")?);
            Ok(Applied { version, body })
        };
        row.map(applied).transpose()
    }

    pub(crate) async fn was_applied_before(&self, source: &str) -> Result<bool, Error> {
        let row = sqlx::query("SELECT version FROM applied WHERE source = $1 LIMIT 1");
        Ok(row.bind(source).fetch_optional(&self.pool).await?.is_some())
    }

    pub(crate) async fn write_applied(
        &self,
        from: u64,
        source: &str,
        body: &str,
        entry: &Entry,
    ) -> Result<(), Error> {
        // Whoever else has read the same version loses.
        let written = sqlx::query(
            "INSERT INTO applied (version, at, who, what, why, source, body)
             SELECT $1, $2, $3, $4, $5, $6, $7
             WHERE (SELECT COALESCE(MAX(version), 0) FROM applied) = $8
             ON CONFLICT DO NOTHING",
        );
        let written = written.bind(signed(entry.version)).bind(signed(entry.at)).bind(&entry.who);
        let written = written.bind(&entry.what).bind(&entry.why).bind(source).bind(body);
        match written.bind(signed(from)).execute(&self.pool).await?.rows_affected() {
            0 => Err(Error::Overtaken),
            _ => Ok(()),
        }
    }

    pub(crate) async fn applied_entries(&self, limit: u32) -> Result<Vec<Entry>, Error> {
        let rows = sqlx::query(
            "SELECT version, at, who, what, why FROM applied ORDER BY version DESC LIMIT $1",
        );
        let rows = rows.bind(i64::from(limit)).fetch_all(&self.pool).await?;
        rows.iter().map(crate::placements::entry).collect()
    }

    pub(crate) async fn all_versions(&self) -> Result<Versions, Error> {
        let newest = sqlx::query("SELECT COALESCE(MAX(version), 0) AS version FROM applied");
        let newest = newest.fetch_one(&self.pool).await?;
        let rows = sqlx::query("SELECT namespace, version FROM placements");
        let mut placements = BTreeMap::new();
        for row in rows.fetch_all(&self.pool).await? {
            placements.insert(row.try_get("namespace")?, unsigned(row.try_get("version")?));
        }
        Ok(Versions { applied: unsigned(newest.try_get("version")?), placements })
    }

    pub(crate) async fn end_placement(&self, namespace: &str, from: u64) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        let gone = sqlx::query("DELETE FROM placements WHERE namespace = $1 AND version = $2");
        let gone = gone.bind(namespace).bind(signed(from));
        if gone.execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(Error::Conflict(namespace.to_owned()));
        }
        for table in ["acknowledgements", "empty_since"] {
            let rows = format!("DELETE FROM {table} WHERE namespace = $1");
            sqlx::query(&rows).bind(namespace).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}
