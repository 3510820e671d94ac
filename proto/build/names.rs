//! Where namespace names are in requests and answers: a graph of message types, cut down to those from
//! which one can be reached.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use prost_types::DescriptorProto;
use prost_types::field_descriptor_proto::Type;

use crate::paths::Messages;

/// String fields that hold the name of a namespace.
const NAMES: [&str; 4] =
    ["namespace", "workflow_namespace", "parent_workflow_namespace", "deleted_namespace"];

/// `temporal.api.nexus.v1.Link.url` has a namespace's name in it.
const LINK: (&str, &str) = (".temporal.api.nexus.v1.Link", "url");

/// The types from which a name can be reached, numbered.
pub struct Graph<'a> {
    messages: &'a Messages<'a>,
    /// By type, its number; types from which no name can be reached have none.
    numbers: BTreeMap<&'a str, usize>,
}

impl<'a> Graph<'a> {
    /// The graph below `roots`, or the fields of which it is not known whether they hold a name.
    pub fn of(messages: &'a Messages<'a>, roots: &[&'a str]) -> Result<Self, Vec<String>> {
        let mut reached = BTreeSet::new();
        roots.iter().for_each(|root| reach(messages, root, &mut reached));
        let unknown: Vec<_> = reached.iter().flat_map(|name| unknown(messages, name)).collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        // Those that hold a name themselves; then, again and again, those that hold one of those.
        let mut holding = BTreeSet::new();
        loop {
            let more = reached.iter().filter(|name| {
                let fields = &messages.get(name).field;
                !holding.contains(*name)
                    && fields.iter().any(|field| {
                        leaf(name, field.name()).is_some() || holding.contains(field.type_name())
                    })
            });
            let more: Vec<_> = more.copied().collect();
            if more.is_empty() {
                break;
            }
            holding.extend(more);
        }
        let numbers = holding.into_iter().enumerate().map(|(number, name)| (name, number));
        Ok(Self { messages, numbers: numbers.collect() })
    }

    /// The source of `Option<u16>` for a type.
    pub fn node(&self, name: &str) -> String {
        match self.numbers.get(name) {
            Some(number) => format!("Some({number})"),
            None => "None".to_owned(),
        }
    }

    /// The source of all nodes.
    pub fn source(&self) -> String {
        let mut source = String::from(
            "/// By number, the fields of a message type that lead to namespace names, sorted.\npub static NODES: &[&[(u32, At)]] = &[\n",
        );
        for name in self.numbers.keys() {
            let mut fields: Vec<_> = self
                .messages
                .get(name)
                .field
                .iter()
                .filter_map(|field| self.field(name, field))
                .collect();
            fields.sort();
            let fields: Vec<_> = fields.iter().map(|(n, at)| format!("({n}, {at})")).collect();
            writeln!(source, "    &[{}], // {name}", fields.join(", "))
                .expect("writing to a String");
        }
        source + "];\n"
    }

    fn field(
        &self,
        message: &str,
        field: &prost_types::FieldDescriptorProto,
    ) -> Option<(i32, String)> {
        let at = match leaf(message, field.name()) {
            Some(leaf) => leaf.to_owned(),
            None => format!("At::Message({})", self.numbers.get(field.type_name())?),
        };
        Some((field.number(), at))
    }
}

fn reach<'a>(messages: &Messages<'a>, name: &'a str, reached: &mut BTreeSet<&'a str>) {
    if !reached.insert(name) {
        return;
    }
    let message: &'a DescriptorProto = messages.get(name);
    for field in message.field.iter().filter(|field| field.r#type() == Type::Message) {
        reach(messages, field.type_name(), reached);
    }
}

fn leaf(message: &str, field: &str) -> Option<&'static str> {
    match field {
        _ if NAMES.contains(&field) => Some("At::Name"),
        _ if (message, field) == LINK => Some("At::LinkUrl"),
        _ => None,
    }
}

/// Strings that by their name could be a namespace's, and are neither listed nor an id.
fn unknown(messages: &Messages<'_>, name: &str) -> Vec<String> {
    let strings = messages.get(name).field.iter().filter(|f| f.r#type() == Type::String);
    strings
        .filter(|field| {
            let field = field.name();
            field.contains("namespace") && !field.ends_with("_id") && leaf(name, field).is_none()
        })
        .map(|field| {
            format!("{name}.{}: is it a namespace's name? say so in build/names.rs", field.name())
        })
        .collect()
}
