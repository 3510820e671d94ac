//! Start-type calls that go to a slot's owner: they are counted until it is certain what became of them.

use std::rc::Rc;
use std::sync::Arc;

use panko_routing::Slot;
use panko_routing::in_flight::{LONGEST, MARGIN, Millis, is_definite};

use crate::host;
use crate::state::State;

/// How long a start without a deadline may take effect.
const WITHOUT_DEADLINE: Millis = 30_000;

/// A namespace's slot.
pub type Place = (Arc<str>, Slot);

/// One such call, counted until it is dropped.
pub struct Started {
    state: Rc<State>,
    place: Place,
    /// Until when it may take effect if its end does not tell whether it did.
    until: Millis,
    definite: bool,
    /// Whether a cluster answers, and not a proxy before it.
    is_grpc: bool,
}

impl Started {
    /// A call with this `grpc-timeout` sets out.
    pub fn new(state: Rc<State>, place: Place, timeout: &str) -> Self {
        state.in_flight.borrow_mut().began(place.clone());
        let deadline = millis(timeout).unwrap_or(WITHOUT_DEADLINE).min(LONGEST);
        let until = host::now() + deadline + MARGIN;
        Self { state, place, until, definite: false, is_grpc: false }
    }

    /// The headers of an answer have come. Those with a status are the whole of it.
    pub fn answered(&mut self, status: Option<&str>) {
        self.is_grpc = host::is_grpc_answer();
        self.definite |= status.is_some_and(|status| status.parse().map_or(true, is_definite));
    }

    /// So much of an answer's message has come: the call took effect.
    pub fn told(&mut self, bytes: usize) {
        self.definite |= self.is_grpc && bytes > 0;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let until = (!self.definite).then_some(self.until.max(host::now() + MARGIN));
        self.state.in_flight.borrow_mut().ended(self.place.clone(), until);
        self.state.look_again();
    }
}

/// `grpc-timeout`: at most eight digits and a unit.
fn millis(timeout: &str) -> Option<Millis> {
    let (digits, unit) = timeout.split_at_checked(timeout.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => number.saturating_mul(3_600_000),
        "M" => number.saturating_mul(60_000),
        "S" => number.saturating_mul(1_000),
        "m" => number,
        "u" => number / 1_000,
        "n" => number / 1_000_000,
        _ => return None,
    })
}
