//! What becomes of start-type calls on a slot.

use panko_proto::v1;

/// What becomes of start-type calls on a slot. Other calls go to its owner in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Starts {
    /// They go to the owner.
    #[default]
    Direct,
    /// A control server looks where their key lives: the slot has a former owner, or is about to get another
    /// one. So go calls that a closed run answers, too.
    Locate,
}

impl From<Starts> for v1::Starts {
    fn from(starts: Starts) -> Self {
        match starts {
            Starts::Direct => Self::Direct,
            Starts::Locate => Self::Locate,
        }
    }
}

impl From<v1::Starts> for Starts {
    fn from(sent: v1::Starts) -> Self {
        match sent {
            v1::Starts::Direct => Self::Direct,
            v1::Starts::Locate => Self::Locate,
        }
    }
}
