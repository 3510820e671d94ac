//! What other control servers change comes from the store.

use std::sync::Arc;
use std::time::Duration;

use super::PlacementsHolder;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// Looks into the store again and again, until dropped.
pub async fn follow(placements: Arc<PlacementsHolder>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        if let Err(error) = placements.refresh().await {
            tracing::warn!(%error, "a placement cannot be read; the last one stays");
        }
    }
}
