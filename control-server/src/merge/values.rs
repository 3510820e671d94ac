//! Fields that are one value: sums, times, preferences.

use panko_routing::wire::fields::{Field, Value, put_bytes, put_uint, put_varint};

use super::rules::Rule;
use crate::timestamp::nanos;

/// Applies a rule for single values to the last occurrence in each message (the one that counts).
pub(super) fn apply(rule: Rule, number: u32, of_each: &[Vec<&Field<'_>>], merged: &mut Vec<u8>) {
    let last = || of_each.iter().filter_map(|fields| fields.last().copied());
    match rule {
        Rule::Add => add(number, last(), merged),
        Rule::Greatest => {
            if let Some(greatest) = integers(last()).max() {
                put_uint(merged, number, greatest);
            }
        }
        Rule::Preferred(order) => {
            let place = |value: &u64| order.iter().position(|v| v == value).unwrap_or(order.len());
            if let Some(preferred) = integers(last()).min_by_key(place) {
                put_uint(merged, number, preferred);
            }
        }
        Rule::Earliest => put_time(number, times(last()).min_by_key(|(at, _)| *at), merged),
        Rule::Latest => put_time(number, times(last()).max_by_key(|(at, _)| *at), merged),
        Rule::LatestOfAll => {
            if last().count() == of_each.len() {
                put_time(number, times(last()).max_by_key(|(at, _)| *at), merged);
            }
        }
        Rule::DistinctNumbers => distinct_numbers(number, of_each.iter().flatten(), merged),
        Rule::Distinct => distinct(of_each.iter().flatten().copied(), merged),
        // These are not for single values.
        Rule::First | Rule::Message(_) | Rule::Rows { .. } | Rule::CommonRows { .. } => {}
    }
}

/// All occurrences of a message field, as one message.
pub(super) fn concat(fields: &[&Field<'_>]) -> Vec<u8> {
    let mut whole = Vec::new();
    for field in fields {
        if let Value::Bytes(bytes) = field.value {
            whole.extend_from_slice(bytes);
        }
    }
    whole
}

fn integers<'a>(fields: impl Iterator<Item = &'a Field<'a>>) -> impl Iterator<Item = u64> {
    fields.filter_map(|field| match field.value {
        Value::Varint(value) => Some(value),
        _ => None,
    })
}

/// Times that can be read, in nanoseconds, with their bytes. A `Duration` has the same fields as a
/// `Timestamp`.
fn times<'a>(
    fields: impl Iterator<Item = &'a Field<'a>>,
) -> impl Iterator<Item = (i128, &'a [u8])> {
    fields.filter_map(|field| match field.value {
        Value::Bytes(time) => Some((nanos(time).ok()?, time)),
        _ => None,
    })
}

fn put_time(number: u32, time: Option<(i128, &[u8])>, merged: &mut Vec<u8>) {
    if let Some((_, time)) = time {
        put_bytes(merged, number, time);
    }
}

fn add<'a>(number: u32, fields: impl Iterator<Item = &'a Field<'a>>, merged: &mut Vec<u8>) {
    let (mut integer, mut float, mut double) = (None, None, None);
    for field in fields {
        match field.value {
            Value::Varint(value) => integer = Some(integer.unwrap_or(0u64).wrapping_add(value)),
            Value::Fixed(bytes) => {
                if let Ok(bytes) = bytes.try_into() {
                    float = Some(float.unwrap_or(0.0) + f32::from_le_bytes(bytes));
                } else if let Ok(bytes) = bytes.try_into() {
                    double = Some(double.unwrap_or(0.0) + f64::from_le_bytes(bytes));
                }
            }
            Value::Bytes(_) => {}
        }
    }
    if let Some(sum) = integer {
        put_uint(merged, number, sum);
    }
    if let Some(sum) = float {
        put_varint(merged, u64::from(number) << 3 | 5);
        merged.extend_from_slice(&f32::to_le_bytes(sum));
    }
    if let Some(sum) = double {
        put_varint(merged, u64::from(number) << 3 | 1);
        merged.extend_from_slice(&f64::to_le_bytes(sum));
    }
}

/// Packed numbers are a message of varints without tags.
fn distinct_numbers<'a>(
    number: u32,
    fields: impl Iterator<Item = &'a &'a Field<'a>>,
    merged: &mut Vec<u8>,
) {
    let mut seen = Vec::new();
    for field in fields {
        let values = match field.value {
            Value::Varint(value) => vec![value],
            Value::Bytes(packed) => varints(packed),
            Value::Fixed(_) => continue,
        };
        for value in values {
            if !seen.contains(&value) {
                seen.push(value);
                put_uint(merged, number, value);
            }
        }
    }
}

fn varints(packed: &[u8]) -> Vec<u64> {
    let (mut all, mut value, mut shift) = (Vec::new(), 0u64, 0);
    for byte in packed {
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte & 0x80 == 0 {
            all.push(value);
            (value, shift) = (0, 0);
        }
    }
    all
}

fn distinct<'a>(fields: impl Iterator<Item = &'a Field<'a>>, merged: &mut Vec<u8>) {
    let mut seen = Vec::new();
    for field in fields {
        if !seen.contains(&field.raw) {
            seen.push(field.raw);
            merged.extend_from_slice(field.raw);
        }
    }
}
