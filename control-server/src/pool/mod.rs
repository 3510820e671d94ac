//! Worker polls, pooled: a worker's poll waits here, and a few polls of the pool's own are open on
//! the clusters.
//!
//! * [`machine`] — the pool as a state machine: events in, actions out, no I/O and no clock.
//! * [`event`] — those events and actions.
//! * [`waiting`], [`held`], [`members`] ([`member`]) — what the machine remembers: polls that wait,
//!   tasks for which nobody waits, what each member gives and on whom the next poll is opened.
//! * [`key`] — which polls may share a pool.
//! * [`request`] — the bytes of the polls that the pool opens.
//! * [`task`] — what came back: is it a task, until when may it be held, how to give it back.
//! * [`scaling`] — what workers hear of how many pollers there should be.
//! * [`roster`] — the members that a pool has or had, under numbers that stay theirs.
//! * [`shell`] — one tokio task per pool that drives the machine; [`act`] — what it does then.
//! * [`proof`] — that a caller whose token is new may have the pool's tasks.
//! * [`delivery`] — whether a task was written to the worker's connection.
//! * [`departed`] — workers that have shut down.
//! * [`changes`] — the namespace gets other members, or goes; [`newest`] — what is known of it by now.
//! * [`registry`] — all pools; [`limits`] and [`totals`] — what is bounded over all of them.
//! * [`status`] — how a pool stands, for operators.

pub mod act;
pub mod changes;
pub mod delivery;
pub mod departed;
pub mod event;
pub mod held;
pub mod key;
pub mod limits;
pub mod machine;
pub mod member;
pub mod members;
pub mod newest;
pub mod proof;
pub mod registry;
pub mod request;
pub mod roster;
pub mod scaling;
pub mod shell;
pub mod status;
pub mod task;
pub mod totals;
pub mod waiting;

#[cfg(test)]
mod simulation;
