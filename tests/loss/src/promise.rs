//! What must hold of what was counted.

use crate::workflow::Fault;

/// What is promised of Panko in a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Nothing is lost.
    Zero,
    /// No more is lost than past Panko.
    NotWorse,
    /// As [`Promise::NotWorse`], and no workflow task runs into its timeout: those that nobody takes
    /// are held or given back.
    HeldOrGivenBack,
}

/// What must hold of one kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It never happens.
    Zero,
    /// It happens no more often than past Panko.
    NotWorse,
    /// It is shown only.
    Figure,
}

impl Promise {
    /// What it says of one kind of fault.
    #[must_use]
    pub fn bound(self, fault: Fault) -> Bound {
        match (self, fault) {
            // Not a loss: the cluster hands it out again at once.
            (_, Fault::GivenBack) => Bound::Figure,
            (Self::Zero, _) | (Self::HeldOrGivenBack, Fault::StartToClose) => Bound::Zero,
            // A task that is given back twice.
            (Self::HeldOrGivenBack, Fault::Unrecorded) => Bound::Figure,
            (Self::NotWorse | Self::HeldOrGivenBack, _) => Bound::NotWorse,
        }
    }
}
