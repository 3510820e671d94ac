//! In what the members of a virtual namespace differ, and what that means.

use std::collections::BTreeMap;

use super::facts::Facts;

/// Clocks that differ by less than so many milliseconds count as equal: asking takes its time.
const CLOCK: i64 = 1_000;

/// The differences between members, each by its name.
pub fn between(namespace: &str, members: &[(&str, &Facts)]) -> Vec<String> {
    let found =
        [capabilities(members), retention(members), search_attributes(members), clocks(members)];
    found.into_iter().flatten().map(|text| format!("namespace {namespace}: {text}")).collect()
}

fn capabilities(members: &[(&str, &Facts)]) -> Vec<String> {
    let mut all: Vec<u32> = members.iter().flat_map(|(_, f)| f.capabilities.clone()).collect();
    all.sort_unstable();
    all.dedup();
    let lacking = |number: &u32| {
        let without = members.iter().filter(|(_, facts)| !facts.capabilities.contains(number));
        let without: Vec<_> = without.map(|(name, _)| *name).collect();
        (!without.is_empty()).then(|| {
            format!(
                "capability {number} of NamespaceInfo.Capabilities is not on {}, so Panko does not offer it",
                without.join(", ")
            )
        })
    };
    all.iter().filter_map(lacking).collect()
}

fn retention(members: &[(&str, &Facts)]) -> Vec<String> {
    let first = members.first().map(|(_, facts)| facts.retention);
    if members.iter().all(|(_, facts)| Some(facts.retention) == first) {
        return Vec::new();
    }
    let said = members
        .iter()
        .map(|(name, facts)| format!("{} on {name}", humantime::format_duration(facts.retention)));
    vec![format!(
        "the retention is {}: a closed workflow is found for as long as its own cluster keeps it; make it equal with `temporal operator namespace update --retention`",
        said.collect::<Vec<_>>().join(" and ")
    )]
}

fn search_attributes(members: &[(&str, &Facts)]) -> Vec<String> {
    let known =
        members.iter().filter_map(|(name, facts)| Some((*name, facts.search_attributes.as_ref()?)));
    let known: Vec<_> = known.collect();
    let mut all = BTreeMap::new();
    for (name, attributes) in &known {
        for (attribute, kind) in *attributes {
            all.entry(attribute.as_str()).or_insert((*name, *kind));
        }
    }
    let mut found = Vec::new();
    for (attribute, (at, kind)) in all {
        for (name, attributes) in &known {
            match attributes.get(attribute) {
                None => found.push(format!(
                    "the search attribute {attribute} of {at} is not on {name}: workflows that set it cannot start there, and lists that ask for it fail there; add it with `temporal operator search-attribute create`"
                )),
                Some(other) if *other != kind => found.push(format!(
                    "the search attribute {attribute} has another type on {name} than on {at}: lists that ask for it fail on one of them"
                )),
                Some(_) => {}
            }
        }
    }
    let silent = members.iter().filter(|(_, facts)| facts.search_attributes.is_none());
    found.extend(silent.map(|(name, _)| {
        format!("{name} does not tell its search attributes, so they are not compared")
    }));
    found
}

fn clocks(members: &[(&str, &Facts)]) -> Vec<String> {
    let ahead = members.iter().filter_map(|(name, facts)| Some((*name, facts.clock?)));
    let off = ahead.filter(|(_, ahead)| ahead.abs() > CLOCK);
    off.map(|(name, ahead)| {
        let seconds = ahead.abs() as f64 / 1000.0;
        let word = if ahead > 0 { "ahead of" } else { "behind" };
        format!(
            "the clock of {name} is {seconds:.1} s {word} this machine's: lists are merged by times that differ by as much, and of an id's closed runs on two clusters the wrong one may count as the latest; correct it"
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn equal_members_have_none_and_others_are_told_what_it_means() {
        let a = Facts {
            capabilities: vec![1, 2],
            retention: Duration::from_secs(86_400),
            search_attributes: Some(BTreeMap::from([("Customer".to_owned(), 2)])),
            clock: Some(40),
            ..Facts::default()
        };
        assert_eq!(between("orders", &[("a", &a), ("b", &a.clone())]), Vec::<String>::new());
        let b = Facts {
            capabilities: vec![1],
            retention: Duration::from_secs(3_600),
            search_attributes: Some(BTreeMap::new()),
            clock: Some(-2_500),
            ..Facts::default()
        };
        let told = between("orders", &[("a", &a), ("b", &b)]);
        let has = |text: &str| assert!(told.iter().any(|one| one.contains(text)), "{told:?}");
        has("capability 2 of NamespaceInfo.Capabilities is not on b");
        has("1day on a and 1h on b");
        has("Customer of a is not on b");
        has("the clock of b is 2.5 s behind");
        let c = Facts {
            search_attributes: Some(BTreeMap::from([("Customer".to_owned(), 3)])),
            ..a.clone()
        };
        let told = between("orders", &[("a", &a), ("c", &c)]);
        assert!(told[0].contains("another type on c than on a"), "{told:?}");
        let silent = Facts { search_attributes: None, ..a.clone() };
        let told = between("orders", &[("a", &a), ("s", &silent)]);
        assert!(told[0].contains("s does not tell"), "{told:?}");
    }
}
