//! Start-type calls that are on their way to owners: what a filter has to know before it may say that a
//! slot's owner gets no more of them from it.

use std::collections::HashMap;
use std::hash::Hash;

/// Milliseconds of a clock that only grows.
pub type Millis = u64;

/// How long a call may take effect at the most, whatever its own deadline.
pub const LONGEST: Millis = 60_000;

/// What clocks and clusters may be late by.
pub const MARGIN: Millis = 5_000;

/// Whether an answer with this gRPC status tells what became of the call: not CANCELLED, UNKNOWN,
/// DEADLINE_EXCEEDED, INTERNAL and UNAVAILABLE.
#[must_use]
pub fn is_definite(status: i32) -> bool {
    !matches!(status, 1 | 2 | 4 | 13 | 14)
}

/// Start-type calls on their way, by slot (`S`: a slot of a namespace).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight<S: Eq + Hash> {
    /// By slot; never 0.
    counts: HashMap<S, u32>,
    /// Calls that ended without an answer that tells what became of them, and until when they may still take
    /// effect.
    doubts: Vec<(S, Millis)>,
}

impl<S: Eq + Hash> Default for InFlight<S> {
    fn default() -> Self {
        Self { counts: HashMap::new(), doubts: Vec::new() }
    }
}

impl<S: Eq + Hash> InFlight<S> {
    /// A call sets out.
    pub fn began(&mut self, slot: S) {
        *self.counts.entry(slot).or_insert(0) += 1;
    }

    /// A call has ended. `until` is set when its end does not tell whether it took effect: until then it may.
    pub fn ended(&mut self, slot: S, until: Option<Millis>) {
        if let Some(count) = self.counts.get_mut(&slot) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&slot);
            }
        }
        if let Some(until) = until {
            self.doubts.push((slot, until));
        }
    }

    /// Whether nothing is on its way to these slots.
    pub fn is_quiet(&mut self, now: Millis, slots: impl Fn(&S) -> bool) -> bool {
        self.doubts.retain(|(_, until)| *until > now);
        !self.counts.keys().any(&slots) && !self.doubts.iter().any(|(slot, _)| slots(slot))
    }

    /// When a call whose end told nothing is over for certain: the next such moment.
    #[must_use]
    pub fn next_certainty(&self) -> Option<Millis> {
        self.doubts.iter().map(|(_, until)| *until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_quiet_when_its_last_call_has_ended_for_certain() {
        let mut calls = InFlight::default();
        let seven = |slot: &u16| *slot == 7;
        calls.began(7);
        calls.began(7);
        calls.began(8);
        calls.ended(7, None);
        assert!(!calls.is_quiet(0, seven), "one is still on its way");
        calls.ended(7, Some(50));
        assert!(!calls.is_quiet(49, seven), "it may still take effect");
        assert_eq!(calls.next_certainty(), Some(50));
        assert!(calls.is_quiet(50, seven), "what is on its way to another slot does not matter");
        assert!(!calls.is_quiet(50, |slot| *slot == 8));
    }
}
