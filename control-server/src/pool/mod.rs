//! Worker polls, pooled: a worker's poll waits here, and a few polls of the pool's own are open on
//! the clusters.
//!
//! * [`machine`] — the pool as a state machine: events in, actions out, no I/O and no clock.
//! * [`event`] — those events and actions.
//! * [`members`] — what the machine remembers of each member, and whose turn it is.
//! * [`key`] — which polls may share a pool.
//! * [`request`] — the bytes of the polls that the pool opens.
//! * [`task`] — what came back: is it a task, until when may it be held, how to give it back.
//! * [`shell`] — one tokio task per pool that drives the machine.
//! * [`registry`] — all pools.

pub mod event;
pub mod key;
pub mod machine;
pub mod members;
pub mod registry;
pub mod request;
pub mod shell;
pub mod task;

#[cfg(test)]
mod simulation;
