//! What a filter does with an update of the placement stream.

use panko_proto::v1;

use super::{Error, MemberIndex, Placement, PlacementVersion, Placements};
use crate::key::SLOTS;

impl Placements {
    /// Takes an update whole, or not at all, and returns the acknowledgement to send.
    ///
    /// One with a placement that is older than the one that is here is not taken: versions only grow.
    pub fn apply(&mut self, update: v1::PlacementUpdate) -> v1::Ack {
        let nonce = update.nonce;
        let placements: Result<Vec<_>, _> =
            update.placements.into_iter().map(Placement::try_from).collect();
        let deltas: Result<Vec<_>, _> =
            update.deltas.iter().map(|delta| self.changed(delta)).collect();
        let (placements, changed) = match (placements, deltas) {
            (Ok(placements), Ok(changed)) => (placements, changed),
            (Err(error), _) | (_, Err(error)) => {
                return v1::Ack { nonce, error: error.to_string() };
            }
        };
        let older = |sent: &Placement| {
            let here = self.get(sent.namespace())?.version();
            let (namespace, version) = (sent.namespace().to_owned(), sent.version());
            (here > version).then_some(Error::Older { namespace, version: version.0, here: here.0 })
        };
        if let Some(error) = placements.iter().find_map(older) {
            return v1::Ack { nonce, error: error.to_string() };
        }
        if update.snapshot {
            self.keep(|namespace| placements.iter().any(|p| p.namespace() == namespace));
        }
        self.keep(|namespace| !update.removed.iter().any(|removed| removed == namespace));
        let all_new = !placements.is_empty() || update.snapshot || !update.removed.is_empty();
        for placement in placements.into_iter().chain(changed) {
            self.put(placement);
        }
        // Slots alone change nothing of what follows from all placements together, which takes a look at all of them.
        if all_new {
            self.index();
        }
        if update.snapshot {
            self.set_ready();
        }
        v1::Ack { nonce, error: String::new() }
    }

    /// The placement that is here, with its slots changed.
    fn changed(&self, delta: &v1::PlacementDelta) -> Result<Placement, Error> {
        let here = self.get(&delta.namespace);
        let Some(here) = here.filter(|here| here.version().0 == delta.from_version) else {
            return Err(Error::OtherVersion {
                namespace: delta.namespace.clone(),
                from: delta.from_version,
                here: here.map_or(0, |here| here.version().0),
            });
        };
        let changes = delta.slots.iter().flat_map(|change| {
            let run = change.run.unwrap_or_default();
            let first = change.first as usize;
            let owner = MemberIndex(u16::try_from(run.owner).unwrap_or(u16::MAX));
            let slots = first..first.saturating_add(run.length as usize).min(SLOTS);
            slots.map(move |slot| (slot, owner, run.starts().into()))
        });
        let mut placement = here.clone();
        placement.change(PlacementVersion(delta.version), changes)?;
        Ok(placement)
    }
}
