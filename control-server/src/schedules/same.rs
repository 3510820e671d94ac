//! Whether two messages say the same, whatever the order of their fields: servers write maps in no order.

use panko_routing::wire::fields::{Value, fields, put_bytes};

/// How deep messages are compared field by field; below that by their bytes.
const DEPTH: usize = 24;

/// Whether two messages have the same fields with the same values. Two that differ only in the order of a list's
/// items count as the same.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    one == other || ordered(one, DEPTH) == ordered(other, DEPTH)
}

/// The message with its fields in an order of their own, and so on inside. What is no message stays as it is.
fn ordered(message: &[u8], depth: usize) -> Vec<u8> {
    if depth == 0 {
        return message.to_vec();
    }
    let Ok(all) = fields(message).collect::<Result<Vec<_>, _>>() else { return message.to_vec() };
    let field = |field: &panko_routing::wire::fields::Field<'_>| match field.value {
        Value::Bytes(bytes) => {
            let mut edited = Vec::with_capacity(field.raw.len());
            put_bytes(&mut edited, field.number, &ordered(bytes, depth - 1));
            edited
        }
        Value::Varint(_) | Value::Fixed(_) => field.raw.to_vec(),
    };
    let mut all: Vec<_> = all.iter().map(field).collect();
    all.sort_unstable();
    all.concat()
}

#[cfg(test)]
mod tests {
    use panko_routing::wire::fields::put_uint;

    use super::*;

    fn map(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut map = Vec::new();
        for (key, value) in entries {
            let mut entry = Vec::new();
            put_bytes(&mut entry, 1, key.as_bytes());
            put_bytes(&mut entry, 2, value.as_bytes());
            put_bytes(&mut map, 1, &entry);
        }
        let mut message = Vec::new();
        put_bytes(&mut message, 3, &map);
        message
    }

    #[test]
    fn a_map_in_another_order_is_the_same_and_one_that_lacks_an_entry_is_not() {
        let one = map(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert!(same(&one, &map(&[("c", "3"), ("a", "1"), ("b", "2")])));
        assert!(!same(&one, &map(&[("a", "1"), ("b", "2")])));
        assert!(!same(&one, &map(&[("a", "1"), ("b", "2"), ("c", "4")])));
    }

    #[test]
    fn a_field_that_one_does_not_have_is_a_difference() {
        let mut more = map(&[("a", "1")]);
        put_uint(&mut more, 99, 1);
        assert!(!same(&more, &map(&[("a", "1")])));
    }
}
