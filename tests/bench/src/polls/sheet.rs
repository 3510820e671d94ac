//! A part's results: a table of medians for people, every run's numbers as JSON.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::report::Series;

/// What is measured: its name, and the digits that are shown after the point.
pub type Measure = (&'static str, usize);

/// The results of one part: a column for each case, a row for each measure.
pub struct Sheet {
    title: String,
    measures: &'static [Measure],
    cases: Vec<(String, Vec<Series>)>,
    runs: usize,
}

impl Sheet {
    /// A sheet without cases.
    pub fn new(title: String, measures: &'static [Measure]) -> Self {
        Self { title, measures, cases: Vec::new(), runs: 0 }
    }

    /// Adds a case: of each run, a number for each measure. NaN stands for what does not apply.
    pub fn add(&mut self, case: String, runs: &[Vec<f64>]) {
        let series = (0..self.measures.len()).map(|measure| {
            let of_run = |run: &Vec<f64>| run.get(measure).copied().unwrap_or(f64::NAN);
            Series::new(runs.iter().map(of_run).collect())
        });
        self.cases.push((case, series.collect()));
        self.runs = runs.len();
    }

    /// All numbers.
    pub fn json(&self) -> Value {
        let cases = self.cases.iter().map(|(case, series)| {
            let named = self.measures.iter().zip(series);
            let numbers: Map<_, _> =
                named.map(|((name, _), series)| (name.to_string(), value(series))).collect();
            json!({ "case": case, "measures": numbers })
        });
        json!({ "title": self.title, "runs": self.runs, "cases": cases.collect::<Vec<_>>() })
    }
}

fn value(series: &impl Serialize) -> Value {
    // Numbers can always be written.
    serde_json::to_value(series).unwrap_or_default()
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.runs {
            1 => writeln!(f, "{}; 1 run", self.title)?,
            runs => writeln!(f, "{}; medians of {runs} runs", self.title)?,
        }
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let cases = self.cases.iter().map(|(case, _)| case.clone());
        table.set_header(std::iter::once(String::new()).chain(cases));
        for (row, (name, digits)) in self.measures.iter().enumerate() {
            let medians = self.cases.iter().map(|(_, series)| {
                let median = series.get(row).map_or(f64::NAN, |series| series.median);
                if median.is_nan() { "–".to_owned() } else { format!("{median:.digits$}") }
            });
            table.add_row(std::iter::once((*name).to_owned()).chain(medians));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_shows_medians_and_a_dash_for_what_does_not_apply() {
        let mut sheet =
            Sheet::new("what it costs".to_owned(), &[("time, ms", 1), ("added, ms", 1)]);
        sheet.add("direct".to_owned(), &[vec![1.0, f64::NAN], vec![9.0], vec![2.0]]);
        let text = sheet.to_string();
        assert!(text.starts_with("what it costs; medians of 3 runs"), "{text}");
        assert!(text.contains("2.0") && text.contains('–'), "{text}");
        assert_eq!(sheet.json()["cases"][0]["measures"]["time, ms"]["most"], 9.0);
    }
}
