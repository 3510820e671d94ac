//! The filters, and what they have said.

use std::collections::{BTreeMap, BTreeSet};

use panko_placement::{Participant, Participants, Said};
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use crate::sql::{SqlStore, signed, unsigned};
use crate::{Error, Heard, UnixMillis};

/// Acknowledgements in one statement.
const ROWS: usize = 500;

/// Writes down that a filter is here, whether or not it is known.
async fn is_here(
    transaction: &mut Transaction<'_, Any>,
    filter: &Participant,
    now: UnixMillis,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO participants (node, process, vm, came) VALUES ($1, $2, $3, $4)
         ON CONFLICT (node, process, vm) DO UPDATE SET gone_until = NULL",
    )
    .bind(&filter.node)
    .bind(hex(filter.process))
    .bind(i64::from(filter.vm))
    .bind(signed(now))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn hex(process: u64) -> String {
    format!("{process:016x}")
}

impl SqlStore {
    pub(crate) async fn participants_came(
        &self,
        filters: &[Participant],
        now: UnixMillis,
        settled: UnixMillis,
    ) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        for filter in filters {
            sqlx::query(
                "UPDATE participants SET gone_until = $3 WHERE node = $1 AND process <> $2 AND gone_until IS NULL",
            )
            .bind(&filter.node)
            .bind(hex(filter.process))
            .bind(signed(settled))
            .execute(&mut *transaction)
            .await?;
            is_here(&mut transaction, filter, now).await?;
        }
        let nodes: BTreeSet<_> = filters.iter().map(|filter| &filter.node).collect();
        for node in nodes {
            // Nobody has to wait any more for those whose calls are over for certain.
            for gone in [
                "DELETE FROM acknowledgements WHERE node = $1 AND EXISTS (SELECT 1 FROM participants p
                 WHERE p.node = acknowledgements.node AND p.process = acknowledgements.process
                 AND p.vm = acknowledgements.vm AND p.gone_until < $2)",
                "DELETE FROM participants WHERE node = $1 AND gone_until < $2",
            ] {
                let gone = sqlx::query(gone).bind(node).bind(signed(now));
                gone.execute(&mut *transaction).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    pub(crate) async fn participants_heard(
        &self,
        heard: &[Heard],
        now: UnixMillis,
    ) -> Result<Vec<Participant>, Error> {
        // By key: no statement may change a row twice, and two that lock many lock them in the same order.
        let filters: BTreeSet<_> = heard.iter().map(|heard| &heard.filter).collect();
        let mut versions: BTreeMap<_, u64> = BTreeMap::new();
        for Heard { filter, acknowledged } in heard {
            for (namespace, version) in acknowledged {
                let newest = versions.entry((filter, namespace)).or_default();
                *newest = (*newest).max(*version);
            }
        }
        // Read before the transaction: in SQLite one that begins with a look may not write later.
        let known = self.those_here(&filters).await?;
        let mut returned = Vec::new();
        let mut transaction = self.pool.begin().await?;
        for filter in filters.into_iter().filter(|filter| !known.contains(filter)) {
            // One that was dropped as gone for certain, while the store did not answer, is not there at all.
            is_here(&mut transaction, filter, now).await?;
            returned.push(filter.clone());
        }
        let versions: Vec<_> = versions.into_iter().collect();
        for some in versions.chunks(ROWS) {
            let place = |row: usize| {
                let first = row * 5;
                let [node, process, vm, namespace, version] = [1, 2, 3, 4, 5].map(|n| first + n);
                format!("(${node}, ${process}, ${vm}, ${namespace}, ${version})")
            };
            let places: Vec<_> = (0..some.len()).map(place).collect();
            let rows = format!(
                "INSERT INTO acknowledgements (node, process, vm, namespace, version) VALUES {}
                 ON CONFLICT (node, process, vm, namespace) DO UPDATE SET version = excluded.version
                 WHERE acknowledgements.version < excluded.version",
                places.join(", "),
            );
            let rows =
                some.iter().fold(sqlx::query(&rows), |rows, ((filter, namespace), version)| {
                    let rows = rows.bind(&filter.node).bind(hex(filter.process));
                    rows.bind(i64::from(filter.vm)).bind(*namespace).bind(signed(*version))
                });
            rows.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(returned)
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

    /// Those of these filters that are known and do not count as gone.
    async fn those_here(
        &self,
        filters: &BTreeSet<&Participant>,
    ) -> Result<BTreeSet<Participant>, Error> {
        let mut here = BTreeSet::new();
        let nodes: BTreeSet<_> = filters.iter().map(|filter| &filter.node).collect();
        for node in nodes {
            let rows = sqlx::query(
                "SELECT node, process, vm FROM participants WHERE node = $1 AND gone_until IS NULL",
            );
            for row in rows.bind(node).fetch_all(&self.pool).await? {
                here.insert(filter(&row)?);
            }
        }
        Ok(here)
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

fn filter(row: &AnyRow) -> Result<Participant, Error> {
    let process: String = row.try_get("process")?;
    let vm: i64 = row.try_get("vm")?;
    Ok(Participant {
        node: row.try_get("node")?,
        process: u64::from_str_radix(&process, 16).unwrap_or(0),
        vm: u32::try_from(vm).unwrap_or(0),
    })
}

fn read(row: &AnyRow) -> Result<(Participant, Said), Error> {
    let version: Option<i64> = row.try_get("version")?;
    let routes: Option<i64> = row.try_get("routes")?;
    let gone: Option<i64> = row.try_get("gone_until")?;
    let (version, routes) = (version.map_or(0, unsigned), routes.map_or(0, unsigned));
    Ok((filter(row)?, Said { version, routes, gone_until: gone.map(unsigned) }))
}
