//! Repeated messages that are one where they have the same id.

use panko_routing::wire::Error;
use panko_routing::wire::fields::{Field, Value, fields, put_bytes};

use super::merge;
use super::rules::{Paths, Rules};

/// The rows of all messages, in the order in which their ids first come. `common`: only those that are in
/// all messages.
pub(super) fn union(
    number: u32,
    of_each: &[Vec<&Field<'_>>],
    id: Paths,
    rules: Rules,
    common: bool,
    merged: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut rows: Vec<(Vec<u8>, Vec<&[u8]>)> = Vec::new();
    for field in of_each.iter().flatten() {
        let Value::Bytes(row) = field.value else { continue };
        let own = id_of(row, id)?;
        match rows.iter_mut().find(|(id, _)| *id == own) {
            Some((_, same)) => same.push(row),
            None => rows.push((own, vec![row])),
        }
    }
    for (_, same) in rows {
        if !common || same.len() == of_each.len() {
            put_bytes(merged, number, &merge(&same, rules)?);
        }
    }
    Ok(())
}

/// What makes a row's id: the fields at these paths as they lie in it.
pub fn id_of(row: &[u8], paths: Paths) -> Result<Vec<u8>, Error> {
    let mut id = Vec::new();
    for path in paths {
        collect(row, path, &mut id)?;
    }
    Ok(id)
}

fn collect(message: &[u8], path: &[u32], id: &mut Vec<u8>) -> Result<(), Error> {
    let Some((&number, below)) = path.split_first() else { return Ok(()) };
    for field in fields(message) {
        let field = field?;
        match field.value {
            Value::Bytes(inner) if field.number == number && !below.is_empty() => {
                collect(inner, below, id)?;
            }
            _ if field.number == number => id.extend_from_slice(field.raw),
            _ => {}
        }
    }
    Ok(())
}
