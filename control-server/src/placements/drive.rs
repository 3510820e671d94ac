//! The leader's part: handovers are completed once every filter agrees.

use std::sync::Arc;
use std::time::Duration;

use panko_placement::Change;
use panko_store::Lead;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::verify::verify_again_and_again;
use super::{By, Error, PlacementsHolder, now, scan};
use crate::config::Scans;
use crate::metrics::Metrics;

/// Between two looks at what can be completed.
const INTERVAL: Duration = Duration::from_millis(50);

/// For how long a leader leads without saying so again.
const LEASE: Duration = Duration::from_secs(5);

/// Tries to lead, and does the leader's work while it does, until dropped. `server` is this control server's name.
/// What else a leader does is told by `leads` whether this is one.
pub async fn drive(
    placements: Arc<PlacementsHolder>,
    server: Arc<str>,
    scans: Scans,
    leads: watch::Sender<Option<Lead>>,
    metrics: Arc<Metrics>,
) {
    let (mut lead, mut said) = (None::<Lead>, 0);
    // A scan takes its time, and handovers do not wait for it.
    let mut scanning = JoinSet::new();
    let (verified, verifies) = (placements.clone(), leads.subscribe());
    scanning.spawn(verify_again_and_again(verified, verifies, scans.clone(), metrics));
    scanning.spawn(scan_again_and_again(placements.clone(), leads.subscribe(), scans));
    loop {
        tokio::time::sleep(INTERVAL).await;
        let lease = u64::try_from(LEASE.as_millis()).unwrap_or(0);
        if now().saturating_sub(said) > lease / 3 {
            said = now();
            let led = lead.is_some();
            lead = match placements.store().lead(&server, said, said + lease).await {
                Ok(lead) => lead,
                Err(error) => {
                    tracing::warn!(%error, "no placement changes until the store answers");
                    None
                }
            };
            if lead.is_some() != led {
                tracing::info!(leads = lead.is_some(), "completes handovers");
            }
            leads.send_replace(lead.clone());
        }
        let Some(lead) = &lead else { continue };
        for namespace in placements.namespaces() {
            if let Err(error) = complete(&placements, &namespace, lead).await {
                tracing::warn!(namespace, %error, "a handover could not be completed");
            }
        }
    }
}

async fn scan_again_and_again(
    placements: Arc<PlacementsHolder>,
    leads: watch::Receiver<Option<Lead>>,
    scans: Scans,
) {
    loop {
        tokio::time::sleep(Duration::from_secs(scans.every_seconds)).await;
        let lead = leads.borrow().clone();
        let Some(lead) = lead else { continue };
        for namespace in placements.namespaces() {
            match scan::scan(&placements, &namespace, &lead, &scans).await {
                // A start has been sent there meanwhile; the next scan sees.
                Ok(()) | Err(Error::Store(panko_store::Error::Conflict(_))) => {}
                Err(error) => tracing::warn!(namespace, %error, "former owners are not released"),
            }
        }
    }
}

/// Completes a namespace's handover, if it has one and all filters agree.
async fn complete(
    placements: &PlacementsHolder,
    namespace: &str,
    lead: &Lead,
) -> Result<(), Error> {
    let Some(state) = placements.state(namespace) else { return Ok(()) };
    let Some(began) = state.handover else { return Ok(()) };
    let participants = placements.store().participants(namespace).await?;
    // What is on its way to a member that was given up is not waited for.
    let agreed = match state.is_taken_over() {
        true => participants.routed_since(began).map(Change::TakeOver),
        false => participants.quiet_since(began, now()).map(Change::Complete),
    };
    let Some(change) = agreed else { return Ok(()) };
    let slots = state.slots.iter().filter(|slot| slot.to.is_some()).count();
    let by = By { who: "the leader", why: "every filter agrees", lead: Some(lead), emptied: &[] };
    let what = format!("{slots} slots have their new owners");
    let done = placements.change(namespace, by, &what, |_| Ok(change.clone())).await;
    match done {
        // Somebody has cancelled it, or begun another one.
        Err(Error::Refused(_)) => Ok(()),
        done => done.map(drop),
    }
}
