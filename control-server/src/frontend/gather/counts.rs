//! Counts, whole or in groups: sums over the members.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, put_bytes, put_uint};

/// `count` of every `Count…Response`, and `groups` of those that have some.
const COUNT: u32 = 1;
const GROUPS: u32 = 2;

/// `AggregationGroup`: `group_values` (repeated Payload), `count`.
const GROUP_VALUES: u32 = 1;
const GROUP_COUNT: u32 = 2;

/// One group's values as its member sent them, and how many there are.
struct Group {
    values: Vec<u8>,
    count: u64,
}

/// Adds up `Count…Response`s. Groups with equal values are one.
pub(super) fn sum(answers: &[Bytes]) -> Result<Bytes, Error> {
    let mut total = 0u64;
    // By what the values mean: the members' encoders write the same payload in different orders.
    let mut groups: BTreeMap<Vec<u8>, Group> = BTreeMap::new();
    for answer in answers {
        for field in fields(answer) {
            let field = field?;
            match (field.number, field.value) {
                (COUNT, Value::Varint(count)) => total = total.saturating_add(count),
                (GROUPS, Value::Bytes(group)) => {
                    let (meaning, group) = read_group(group)?;
                    match groups.entry(meaning) {
                        Entry::Vacant(entry) => {
                            entry.insert(group);
                        }
                        Entry::Occupied(mut entry) => entry.get_mut().count += group.count,
                    }
                }
                _ => {}
            }
        }
    }
    let mut merged = Vec::new();
    put_uint(&mut merged, COUNT, total);
    for Group { mut values, count } in groups.into_values() {
        put_uint(&mut values, GROUP_COUNT, count);
        put_bytes(&mut merged, GROUPS, &values);
    }
    Ok(merged.into())
}

/// What a group's values mean, and the group without its count.
fn read_group(group: &[u8]) -> Result<(Vec<u8>, Group), Error> {
    let (mut meaning, mut values, mut count) = (Vec::new(), Vec::new(), 0);
    for field in fields(group) {
        let field = field?;
        match (field.number, field.value) {
            (GROUP_VALUES, Value::Bytes(payload)) => {
                put_bytes(&mut meaning, GROUP_VALUES, &in_order(payload)?);
                values.extend_from_slice(field.raw);
            }
            (GROUP_COUNT, Value::Varint(n)) => count = n,
            _ => values.extend_from_slice(field.raw),
        }
    }
    Ok((meaning, Group { values, count }))
}

/// A `Payload`'s fields in order: its metadata is a map, which encoders write in any.
fn in_order(payload: &[u8]) -> Result<Vec<u8>, Error> {
    let mut raw = fields(payload).map(|field| Ok(field?.raw)).collect::<Result<Vec<_>, Error>>()?;
    raw.sort_unstable();
    Ok(raw.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(values: &[&[u8]], count: u64) -> Vec<u8> {
        let mut payload = Vec::new();
        for entry in values {
            put_bytes(&mut payload, 1, entry);
        }
        put_bytes(&mut payload, 2, b"data");
        let mut group = Vec::new();
        put_bytes(&mut group, GROUP_VALUES, &payload);
        put_uint(&mut group, GROUP_COUNT, count);
        group
    }

    fn answer(count: u64, groups: &[Vec<u8>]) -> Bytes {
        let mut answer = Vec::new();
        put_uint(&mut answer, COUNT, count);
        for group in groups {
            put_bytes(&mut answer, GROUPS, group);
        }
        answer.into()
    }

    #[test]
    fn counts_add_up() {
        assert_eq!(sum(&[answer(3, &[]), answer(4, &[]), Bytes::new()]), Ok(answer(7, &[])));
    }

    #[test]
    fn groups_of_equal_values_are_one_in_whatever_order_their_metadata_came() {
        let a = answer(5, &[group(&[b"x", b"y"], 2), group(&[b"x", b"z"], 3)]);
        let b = answer(4, &[group(&[b"y", b"x"], 4)]);
        let merged = sum(&[a, b]).unwrap();
        let counts: Vec<_> = fields(&merged)
            .flatten()
            .filter(|field| field.number == GROUPS)
            .map(|field| match field.value {
                Value::Bytes(group) => read_group(group).unwrap().1.count,
                _ => 0,
            })
            .collect();
        assert_eq!(counts, [6, 3]);
    }
}
