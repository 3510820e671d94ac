//! The protocol with one part left out.

use super::world::{Bounds, SMALL};

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// A handover completes before all have acknowledged it.
    NoAcknowledgement,
    /// A call that ended without a definite answer does not count as on its way.
    NoWaitForTheIndefinite,
    /// A filter that restarts does not inherit the calls of the start before.
    NoWaitForTheCrashed,
    /// Starts on moved slots do not lock their key.
    NoLock,
    /// The lock ends with its holder, and not by its time.
    LockEndsWithItsHolder,
    /// A call that reopens a key goes where the filter's placement says, past the lock.
    ResetOutsideTheLock,
    /// A leader writes what it believes, though another has its place.
    NoFencing,
    /// A control server believes, under the lock, the placement that it has in memory.
    PlacementFromMemoryUnderTheLock,
    /// A filter that starts gets the placement that a control server has in memory.
    PlacementFromMemoryAtTheStart,
    /// One scan is enough to release a former owner.
    OneScan,
    /// A start that is sent to a former owner does not make its scans begin again.
    SilentReturn,
    /// Starts look away from a member that nobody has fenced.
    LooksAwayUnfenced,
    /// A fenced member's slots are taken over before filters route by it.
    TakesOverBeforeFiltersRoute,
    /// A fenced member is scanned, and comes back, before starts look at it.
    FailsBackWithoutLooking,
    /// It comes back without a scan.
    FailsBackWithoutScan,
    /// It is scanned while something that filters have sent may still take effect there.
    ScansBeforeQuiet,
    /// It is scanned while starts are under way that have not looked at it.
    ScansBeforeStartsEnd,
    /// Starts that find the key open at a fenced member that is looked at start it elsewhere.
    StartsAnewWhileLooking,
}

pub const ALL: [Flaw; 18] = [
    Flaw::NoAcknowledgement,
    Flaw::NoWaitForTheIndefinite,
    Flaw::NoWaitForTheCrashed,
    Flaw::NoLock,
    Flaw::LockEndsWithItsHolder,
    Flaw::ResetOutsideTheLock,
    Flaw::NoFencing,
    Flaw::PlacementFromMemoryUnderTheLock,
    Flaw::PlacementFromMemoryAtTheStart,
    Flaw::OneScan,
    Flaw::SilentReturn,
    Flaw::LooksAwayUnfenced,
    Flaw::TakesOverBeforeFiltersRoute,
    Flaw::FailsBackWithoutLooking,
    Flaw::FailsBackWithoutScan,
    Flaw::ScansBeforeQuiet,
    Flaw::ScansBeforeStartsEnd,
    Flaw::StartsAnewWhileLooking,
];

impl Flaw {
    /// What it takes to show it: as little as possible, since it is looked for in all that can happen.
    pub fn bounds(self) -> Bounds {
        let small = SMALL;
        let fence = Bounds { moves: 0, fences: 2, ..small };
        match self {
            Self::NoAcknowledgement => Bounds { filters: 2, ..small },
            Self::NoWaitForTheIndefinite => Bounds { ticks: 1, ..small },
            Self::NoWaitForTheCrashed => Bounds { ticks: 1, crashes: 1, ..small },
            Self::NoLock => Bounds { servers: 2, starts: 3, ..small },
            Self::LockEndsWithItsHolder => Bounds { servers: 2, starts: 3, crashes: 1, ..small },
            Self::ResetOutsideTheLock => Bounds { starts: 3, ..small },
            Self::NoFencing => Bounds { servers: 2, moves: 2, ..small },
            Self::PlacementFromMemoryUnderTheLock => Bounds { servers: 2, ticks: 2, ..small },
            Self::PlacementFromMemoryAtTheStart => Bounds { servers: 2, crashes: 1, ..small },
            Self::OneScan => Bounds { starts: 3, ..small },
            Self::SilentReturn => Bounds { ticks: 2, ..small },
            Self::LooksAwayUnfenced => small,
            Self::TakesOverBeforeFiltersRoute
            | Self::FailsBackWithoutLooking
            | Self::FailsBackWithoutScan
            | Self::ScansBeforeQuiet
            | Self::ScansBeforeStartsEnd
            | Self::StartsAnewWhileLooking => fence,
        }
    }
}
