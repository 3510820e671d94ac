//! Several messages of one type as one, field by field, on the wire.
//!
//! Each type has [`Rules`]; what they do not name is the first message's that has it, so fields that are
//! newer than Panko come through.
//!
//! * [`rules`] — what may become of a field.
//! * [`values`] — sums, times, preferences.
//! * [`rows`] — repeated messages that are one where they have the same id.

pub mod rows;
pub mod rules;
mod values;

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Field, fields, put_bytes};

pub use rules::{Rule, Rules};

/// Merges messages in the order in which they are given. One message comes back as it is.
pub fn merge(messages: &[&[u8]], rules: Rules) -> Result<Vec<u8>, Error> {
    let parsed = messages
        .iter()
        .map(|message| fields(message).collect::<Result<Vec<_>, _>>())
        .collect::<Result<Vec<_>, _>>()?;
    let mut merged = Vec::new();
    for number in numbers(&parsed) {
        // Of each message its occurrences of this field.
        let of_each: Vec<Vec<&Field<'_>>> = parsed
            .iter()
            .map(|message| message.iter().filter(|field| field.number == number).collect())
            .collect();
        let rule = rules.iter().find(|(n, _)| *n == number).map_or(Rule::First, |(_, rule)| *rule);
        apply(rule, number, &of_each, &mut merged)?;
    }
    Ok(merged)
}

/// Like [`merge`], of whole answers.
pub fn answers(answers: &[Bytes], rules: Rules) -> Result<Bytes, Error> {
    match answers {
        [one] => Ok(one.clone()),
        all => {
            let all: Vec<_> = all.iter().map(AsRef::as_ref).collect();
            Ok(merge(&all, rules)?.into())
        }
    }
}

/// The numbers of all fields that are there, in the order in which they first come.
fn numbers(messages: &[Vec<Field<'_>>]) -> Vec<u32> {
    let mut numbers = Vec::new();
    for field in messages.iter().flatten() {
        if !numbers.contains(&field.number) {
            numbers.push(field.number);
        }
    }
    numbers
}

fn apply(
    rule: Rule,
    number: u32,
    of_each: &[Vec<&Field<'_>>],
    merged: &mut Vec<u8>,
) -> Result<(), Error> {
    match rule {
        Rule::First => {
            let first = of_each.iter().find(|fields| !fields.is_empty());
            first.into_iter().flatten().for_each(|field| merged.extend_from_slice(field.raw));
        }
        Rule::Message(rules) => {
            // In one message, a field that comes twice is one message in two parts.
            let whole: Vec<Vec<u8>> =
                of_each.iter().filter(|f| !f.is_empty()).map(|f| values::concat(f)).collect();
            let parts: Vec<_> = whole.iter().map(Vec::as_slice).collect();
            put_bytes(merged, number, &merge(&parts, rules)?);
        }
        Rule::Rows { id, rules } => rows::union(number, of_each, id, rules, false, merged)?,
        Rule::CommonRows { id, rules } => rows::union(number, of_each, id, rules, true, merged)?,
        _ => values::apply(rule, number, of_each, merged),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use panko_routing::wire::fields::put_uint;

    use super::*;

    fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
        let mut message = Vec::new();
        fields.iter().for_each(|(number, bytes)| put_bytes(&mut message, *number, bytes));
        message
    }

    fn numbers(fields: &[(u32, u64)]) -> Vec<u8> {
        let mut message = Vec::new();
        fields.iter().for_each(|&(number, value)| put_uint(&mut message, number, value));
        message
    }

    #[test]
    fn what_no_rule_names_is_the_first_ones_that_has_it() {
        let (a, b) = (message(&[(1, b"a"), (1, b"again")]), message(&[(1, b"b"), (9, b"new")]));
        let merged = merge(&[&a, &b], &[]).unwrap();
        assert_eq!(merged, message(&[(1, b"a"), (1, b"again"), (9, b"new")]));
    }

    #[test]
    fn numbers_add_up_or_the_greatest_counts() {
        let rules: Rules = &[(1, Rule::Add), (2, Rule::Greatest), (3, Rule::Preferred(&[1, 3, 2]))];
        let (a, b) = (numbers(&[(1, 3), (2, 7), (3, 2)]), numbers(&[(1, 4), (2, 5), (3, 3)]));
        assert_eq!(merge(&[&a, &b], rules).unwrap(), numbers(&[(1, 7), (2, 7), (3, 3)]));
    }

    #[test]
    fn rows_with_the_same_id_are_one() {
        const ROW: Rules = &[(2, Rule::Add)];
        let rules: Rules = &[(5, Rule::Rows { id: &[&[1]], rules: ROW })];
        let row = |id: &[u8], count| [message(&[(1, id)]), numbers(&[(2, count)])].concat();
        let a = message(&[(5, &row(b"x", 1)), (5, &row(b"y", 2))]);
        let b = message(&[(5, &row(b"y", 3)), (5, &row(b"z", 4))]);
        let all = message(&[(5, &row(b"x", 1)), (5, &row(b"y", 5)), (5, &row(b"z", 4))]);
        assert_eq!(merge(&[&a, &b], rules).unwrap(), all);
        let common: Rules = &[(5, Rule::CommonRows { id: &[&[1]], rules: ROW })];
        assert_eq!(merge(&[&a, &b], common).unwrap(), message(&[(5, &row(b"y", 5))]));
        assert_eq!(merge(&[&a, b""], common).unwrap(), b"");
    }

    #[test]
    fn times_are_the_first_the_last_or_the_last_when_all_have_one() {
        let time = |seconds| numbers(&[(1, seconds), (2, 5)]);
        let (a, b) = (message(&[(1, &time(10))]), message(&[(1, &time(9))]));
        assert_eq!(merge(&[&a, &b], &[(1, Rule::Earliest)]).unwrap(), b);
        assert_eq!(merge(&[&b, &a], &[(1, Rule::Latest)]).unwrap(), a);
        assert_eq!(merge(&[&b, &a], &[(1, Rule::LatestOfAll)]).unwrap(), a);
        assert_eq!(merge(&[&b, b"", &a], &[(1, Rule::LatestOfAll)]).unwrap(), b"");
    }

    #[test]
    fn numbers_that_differ_come_once_packed_or_not() {
        let (packed, single) = (message(&[(1, &[1, 2, 0x80, 1])]), numbers(&[(1, 2), (1, 3)]));
        let merged = merge(&[&packed, &single], &[(1, Rule::DistinctNumbers)]).unwrap();
        assert_eq!(merged, numbers(&[(1, 1), (1, 2), (1, 128), (1, 3)]));
    }

    #[test]
    fn floats_add_up() {
        let float = |value: f32| {
            let mut message = vec![1 << 3 | 5];
            message.extend_from_slice(&value.to_le_bytes());
            message
        };
        let merged = merge(&[&float(1.5), &float(2.0), b""], &[(1, Rule::Add)]).unwrap();
        assert_eq!(merged, float(3.5));
    }
}
