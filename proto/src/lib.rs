//! What is on the wire: Panko's own protocol and the table of Temporal's RPCs.
//!
//! * [`rpc`] — every RPC of Temporal's public API with its class and the field that decides where
//!   a call goes. Generated from the API's descriptors and `rpcs.txt`.
//! * [`v1`] — the placement stream between the control server and the filters.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod rpc;

/// The placement stream, generated from `panko/v1/placement.proto`.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/panko.v1.rs"));
}
