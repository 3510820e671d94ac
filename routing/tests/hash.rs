//! The hash is fixed for ever: the vectors that `docs/design/hash.md` publishes hold.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use panko_routing::Key;

const PAGE: &str = include_str!("../../docs/design/hash.md");

/// Rows of the page's table: `| kind | id | slot |`.
fn vectors() -> Vec<(&'static str, &'static str, usize)> {
    PAGE.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let kind = cells.next()?.trim_end_matches('`');
            let id = cells.next()?.trim_matches('`');
            let slot = cells.next()?.trim_end_matches(" |").parse().ok()?;
            Some((kind, id, slot))
        })
        .collect()
}

#[test]
fn published_vectors_hold() {
    let vectors = vectors();
    assert!(vectors.len() >= 12, "{} vectors found", vectors.len());
    for (kind, id, slot) in vectors {
        let key = Key { kind, id: id.as_bytes() };
        assert_eq!(key.slot().index(), slot, "{kind}:{id}");
    }
}

#[test]
fn ids_spread_evenly_over_slots() {
    let mut counts = vec![0u32; panko_routing::SLOTS];
    for n in 0..409_600 {
        let id = format!("order-{n}");
        counts[Key { kind: "workflow", id: id.as_bytes() }.slot().index()] += 1;
    }
    // 100 a slot on average; six standard deviations around it.
    assert!(counts.iter().all(|&count| (40..=160).contains(&count)));
}
