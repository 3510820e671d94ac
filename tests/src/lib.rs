//! Everything real together: Temporal servers, SDKs that are not ours, Envoy with the filter.
//!
//! * [`sandbox`] — a whole Panko for a test, and which ids live where in it.
//! * [`checklist`] — what an unchanged Rust SDK can do; its Python twin is in `sdk/python`.
//! * [`api`] — every RPC, with a request and what comes of it.
//! * [`bare`] — single calls as any gRPC client makes them: no retries, no hidden state.
//! * [`operator`] — the `panko` command, as operators use it.
//! * [`moves`] — what goes on while slots move, and what is left of it.
//! * [`valve`] — a way through a network that can be cut.
//! * [`frames`] — bodies cut and broken as no client does.

pub mod api;
pub mod bare;
pub mod checklist;
pub mod frames;
pub mod http;
pub mod moves;
pub mod operator;
pub mod sandbox;
pub mod valve;
