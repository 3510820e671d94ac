//! Which member of a virtual namespace owns which slot, and how that changes.
//!
//! * [`state`] — a placement as the store keeps it.
//! * [`change`] — everything that can become of one. Each change gives it the next version.
//! * [`fence`] — a member that is gone is given up, and comes back after a scan.
//! * [`plan`] — which slots should move, given weights or what an operator asks for.
//! * [`participants`] — who sends start-type calls, and has to agree before a slot gets another owner.
//!
//! A slot changes owner in two steps. [`Change::Begin`] has filters send start-type calls on it to a control
//! server, which looks where their key lives, under a lock for the key, and else sends them to the owner, as before. Once
//! all filters have said that none of their own is on its way to the owner ([`Participants::quiet_since`]),
//! [`Change::Complete`] makes another member the owner and remembers the former one. Nobody waits meanwhile.
//! `docs/design/placement.md` says why, and `tests/model.rs` checks these functions, and no copy of them,
//! against rule 3: a key is open in at most one member at a time.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod change;
pub mod fence;
pub mod participants;
pub mod plan;
pub mod state;

pub use change::{Change, Refused};
pub use fence::Cleared;
pub use participants::{Participant, Participants, Quiet, Routed, Said};
pub use state::{Member, Slot, State};
