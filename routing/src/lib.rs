//! Decides where a Temporal call goes, from its first bytes.
//!
//! The road of a call through this crate:
//!
//! 1. [`call::Call::begin`] looks at the headers. Most classes are decided by the method alone.
//! 2. [`call::Call::push`] reads the body as it comes ([`wire`]: gRPC frame, gzip, protobuf) up to
//!    the field that decides, and no further.
//! 3. [`placement::Placements`] answers where that key or token lives; [`poll`] which control server
//!    gets a poll.
//!    [`dialect`] how its cluster names what the caller names otherwise.
//! 4. The result is one [`Decision`].
//!
//! [`in_flight`] counts the start-type calls that have set out.
//!
//! Nothing here does I/O, reads a clock, or knows its host: the Envoy filter and the control server
//! both sit on top of it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod call;
pub mod decision;
pub mod dialect;
pub mod in_flight;
pub mod key;
pub mod placement;
pub mod poll;
pub mod wire;

pub use call::Call;
pub use decision::{Decision, Refusal};
pub use dialect::Dialect;
pub use key::{Key, SLOTS, Slot};
pub use placement::{Placement, Placements};
pub use poll::PollHash;
