//! The leader looks now and then whether an id is open on several members.

use std::sync::Arc;
use std::time::Duration;

use panko_store::Lead;
use tokio::sync::watch;

use super::{PlacementsHolder, now};
use crate::config::Scans;
use crate::metrics::Metrics;
use crate::verify::{Report, verify};

/// The first look comes no later than this after a start: one that is started more often than it looks would never.
const FIRST: Duration = Duration::from_secs(60);

/// How many ids a warning names.
const NAMED: usize = 10;

/// Looks again and again while this control server leads, until dropped. What is found goes into the metrics, and
/// duplicates into the log.
pub(super) async fn verify_again_and_again(
    placements: Arc<PlacementsHolder>,
    leads: watch::Receiver<Option<Lead>>,
    scans: Scans,
    metrics: Arc<Metrics>,
) {
    if scans.verify_seconds == 0 {
        return;
    }
    let every = Duration::from_secs(scans.verify_seconds);
    tokio::time::sleep(every.min(FIRST)).await;
    loop {
        for namespace in placements.namespaces() {
            let leads = leads.borrow().is_some();
            match leads {
                true => look(&placements, &namespace, &metrics).await,
                // The leader's own metrics say how it is now.
                false => metrics.verify.forget(&namespace),
            }
        }
        tokio::time::sleep(every).await;
    }
}

async fn look(placements: &PlacementsHolder, namespace: &str, metrics: &Metrics) {
    let (Some(of), Some(state)) =
        (placements.topology().namespace(namespace).cloned(), placements.state(namespace))
    else {
        return;
    };
    if !of.fits(&state) {
        // Its members change at this moment; there is a next look.
        return;
    }
    let report = verify(&of, &state).await;
    metrics.verify.looked(namespace, &report, now() / 1000);
    let Report { open, away, duplicates, incomplete } = report;
    let name = |at: usize| of.members.get(at).map_or("", |member| &*member.name);
    for (at, why) in &incomplete {
        tracing::warn!(
            namespace,
            member = at.map_or("", name),
            why,
            "not all open workflows were looked at"
        );
    }
    if duplicates.is_empty() {
        tracing::info!(namespace, open, away, "no id is open on several members");
        return;
    }
    let named = duplicates.iter().take(NAMED).map(|(id, members)| {
        let members: Vec<_> = members.iter().map(|at| name(*at)).collect();
        format!("{id} ({})", members.join(", "))
    });
    let named = named.collect::<Vec<_>>().join("; ");
    tracing::warn!(
        namespace,
        ids = duplicates.len(),
        "ids are open on several members: {named}. Something has started them past Panko, or as children; `panko verify` names all"
    );
}
