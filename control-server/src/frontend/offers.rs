//! What several members offer together: of every flag and limit, the least.

use panko_routing::wire::fields::{Field, Value, fields, put_bytes, put_uint};

/// The varint fields that all messages have, each with its smallest value.
///
/// For messages of flags (false is not on the wire, so a flag that one lacks is gone) and of limits.
/// It knows no field by name, so flags that are newer than Panko count too.
#[must_use]
pub fn least(messages: &[&[u8]]) -> Vec<u8> {
    let mut common: Option<Vec<(u32, u64)>> = None;
    for message in messages {
        let here: Vec<(u32, u64)> = fields(message)
            .flatten()
            .filter_map(|field| match field.value {
                Value::Varint(value) => Some((field.number, value)),
                _ => None,
            })
            .collect();
        common = Some(match common {
            None => here,
            Some(common) => common
                .into_iter()
                .filter_map(|(number, value)| {
                    let other = here.iter().rev().find(|(n, _)| *n == number)?.1;
                    Some((number, value.min(other)))
                })
                .collect(),
        });
    }
    let mut merged = Vec::new();
    for (number, value) in common.unwrap_or_default() {
        put_uint(&mut merged, number, value);
    }
    merged
}

/// `message` with its length-delimited field `number` replaced (or added at the end).
#[must_use]
pub fn with_bytes(message: &[u8], number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut edited = Vec::with_capacity(message.len() + bytes.len());
    for Field { number: n, raw, .. } in fields(message).flatten() {
        if n != number {
            edited.extend_from_slice(raw);
        }
    }
    put_bytes(&mut edited, number, bytes);
    edited
}

/// A message of flags without some of them.
#[must_use]
pub fn without(message: &[u8], numbers: &[u32]) -> Vec<u8> {
    let kept = fields(message).flatten().filter(|field| !numbers.contains(&field.number));
    kept.flat_map(|field| field.raw.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(numbers: &[(u32, u64)]) -> Vec<u8> {
        let mut message = Vec::new();
        numbers.iter().for_each(|&(number, value)| put_uint(&mut message, number, value));
        message
    }

    #[test]
    fn a_flag_that_one_member_lacks_is_not_offered() {
        let (a, b) = (flags(&[(1, 1), (2, 1), (9000, 1)]), flags(&[(2, 1), (3, 1), (9000, 1)]));
        assert_eq!(least(&[&a, &b]), flags(&[(2, 1), (9000, 1)]));
    }

    #[test]
    fn of_a_limit_the_strictest_counts() {
        let (a, b) = (flags(&[(1, 2_000_000), (2, 5)]), flags(&[(1, 1_000_000), (2, 7)]));
        assert_eq!(least(&[&a, &b]), flags(&[(1, 1_000_000), (2, 5)]));
    }

    #[test]
    fn replacing_a_field_keeps_the_others_byte_for_byte() {
        let mut message = flags(&[(1, 300)]);
        put_bytes(&mut message, 2, b"old");
        put_bytes(&mut message, 3, b"kept");
        let mut expected = flags(&[(1, 300)]);
        put_bytes(&mut expected, 3, b"kept");
        put_bytes(&mut expected, 2, b"new");
        assert_eq!(with_bytes(&message, 2, b"new"), expected);
    }
}
