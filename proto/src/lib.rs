//! What is on the wire: Panko's own protocol and the table of Temporal's RPCs.
//!
//! * [`rpc`] — every RPC of Temporal's public API with its class and the field that decides where
//!   a call goes. Generated from the API's descriptors and `rpcs.txt`.
//! * [`names`] — where namespace names are in requests and answers.
//! * [`v1`] — Panko's own protocol: the placement stream between the control server and the filters,
//!   and what control servers say to each other.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod names;
pub mod rpc;

/// Panko's own protocol, generated from `panko/v1`.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/panko.v1.rs"));
}
