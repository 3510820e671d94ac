//! What operators are told: tables, or JSON.

use comfy_table::{Table, presets};
use panko_proto::v1::{
    ChangePlacementResponse, ExplainResponse, GetPlacementResponse, HistoryEntry, VerifyResponse,
};
use serde_json::{Value, json};

use crate::cli::Output;

/// A table without lines.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

fn json(value: &Value) {
    println!("{value:#}");
}

/// What a change does.
pub fn changed(answer: &ChangePlacementResponse, dry_run: bool, output: Output) {
    let moved = answer.moved.iter();
    if output == Output::Json {
        let moved: Vec<_> = moved
            .map(|m| {
                json!({
                    "from": m.from, "to": m.to, "slots": m.slots,
                    "open_workflows": m.open_workflows, "closed_workflows": m.closed_workflows,
                })
            })
            .collect();
        json(
            &json!({ "version": answer.version, "dry_run": dry_run, "what": answer.what, "moved": moved }),
        );
        return;
    }
    println!("{}{}", if dry_run { "would do: " } else { "" }, answer.what);
    if answer.moved.is_empty() {
        return;
    }
    let mut rows = table(&["from", "to", "slots", "open workflows", "closed workflows"]);
    let about = |count: Option<u64>| count.map_or("?".to_owned(), |count| format!("about {count}"));
    for m in moved {
        let (open, closed) = (about(m.open_workflows), about(m.closed_workflows));
        rows.add_row([&m.from, &m.to, &m.slots.to_string(), &open, &closed]);
    }
    println!(
        "{rows}\nWorkflows stay where they are and are found there; new ones start at the new owners."
    );
}

/// How a placement stands.
pub fn placement(namespace: &str, answer: &GetPlacementResponse, output: Output) {
    if output == Output::Json {
        let members: Vec<_> = answer
            .members
            .iter()
            .map(|m| {
                json!({
                    "name": m.name, "weight": m.weight, "cordoned": m.cordoned, "fenced": m.fenced, "looked_at": m.looked_at,
                    "reached": m.reached, "owned": m.owned, "former": m.former, "coming": m.coming,
                })
            })
            .collect();
        json(&json!({
            "namespace": namespace, "version": answer.version, "members": members,
            "handover": answer.handover, "waits_for": answer.waits_for,
            "filters": answer.filters.len(),
        }));
        return;
    }
    let mut rows = table(&["member", "weight", "state", "slots", "former", "coming"]);
    for m in &answer.members {
        let mut state = vec![if m.cordoned { "cordoned" } else { "active" }];
        if m.fenced {
            state.push(if m.looked_at { "fenced, coming back" } else { "fenced" });
        }
        if !m.reached {
            state.push("not reached yet");
        }
        let numbers = [m.weight, m.owned, m.former, m.coming].map(|n| n.to_string());
        let [weight, owned, former, coming] = &numbers;
        rows.add_row([&m.name, weight, &state.join(", "), owned, former, coming]);
    }
    println!("{namespace}, version {}\n{rows}", answer.version);
    for m in answer.members.iter().filter(|m| m.owned + m.coming == 0 && m.former > 0) {
        println!("{0} is drained; what never ends there: panko status leftovers {0}", m.name);
    }
    match (answer.handover, answer.waits_for.as_slice()) {
        (0, _) => {}
        (_, []) => println!("a handover is being completed"),
        (_, all) => println!("a handover waits for {}", all.join(", ")),
    }
}

/// What has been changed.
pub fn history(entries: &[HistoryEntry], output: Output) {
    if output == Output::Json {
        let entries: Vec<_> = entries
            .iter()
            .map(|e| json!({ "version": e.version, "at_ms": e.at_ms, "who": e.who, "what": e.what, "why": e.why }))
            .collect();
        json(&Value::from(entries));
        return;
    }
    let mut rows = table(&["version", "when", "who", "what", "why"]);
    for e in entries {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(e.at_ms);
        let at = humantime::format_rfc3339_seconds(at).to_string();
        rows.add_row([&e.version.to_string(), &at, &e.who, &e.what, &e.why]);
    }
    println!("{rows}");
}

/// The filters.
pub fn filters(answer: &GetPlacementResponse, output: Output) {
    if output == Output::Json {
        let filters: Vec<_> = answer
            .filters
            .iter()
            .map(|f| {
                json!({
                    "node": f.node, "process": format!("{:016x}", f.process), "vm": f.vm,
                    "version": f.version, "gone_for_ms": f.gone_for_ms,
                })
            })
            .collect();
        json(&Value::from(filters));
        return;
    }
    let mut rows = table(&["node", "VM", "version", "state"]);
    for f in &answer.filters {
        let state = match (f.gone_for_ms, f.version) {
            (Some(0), _) => "ended".to_owned(),
            (Some(ms), _) => format!("ended; its calls are over in {} s", ms.div_ceil(1000)),
            (None, version) if version >= answer.version => "up to date".to_owned(),
            (None, _) => "behind".to_owned(),
        };
        rows.add_row([&f.node, &f.vm.to_string(), &f.version.to_string(), &state]);
    }
    println!("version {}\n{rows}", answer.version);
}

/// Ids that are open on several members.
pub fn verified(answer: &VerifyResponse, output: Output) {
    let duplicates = answer.duplicates.iter();
    if output == Output::Json {
        let duplicates: Vec<_> = duplicates
            .map(|d| json!({ "workflow_id": d.workflow_id, "members": d.members }))
            .collect();
        json(&json!({
            "open": answer.open, "away": answer.away, "duplicates": duplicates,
            "duplicates_in_all": answer.duplicates_in_all, "incomplete": answer.incomplete,
        }));
        return;
    }
    println!(
        "{} open workflows; {} are away from their slot's owners (children, scheduled runs); {} ids are open on several members",
        answer.open, answer.away, answer.duplicates_in_all
    );
    duplicates.for_each(|d| println!("  {}: {}", d.workflow_id, d.members.join(", ")));
    answer.incomplete.iter().for_each(|why| println!("not looked at to the end: {why}"));
}

/// What is known of many keys, a line each.
pub fn explained_many(kind: &str, ids: &[String], answers: &[ExplainResponse]) {
    let mut rows = table(&[kind, "slot", "owner", "former owners", "coming to", "found"]);
    for (id, answer) in ids.iter().zip(answers) {
        let found = answer.members.iter().filter(|m| m.says != "nothing");
        let found: Vec<_> = found.map(|m| format!("{}: {}", m.member, m.says)).collect();
        let (slot, former) = (answer.slot.to_string(), answer.former.join(", "));
        rows.add_row([id, &slot, &answer.owner, &former, &answer.to, &found.join(", ")]);
    }
    println!("{rows}");
}
