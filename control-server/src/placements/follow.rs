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
        for namespace in placements.namespaces() {
            if let Err(error) = placements.current(&namespace).await {
                tracing::warn!(namespace, %error, "the placement cannot be read; the last one stays");
            }
        }
    }
}
