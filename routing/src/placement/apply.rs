//! What a filter does with an update of the placement stream.

use panko_proto::v1;

use super::{Placement, Placements};

impl Placements {
    /// Takes an update whole, or not at all, and returns the acknowledgement to send.
    ///
    /// A placement that is older than the one that is here changes nothing: versions only grow.
    pub fn apply(&mut self, update: v1::PlacementUpdate) -> v1::Ack {
        let nonce = update.nonce;
        let placements: Result<Vec<_>, _> =
            update.placements.into_iter().map(Placement::try_from).collect();
        let placements = match placements {
            Ok(placements) => placements,
            Err(error) => return v1::Ack { nonce, error: error.to_string() },
        };
        if update.snapshot {
            self.retain(|namespace| placements.iter().any(|p| p.namespace() == namespace));
        }
        self.retain(|namespace| !update.removed.iter().any(|removed| removed == namespace));
        for placement in placements {
            self.put(placement);
        }
        self.index();
        if update.snapshot {
            self.set_ready();
        }
        v1::Ack { nonce, error: String::new() }
    }
}
