//! Whether clusters are the ones that they were: an address that leads elsewhere would make all that a member has unknown, and
//! one that two members share would make each id of theirs seem to be open twice.

use std::collections::HashMap;

use panko_placement::State;

use crate::check::Report;

/// What stands in the way, in words.
pub fn problems(report: &Report, states: &HashMap<String, State>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: HashMap<&str, String> = HashMap::new();
    for row in report.members() {
        let Some(uuid) = row.uuid.as_deref() else { continue };
        let name = format!("{}: {} on {}", row.namespace, row.physical, row.cluster);
        let state = states.get(&row.namespace);
        let known = state.and_then(|state| {
            let at = state.position(&row.cluster, &row.physical)?;
            state.members.get(usize::from(at.0))?.uuid.as_deref()
        });
        if known.is_some_and(|known| known != uuid) {
            problems.push(format!(
                "{name}: it is another namespace than the one that was there (its id is {uuid}): is the address right? A new one joins under another name of its cluster"
            ));
        }
        if let Some(other) = seen.insert(uuid, name.clone()) {
            problems.push(format!(
                "{name}: it is the same namespace as {other} (its id is {uuid}): two clusters have one address"
            ));
        }
    }
    problems
}
