//! What the bench found: as a table, and as JSON with every round.

use std::fmt;

use comfy_table::Table;
use serde::Serialize;

/// All results of one run.
#[derive(Serialize)]
pub struct Report {
    /// What the second side is; none with `--listener-only`.
    pub other: Option<&'static str>,
    pub seconds: f64,
    pub streams: u32,
    /// CPU of each Envoy while nobody called, in µs per second. It is part of what the calls seem
    /// to cost, and far too little to matter: a side under load uses several hundred thousand.
    pub idle: Vec<f64>,
    pub cases: Vec<Measured>,
}

/// What one case costs: Envoy's CPU per call in µs.
#[derive(Serialize)]
pub struct Measured {
    case: &'static str,
    /// Bytes of the request's body on the wire.
    bytes: usize,
    no_filter: Series,
    other: Option<Series>,
    /// Of each round, the second side over the first: what slows the machine slows both, and falls
    /// out.
    ratio: Option<Series>,
}

impl Measured {
    /// Takes each side's rounds.
    pub fn new(case: &'static str, bytes: usize, none: Vec<f64>, other: Option<Vec<f64>>) -> Self {
        let ratios = |other: &Vec<f64>| other.iter().zip(&none).map(|(o, n)| o / n).collect();
        let ratio = other.as_ref().map(ratios).map(Series::new);
        Self { case, bytes, no_filter: Series::new(none), other: other.map(Series::new), ratio }
    }
}

impl Report {
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        let mut header = vec!["request", "bytes", "no filter"];
        header.extend(self.other.iter().flat_map(|other| [other, "ratio"]));
        table.set_header(header);
        for Measured { case, bytes, no_filter, other, ratio } in &self.cases {
            let mut row = vec![case.to_string(), bytes.to_string(), format!("{no_filter:.1}")];
            row.extend(other.iter().map(|other| format!("{other:.1}")));
            row.extend(ratio.iter().map(|ratio| format!("{ratio:.3}")));
            table.add_row(row);
        }
        table
    }
}

/// One number, measured once a round.
#[derive(Debug, Clone, Serialize)]
pub struct Series {
    pub median: f64,
    least: f64,
    most: f64,
    rounds: Vec<f64>,
}

impl Series {
    /// Takes the number of each round.
    pub fn new(rounds: Vec<f64>) -> Self {
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let (count, last) = (sorted.len(), sorted.len().saturating_sub(1));
        // Of an even number of rounds, the mean of both middles.
        let median = (at(last / 2) + at(count / 2)) / 2.0;
        Self { median, least: at(0), most: at(last), rounds }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, least, most, .. } = self;
        let digits = f.precision().unwrap_or_default();
        write!(f, "{median:.digits$} ({least:.digits$}–{most:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_both_middles() {
        assert_eq!(Series::new(vec![9.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(Series::new(vec![9.0, 4.0, 1.0, 2.0]).median, 3.0);
    }

    #[test]
    fn a_ratio_pairs_the_sides_of_one_round() {
        let measured = Measured::new("", 0, vec![10.0, 20.0], Some(vec![12.0, 25.0]));
        assert_eq!(measured.ratio.unwrap().rounds, [1.2, 1.25]);
    }
}
