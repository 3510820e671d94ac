//! What was counted, of one row of the table.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use crate::stage::Turn;
use crate::workflow::{Fault, Workflow};

/// What was counted of some workflows of some turns.
#[derive(Debug, Serialize)]
pub struct Tally {
    pub workflows: usize,
    /// Those without a result, or on none or several clusters.
    pub problems: usize,
    /// How often each fault happened.
    pub faults: HashMap<Fault, u32>,
    /// From start to result, in seconds.
    pub seconds: Percentiles,
    /// How long tasks waited to be started, in seconds.
    pub workflow_waits: Percentiles,
    pub activity_waits: Percentiles,
    /// The faults of each period of each turn.
    #[serde(skip)]
    periods: HashMap<Fault, Vec<u32>>,
}

/// How turns are cut into periods.
#[derive(Debug, Clone, Copy)]
pub struct Periods {
    pub length: Duration,
    /// In each turn. What started later counts for the last.
    pub number: usize,
}

impl Periods {
    /// Those of a load that starts workflows for so many seconds.
    #[must_use]
    pub fn of(length: Duration, seconds: f64) -> Self {
        Self { length, number: ((seconds / length.as_secs_f64()).ceil() as usize).max(1) }
    }

    fn period(&self, at: f64) -> usize {
        ((at / self.length.as_secs_f64()) as usize).min(self.number - 1)
    }
}

impl Tally {
    /// Counts those workflows of the turns that `belongs` lets through.
    pub fn new<'a>(
        turns: impl Iterator<Item = &'a Turn>,
        periods: Periods,
        belongs: impl Fn(&Turn, &Workflow) -> bool,
    ) -> Self {
        let mut counted: HashMap<_, _> = Fault::ALL.map(|fault| (fault, Vec::new())).into();
        let mut all = Vec::new();
        for turn in turns {
            let of_turn: Vec<_> = turn.workflows.iter().filter(|w| belongs(turn, w)).collect();
            for (fault, counts) in &mut counted {
                counts.extend(per_period(&of_turn, periods, *fault));
            }
            all.extend(of_turn);
        }
        Self {
            workflows: all.len(),
            problems: all.iter().filter(|workflow| workflow.problem.is_some()).count(),
            faults: counted.iter().map(|(fault, counts)| (*fault, counts.iter().sum())).collect(),
            seconds: Percentiles::of(all.iter().filter_map(|workflow| workflow.seconds)),
            workflow_waits: Percentiles::of(all.iter().flat_map(|w| w.workflow_waits.clone())),
            activity_waits: Percentiles::of(all.iter().flat_map(|w| w.activity_waits.clone())),
            periods: counted,
        }
    }

    /// How often a fault happened.
    #[must_use]
    pub fn count(&self, fault: Fault) -> u32 {
        self.faults.get(&fault).copied().unwrap_or_default()
    }

    /// … in each period.
    #[must_use]
    pub fn per_period(&self, fault: Fault) -> &[u32] {
        self.periods.get(&fault).map_or(&[], Vec::as_slice)
    }
}

fn per_period(workflows: &[&Workflow], periods: Periods, fault: Fault) -> Vec<u32> {
    let mut counts = vec![0; periods.number];
    for workflow in workflows {
        let found = workflow.faults.iter().filter(|found| found.kind == fault).count();
        if let Some(count) = counts.get_mut(periods.period(workflow.at)) {
            *count += u32::try_from(found).unwrap_or(u32::MAX);
        }
    }
    counts
}

/// The three that are shown; none of nothing.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Percentiles {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

impl Percentiles {
    /// Of all these numbers.
    pub fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = numbers.collect();
        sorted.sort_by(f64::total_cmp);
        // The least number that so many percent are not above.
        let at = |percent: usize| {
            sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied()
        };
        Self { p50: at(50), p95: at(95), p99: at(99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numbers_of_the_list() {
        let Percentiles { p50, p95, p99 } = Percentiles::of((1..=200).map(f64::from));
        assert_eq!((p50, p95, p99), (Some(100.0), Some(190.0), Some(198.0)));
        assert_eq!(Percentiles::of([7.0].into_iter()).p99, Some(7.0));
        assert_eq!(Percentiles::of(std::iter::empty()).p50, None);
    }

    #[test]
    fn what_starts_after_the_last_period_belongs_to_it() {
        let periods = Periods::of(Duration::from_secs(5), 12.0);
        assert_eq!(periods.number, 3);
        assert_eq!([0.0, 4.9, 5.0, 14.0, 99.0].map(|at| periods.period(at)), [0, 0, 1, 2, 2]);
    }
}
