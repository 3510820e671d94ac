//! The filters, and what they have said.

use panko_placement::{Participant, Participants, Said};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::sql::{SqlStore, signed, unsigned};
use crate::{Error, UnixMillis};

fn hex(process: u64) -> String {
    format!("{process:016x}")
}

impl SqlStore {
    pub(crate) async fn participant_came(
        &self,
        filter: &Participant,
        now: UnixMillis,
        settled: UnixMillis,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE participants SET gone_until = $3 WHERE node = $1 AND process <> $2 AND gone_until IS NULL",
        )
        .bind(&filter.node)
        .bind(hex(filter.process))
        .bind(signed(settled))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO participants (node, process, vm, came) VALUES ($1, $2, $3, $4)
             ON CONFLICT (node, process, vm) DO UPDATE SET gone_until = NULL",
        )
        .bind(&filter.node)
        .bind(hex(filter.process))
        .bind(i64::from(filter.vm))
        .bind(signed(now))
        .execute(&mut *transaction)
        .await?;
        // Nobody has to wait any more for those whose calls are over for certain.
        for gone in [
            "DELETE FROM acknowledgements WHERE node = $1 AND EXISTS (SELECT 1 FROM participants p
             WHERE p.node = acknowledgements.node AND p.process = acknowledgements.process
             AND p.vm = acknowledgements.vm AND p.gone_until < $2)",
            "DELETE FROM participants WHERE node = $1 AND gone_until < $2",
        ] {
            let gone = sqlx::query(gone).bind(&filter.node).bind(signed(now));
            gone.execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn participant_acknowledged(
        &self,
        filter: &Participant,
        namespace: &str,
        version: u64,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO acknowledgements (node, process, vm, namespace, version) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (node, process, vm, namespace) DO UPDATE SET version = excluded.version
             WHERE acknowledgements.version < excluded.version",
        )
        .bind(&filter.node)
        .bind(hex(filter.process))
        .bind(i64::from(filter.vm))
        .bind(namespace)
        .bind(signed(version))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn participant_routes(
        &self,
        filter: &Participant,
        namespace: &str,
        version: u64,
    ) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO acknowledgements (node, process, vm, namespace, version, routes) VALUES ($1, $2, $3, $4, 0, $5)
             ON CONFLICT (node, process, vm, namespace) DO UPDATE SET routes = excluded.routes
             WHERE acknowledgements.routes < excluded.routes",
        )
        .bind(&filter.node)
        .bind(hex(filter.process))
        .bind(i64::from(filter.vm))
        .bind(namespace)
        .bind(signed(version))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn participant_is_here(
        &self,
        filter: &Participant,
        now: UnixMillis,
    ) -> Result<bool, Error> {
        let here = "UPDATE participants SET gone_until = NULL
            WHERE node = $1 AND process = $2 AND vm = $3 AND gone_until IS NOT NULL";
        let here = sqlx::query(here).bind(&filter.node).bind(hex(filter.process));
        let here = here.bind(i64::from(filter.vm)).execute(&self.pool).await?;
        // It may have been dropped as one that is gone for certain, while the store did not answer.
        let again = "INSERT INTO participants (node, process, vm, came) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        let again = sqlx::query(again).bind(&filter.node).bind(hex(filter.process));
        let again = again.bind(i64::from(filter.vm)).bind(signed(now)).execute(&self.pool).await?;
        Ok(here.rows_affected() + again.rows_affected() > 0)
    }

    pub(crate) async fn forget_node(&self, node: &str) -> Result<bool, Error> {
        let mut any = false;
        for table in ["acknowledgements", "participants"] {
            let forget = format!("DELETE FROM {table} WHERE node = $1");
            let forget = sqlx::query(&forget).bind(node);
            any = forget.execute(&self.pool).await?.rows_affected() > 0;
        }
        Ok(any)
    }

    pub(crate) async fn all_participants(&self, namespace: &str) -> Result<Participants, Error> {
        let rows = sqlx::query(
            "SELECT p.node AS node, p.process AS process, p.vm AS vm, p.gone_until AS gone_until, a.version AS version, a.routes AS routes
             FROM participants p LEFT JOIN acknowledgements a
             ON a.node = p.node AND a.process = p.process AND a.vm = p.vm AND a.namespace = $1",
        );
        let rows = rows.bind(namespace).fetch_all(&self.pool).await?;
        let mut all = Participants::default();
        for row in &rows {
            let (filter, said) = read(row)?;
            all.restore(filter, said);
        }
        Ok(all)
    }
}

fn read(row: &AnyRow) -> Result<(Participant, Said), Error> {
    let process: String = row.try_get("process")?;
    let vm: i64 = row.try_get("vm")?;
    let filter = Participant {
        node: row.try_get("node")?,
        process: u64::from_str_radix(&process, 16).unwrap_or(0),
        vm: u32::try_from(vm).unwrap_or(0),
    };
    let version: Option<i64> = row.try_get("version")?;
    let routes: Option<i64> = row.try_get("routes")?;
    let gone: Option<i64> = row.try_get("gone_until")?;
    let (version, routes) = (version.map_or(0, unsigned), routes.map_or(0, unsigned));
    Ok((filter, Said { version, routes, gone_until: gone.map(unsigned) }))
}
