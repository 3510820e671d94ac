//! A scenario's table, what was broken, and examples.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use serde::Serialize;

use crate::disturbance::Disturbance;
use crate::play::Play;
use crate::promise::Promise;
use crate::scenario::Scenario;
use crate::stage::{Side, Turn};
use crate::tally::{Percentiles, Periods, Tally};
use crate::verdict::Verdict;
use crate::workflow::{Fault, Workflow};

/// Enough to see what is wrong; a hundred lines of the same would hide it.
const EXAMPLES: usize = 8;

/// What one scenario gave.
#[derive(Debug, Serialize)]
pub struct Report {
    #[serde(flatten)]
    play: Play,
    rows: Vec<Row>,
    /// Panko's workflows that had a fault or a problem.
    faulty: Vec<Workflow>,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Row {
    label: &'static str,
    #[serde(flatten)]
    tally: Tally,
    /// None for what others are compared with.
    verdict: Option<Verdict>,
}

impl Report {
    /// Counts and judges.
    #[must_use]
    pub fn new(play: Play, scenario: &Scenario, turns: Vec<Turn>) -> Self {
        let periods = Periods::of(scenario.disturbance.period(), scenario.load.seconds());
        let of = |side: Side| turns.iter().filter(move |turn| turn.side == side);
        let is_there = |turn: &Turn, w: &Workflow| w.clusters.contains(&turn.cluster);
        let direct = Tally::new(of(Side::Direct), periods, |_, _| true);
        let judged = |label, promise, tally| {
            let verdict = Some(Verdict::of(&tally, &direct, promise));
            Row { label, tally, verdict }
        };
        let ours = match scenario.disturbance {
            Disturbance::Cluster { .. } => {
                let there = Tally::new(of(Side::Panko), periods, is_there);
                let elsewhere = Tally::new(of(Side::Panko), periods, |t, w| !is_there(t, w));
                vec![
                    judged("panko, on it", scenario.promise, there),
                    judged("panko, elsewhere", Promise::Zero, elsewhere),
                ]
            }
            _ => {
                let all = Tally::new(of(Side::Panko), periods, |_, _| true);
                vec![judged("panko", scenario.promise, all)]
            }
        };
        let mut rows = vec![Row { label: "direct", tally: direct, verdict: None }];
        rows.extend(ours);
        let faulty = |w: &Workflow| w.problem.is_some() || !w.faults.is_empty();
        let ours = turns.into_iter().filter(|turn| turn.side == Side::Panko);
        let faulty = ours.flat_map(|turn| turn.workflows).filter(faulty).collect();
        Self { play, rows, faulty }
    }

    /// Whether every promise was kept.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.rows.iter().flat_map(|row| &row.verdict).all(Verdict::is_good)
    }

    /// A line for each thing that was counted, a column for each side.
    fn table(&self) -> Table {
        let mut table = Table::new();
        let mut line = |title: &str, cell: &dyn Fn(&Row) -> String| {
            let mut cells = vec![title.to_owned()];
            cells.extend(self.rows.iter().map(cell));
            table.add_row(cells);
        };
        line(&self.play.to_string(), &|row| row.label.to_owned());
        line("workflows", &|row| row.tally.workflows.to_string());
        line("no result", &|row| row.tally.problems.to_string());
        for fault in Fault::ALL {
            line(fault.title(), &|row| row.tally.count(fault).to_string());
        }
        line("start to result, s", &|row| shown(row.tally.seconds, 1.0, 2));
        line("workflow tasks wait, ms", &|row| shown(row.tally.workflow_waits, 1e3, 0));
        line("activities wait, ms", &|row| shown(row.tally.activity_waits, 1e3, 0));
        line("verdict", &|row| row.verdict.as_ref().map_or(String::new(), Verdict::to_string));
        table.load_style(NOTHING);
        table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
        table
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.table().trim_fmt())?;
        for row in &self.rows {
            for broken in row.verdict.iter().flat_map(|verdict| &verdict.broken) {
                writeln!(f, "FAILED, {}: {broken}", row.label)?;
            }
        }
        for workflow in self.faulty.iter().take(EXAMPLES) {
            let Workflow { id, clusters, problem, faults, .. } = workflow;
            write!(f, "  {id} on {}", clusters.join(" and "))?;
            problem.iter().try_for_each(|problem| write!(f, ": {problem}"))?;
            for fault in faults {
                let (title, at) = (fault.kind.title(), &fault.at);
                write!(f, "; {title}, event {} at {at}: {}", fault.event, fault.why)?;
            }
            writeln!(f)?;
        }
        let more = self.faulty.len().saturating_sub(EXAMPLES);
        if more > 0 {
            writeln!(f, "  and {more} more")?;
        }
        Ok(())
    }
}

fn shown(Percentiles { p50, p95, p99 }: Percentiles, unit: f64, digits: usize) -> String {
    let shown = |number: Option<f64>| match number {
        Some(number) => format!("{:.digits$}", number * unit),
        None => "–".to_owned(),
    };
    [p50, p95, p99].map(shown).join(" / ")
}
