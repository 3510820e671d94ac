//! What was seen, as one table: by phase, by whom and by whether calls can start something.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use tonic::Code;

use super::sdk;

/// What one kind of client has seen during one phase.
#[derive(Debug, Default)]
pub struct Phase {
    /// What happened meanwhile.
    pub name: String,
    /// By call: milliseconds of each.
    pub took: BTreeMap<String, Vec<f64>>,
    /// UNAVAILABLE as it came from the wire, each try by itself.
    pub unavailable: u64,
    /// Other errors after which was tried again.
    pub other_errors: BTreeMap<String, u64>,
}

impl Phase {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// A call was answered with an error, and is tried again.
    pub fn error(&mut self, call: &str, code: Code) {
        match code {
            Code::Unavailable => self.unavailable += 1,
            code => *self.other_errors.entry(format!("{call} {code:?}")).or_default() += 1,
        }
    }
}

impl From<sdk::Phase> for Phase {
    fn from(seen: sdk::Phase) -> Self {
        let is = |raw: &str| raw.ends_with(" UNAVAILABLE");
        let unavailable = seen.raw.iter().filter(|(raw, _)| is(raw)).map(|(_, n)| n).sum();
        let other_errors = seen.raw.into_iter().filter(|(raw, _)| !is(raw)).collect();
        Self { name: seen.name, took: seen.took, unavailable, other_errors }
    }
}

/// Whether a call can start something, by its name here.
fn starts(call: &str) -> bool {
    ["start", "use an open id", "create", "trigger"].iter().any(|word| call.contains(word))
}

/// How long calls that wait for something else than Panko took says nothing.
fn waits(call: &str) -> bool {
    call == "result"
}

/// Shows the phases of each kind of client, side by side.
#[must_use]
pub fn table(all: &[(&str, Vec<Phase>)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "clients",
        "calls",
        "number",
        "p50 ms",
        "p99 ms",
        "max ms",
        "raw UNAVAILABLE",
        "by kind",
    ]);
    let phases = all.iter().map(|(_, phases)| phases.len()).max().unwrap_or(0);
    for at in 0..phases {
        for (who, phases) in all {
            let Some(phase) = phases.get(at) else { continue };
            if *who == all.first().map_or("", |(who, _)| who) {
                table.add_row([format!("— {} —", phase.name)]);
            }
            let errors = phase.other_errors.iter().map(|(error, n)| format!("{n} {error}"));
            let errors = [phase.unavailable.to_string()].into_iter().chain(errors);
            let mut errors = errors.collect::<Vec<_>>().join(", ");
            for (which, is) in [("start-type", true), ("other", false)] {
                let calls = phase.took.iter().filter(|(call, _)| starts(call) == is);
                let kinds: Vec<_> =
                    calls.clone().map(|(call, took)| format!("{} {call}", took.len())).collect();
                let number = calls.clone().map(|(_, took)| took.len()).sum::<usize>();
                let took =
                    calls.filter(|(call, _)| !waits(call)).flat_map(|(_, took)| took.clone());
                let mut row = vec![(*who).to_owned(), which.to_owned(), number.to_string()];
                row.extend(times(took.collect()));
                row.extend([std::mem::take(&mut errors), kinds.join(", ")]);
                table.add_row(row);
            }
        }
    }
    table
}

/// The median, the 99th percentile and the longest.
fn times(mut took: Vec<f64>) -> [String; 3] {
    took.sort_by(f64::total_cmp);
    [0.5, 0.99, 1.0].map(|part| {
        let at = (took.len().saturating_sub(1) as f64 * part) as usize;
        took.get(at).map_or(String::new(), |ms| format!("{ms:.0}"))
    })
}
