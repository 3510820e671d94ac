//! From `rpcs.txt` and the API's descriptors to the source of the RPC table.

use std::collections::BTreeMap;
use std::fmt::Write;

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::names::Graph;
use crate::paths::{Leaf, Messages};

/// `namespace_id` in every message of `temporal.server.api.token.v1`.
const TOKEN_NAMESPACE_ID: i32 = 1;

/// One line of `rpcs.txt`.
struct Row<'a> {
    class: &'a str,
    start: &'a str,
    rest: &'a str,
}

/// What is generated.
pub struct Sources {
    /// The table of RPCs.
    pub methods: String,
    /// Where namespace names are in their messages.
    pub names: String,
}

/// Returns the Rust sources, or every problem that was found.
pub fn generate(rows: &str, descriptors: &[u8]) -> Result<Sources, Vec<String>> {
    let set = FileDescriptorSet::decode(descriptors)
        .map_err(|e| vec![format!("the descriptors cannot be read: {e}")])?;
    let messages = Messages::of(&set);
    let (services, mut rows) = parse(rows)?;
    let mut problems = Vec::new();
    let mut methods = BTreeMap::new();
    let of_ours = |file: &&prost_types::FileDescriptorProto| {
        file.service
            .iter()
            .any(|s| services.contains(&format!("{}.{}", file.package(), s.name()).as_str()))
    };
    let all = set.file.iter().filter(of_ours).flat_map(|file| &file.service);
    let roots: Vec<_> =
        all.flat_map(|s| &s.method).flat_map(|m| [m.input_type(), m.output_type()]).collect();
    let names = Graph::of(&messages, &roots)?;

    for file in &set.file {
        for service in &file.service {
            let service_name = format!("{}.{}", file.package(), service.name());
            if !services.contains(&service_name.as_str()) {
                continue;
            }
            for method in &service.method {
                let path = format!("/{service_name}/{}", method.name());
                let Some(row) = rows.remove(&(service_name.clone(), method.name().to_owned()))
                else {
                    problems.push(format!("{path} has no class; add a row for it"));
                    continue;
                };
                match entry(method.name(), method.input_type(), &row, &messages) {
                    Ok(source) => {
                        let request = names.node(method.input_type());
                        let answer = names.node(method.output_type());
                        let names =
                            format!("names_in_request: {request}, names_in_answer: {answer}");
                        methods.insert(path, format!("{source}, {names}"));
                    }
                    Err(problem) => problems.push(format!("{path}: {problem}")),
                }
            }
        }
    }
    // What is answered here need not be Temporal's.
    let known = |service: &str| {
        let files = set.file.iter();
        files
            .flat_map(|f| f.service.iter().map(move |s| (f, s)))
            .any(|(file, s)| format!("{}.{}", file.package(), s.name()) == service)
    };
    rows.retain(|(service, name), row| {
        let of_others = row.class == "local" && !known(service);
        if of_others {
            let (start_type, class) = (is_start(row.start), "Class::Local");
            let source = format!(
                "name: {name:?}, start_type: {start_type}, creates_key: false, answers_closed: false, class: {class}, names_in_request: None, names_in_answer: None"
            );
            methods.insert(format!("/{service}/{name}"), source);
        }
        !of_others
    });
    problems.extend(
        rows.keys().map(|(service, name)| format!("/{service}/{name} is not in the descriptors")),
    );
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut source =
        String::from("/// Every RPC, sorted by path.\npub static METHODS: &[Method] = &[\n");
    for (index, (path, entry)) in methods.iter().enumerate() {
        writeln!(source, "    Method {{ index: {index}, path: {path:?}, {entry} }},")
            .expect("writing to a String");
    }
    source.push_str("];\n");
    Ok(Sources { methods: source, names: names.source() })
}

type Rows<'a> = BTreeMap<(String, String), Row<'a>>;

fn parse(text: &str) -> Result<(Vec<&str>, Rows<'_>), Vec<String>> {
    let (mut services, mut rows, mut problems) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.splitn(2, char::is_whitespace);
        let (first, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or("").trim());
        if first == "service" {
            services.push(rest);
            continue;
        }
        let mut columns = rest.splitn(2, char::is_whitespace);
        let class = columns.next().unwrap_or_default();
        let mut columns = columns.next().unwrap_or("").trim().splitn(2, char::is_whitespace);
        let start = columns.next().unwrap_or_default();
        let rest = columns.next().unwrap_or("").trim();
        let service = services.last().copied().unwrap_or_default().to_owned();
        if !["-", "start", "reopen", "closed"].contains(&start) {
            problems.push(format!(
                "line {}: {start:?} is none of -, start, reopen, closed",
                number + 1
            ));
        }
        let row = Row { class, start, rest };
        if rows.insert((service, first.to_owned()), row).is_some() {
            problems.push(format!("line {}: {first} has two rows", number + 1));
        }
    }
    if problems.is_empty() { Ok((services, rows)) } else { Err(problems) }
}

/// The fields of a `Method` but for those that every entry has.
fn entry(
    name: &str,
    input: &str,
    row: &Row<'_>,
    messages: &Messages<'_>,
) -> Result<String, String> {
    let class = match row.class {
        "key" => {
            let namespace = messages.resolve(input, "namespace", Leaf::String)?;
            let keys: Vec<_> = row
                .rest
                .split('|')
                .map(|key| key_path(key.trim(), input, messages))
                .collect::<Result<_, _>>()?;
            let run = run_path(row.rest, input, messages);
            let keys = keys.join(", ");
            format!("Class::Key {{ namespace: &{namespace:?}, keys: &[{keys}], run: &{run:?} }}")
        }
        "token" => {
            let mut path = messages.resolve(input, row.rest, Leaf::Bytes)?;
            path.push(TOKEN_NAMESPACE_ID);
            format!("Class::Token {{ uuid: &{path:?} }}")
        }
        "poll" => {
            let namespace = messages.resolve(input, "namespace", Leaf::String)?;
            let queue = key_path(row.rest, input, messages)?;
            format!("Class::Poll {{ namespace: &{namespace:?}, queue: {queue} }}")
        }
        "gather" => {
            format!("Class::Gather {{ namespace: &{:?} }}", optional_namespace(input, messages))
        }
        "broadcast" => {
            format!("Class::Broadcast {{ namespace: &{:?} }}", optional_namespace(input, messages))
        }
        "local" => "Class::Local".to_owned(),
        "refused" if row.rest.is_empty() => return Err("says not what to do instead".to_owned()),
        "refused" => format!("Class::Refused {{ instead: {:?} }}", row.rest),
        other => return Err(format!("{other:?} is not a class")),
    };
    let (start_type, creates_key) = (is_start(row.start), row.start == "start");
    let closed = row.start == "closed";
    Ok(format!(
        "name: {name:?}, start_type: {start_type}, creates_key: {creates_key}, answers_closed: {closed}, class: {class}"
    ))
}

fn is_start(start: &str) -> bool {
    ["start", "reopen"].contains(&start)
}

/// The path of a request's `namespace`; empty where it has none.
fn optional_namespace(input: &str, messages: &Messages<'_>) -> Vec<i32> {
    messages.resolve(input, "namespace", Leaf::String).unwrap_or_default()
}

/// `workflow:{execution.workflow_id}` → `KeyPath { kind: "workflow", path: &[2, 1] }`.
fn key_path(key: &str, input: &str, messages: &Messages<'_>) -> Result<String, String> {
    let (kind, field) = key
        .split_once(":{")
        .and_then(|(kind, field)| Some((kind, field.strip_suffix('}')?)))
        .ok_or_else(|| format!("{key:?} is not a key such as workflow:{{workflow_id}}"))?;
    let path = messages.resolve(input, field, Leaf::String)?;
    Ok(format!("KeyPath {{ kind: {kind:?}, path: &{path:?} }}"))
}

/// The `run_id` that stands beside the first of the ids in `keys`; empty where there is none.
fn run_path(keys: &str, input: &str, messages: &Messages<'_>) -> Vec<i32> {
    let id = keys.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let id = id.map_or("", |(id, _)| id);
    let run = match id.rsplit_once('.') {
        Some((parent, _)) => format!("{parent}.run_id"),
        None => "run_id".to_owned(),
    };
    messages.resolve(input, &run, Leaf::String).unwrap_or_default()
}
