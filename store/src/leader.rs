//! Which control server completes handovers and scans.

use sqlx::Row;

use crate::sql::{SqlStore, signed, unsigned};
use crate::{Error, Lead, UnixMillis};

impl SqlStore {
    pub(crate) async fn take_lead(
        &self,
        holder: &str,
        now: UnixMillis,
        until: UnixMillis,
    ) -> Result<Option<Lead>, Error> {
        // Whoever has it stays; else it is for the first that comes after its time, under a new fence.
        let taken = sqlx::query(
            "UPDATE leader SET until = $1, fence = CASE WHEN holder = $2 THEN fence ELSE fence + 1 END, holder = $3
             WHERE id = 1 AND (holder = $4 OR until < $5)",
        );
        let taken = taken.bind(signed(until)).bind(holder).bind(holder).bind(holder);
        if taken.bind(signed(now)).execute(&self.pool).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let row = sqlx::query("SELECT fence FROM leader WHERE id = 1 AND holder = $1");
        let row = row.bind(holder).fetch_optional(&self.pool).await?;
        let fence: Option<i64> = row.map(|row| row.try_get("fence")).transpose()?;
        Ok(fence.map(|fence| Lead { holder: holder.to_owned(), fence: unsigned(fence) }))
    }
}
