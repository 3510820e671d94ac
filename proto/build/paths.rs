//! Field paths such as `execution.workflow_id`, resolved to field numbers by the descriptors.

use std::collections::HashMap;

use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

/// What a path has to lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Leaf {
    String,
    Bytes,
}

/// All messages of the descriptors by their full name (with the leading dot of `type_name`).
pub struct Messages<'a>(HashMap<String, &'a DescriptorProto>);

impl<'a> Messages<'a> {
    pub fn of(set: &'a FileDescriptorSet) -> Self {
        let mut all = HashMap::new();
        for file in &set.file {
            for message in &file.message_type {
                insert(&mut all, &format!(".{}", file.package()), message);
            }
        }
        Self(all)
    }

    /// The message of this name, which a field's `type_name` gave.
    pub fn get(&self, name: &str) -> &'a DescriptorProto {
        self.0.get(name).unwrap_or_else(|| panic!("the descriptors have no {name}"))
    }

    /// The field numbers of `path` within the message `root`, in order.
    pub fn resolve(&self, root: &str, path: &str, leaf: Leaf) -> Result<Vec<i32>, String> {
        let mut message = root.to_owned();
        let mut numbers = Vec::new();
        let mut last = None;
        for name in path.split('.') {
            let descriptor =
                self.0.get(&message).ok_or_else(|| format!("{path}: {message} is no message"))?;
            let field = descriptor
                .field
                .iter()
                .find(|field| field.name() == name)
                .ok_or_else(|| format!("{path}: {message} has no field {name:?}"))?;
            numbers.push(field.number());
            message = field.type_name().to_owned();
            last = Some(field.r#type());
        }
        let expected = if leaf == Leaf::String { Type::String } else { Type::Bytes };
        if last == Some(expected) {
            Ok(numbers)
        } else {
            Err(format!("{path} is not {expected:?}"))
        }
    }
}

fn insert<'a>(
    all: &mut HashMap<String, &'a DescriptorProto>,
    scope: &str,
    message: &'a DescriptorProto,
) {
    let name = format!("{scope}.{}", message.name());
    for nested in &message.nested_type {
        insert(all, &name, nested);
    }
    all.insert(name, message);
}
