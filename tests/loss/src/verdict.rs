//! Whether Panko's side kept what is promised of it.

use std::fmt;

use serde::Serialize;

use crate::exact;
use crate::promise::{Bound, Promise};
use crate::tally::Tally;
use crate::workflow::Fault;

/// A side is worse when that much, or more, would be chance less often than this.
const LEVEL: f64 = 0.05;

/// What was broken, in words; nothing when all is well.
#[derive(Debug, Serialize)]
pub struct Verdict {
    pub broken: Vec<String>,
    /// The least of all chances that were worked out.
    pub chance: Option<f64>,
}

impl Verdict {
    /// Judges one row of Panko's by what is promised, and by what happened past Panko.
    #[must_use]
    pub fn of(panko: &Tally, direct: &Tally, promise: Promise) -> Self {
        let mut verdict = Self { broken: Vec::new(), chance: None };
        if panko.problems > 0 {
            verdict.broken.push(format!("{} workflows are not as they should be", panko.problems));
        }
        for fault in Fault::ALL {
            let count = panko.count(fault);
            match promise.bound(fault) {
                Bound::Figure => {}
                Bound::Zero if count > 0 => {
                    verdict.broken.push(format!("{}: {count}, not 0", fault.title()));
                }
                Bound::Zero => {}
                Bound::NotWorse => verdict.compare(fault, panko, direct),
            }
        }
        verdict
    }

    fn compare(&mut self, fault: Fault, panko: &Tally, direct: &Tally) {
        let chance = exact::chance(direct.per_period(fault), panko.per_period(fault));
        if chance < LEVEL {
            let (ours, theirs) = (panko.count(fault), direct.count(fault));
            self.broken.push(format!(
                "{}: {ours}, and {theirs} past Panko; by chance once in {:.0} times",
                fault.title(),
                1.0 / chance
            ));
        }
        self.chance = Some(self.chance.map_or(chance, |least| least.min(chance)));
    }

    /// Whether all is well.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.broken.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.chance {
            _ if !self.is_good() => f.write_str("FAILED"),
            Some(chance) => write!(f, "no worse (p = {chance:.2})"),
            None => f.write_str("zero"),
        }
    }
}
