//! Calls that some members have done and others have not, until they are repeated.
//!
//! When the last member does it in a call that fails on another one which has done it before and is busy
//! now, the next repetition finds it done everywhere. That is the end of these calls, and no ALREADY_EXISTS
//! of somebody else's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::super::Call;
use super::super::gather::number_of;

/// How many are remembered, and for how long. What is forgotten answers as if it were somebody else's.
const MOST: usize = 10_000;
const LONGEST: Duration = Duration::from_secs(600);

/// The calls, by what they are.
#[derive(Debug, Default)]
pub struct Unfinished(Mutex<HashMap<u64, Instant>>);

impl Unfinished {
    /// A call has been done by some members only.
    pub(super) fn note(&self, call: &Call) {
        let mut calls = self.lock();
        if calls.len() >= MOST {
            calls.retain(|_, since| since.elapsed() < LONGEST);
        }
        if calls.len() < MOST {
            calls.insert(id(call), Instant::now());
        }
    }

    /// Whether this is the repetition of such a call, which ends it.
    pub(super) fn ends(&self, call: &Call) -> bool {
        self.lock().remove(&id(call)).is_some_and(|since| since.elapsed() < LONGEST)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Instant>> {
        // The map is whole whatever panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same request is the same call.
fn id(call: &Call) -> u64 {
    number_of(&[call.method.name.as_bytes(), &call.body])
}
