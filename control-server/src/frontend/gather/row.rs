//! A row of a list: where it stands in the order, and which one it is.

use std::cmp::{Ordering, Reverse};

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, first_at, last_bytes};

use crate::timestamp;

/// Where a list's rows have what orders them. A path leads from the row down.
///
/// A list whose rows do not show it has empty paths for the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowFields {
    /// A `google.protobuf.Timestamp`: when it closed. Not there as long as it is open.
    pub closed: &'static [u32],
    /// A `google.protobuf.Timestamp`: when it started.
    pub started: &'static [u32],
    /// The run id, or what else no other row of the member has.
    pub id: &'static [u32],
}

/// A row's place in the order that visibility stores give their rows: open ones first, then by close time,
/// the latest first; by start time, the latest first; by run id
/// (`common/persistence/visibility/store/sql`: `coalesce(close_time, …) DESC, start_time DESC, run_id`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct RowKey {
    /// When it closed, in nanoseconds since 1970; `None` while it is open.
    pub closed: Option<i128>,
    /// When it started, likewise.
    pub started: i128,
    /// The run id.
    pub id: Bytes,
}

impl RowFields {
    /// Whether the rows show their order.
    pub(super) fn ordered(&self) -> bool {
        !self.started.is_empty()
    }
}

impl Ord for RowKey {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |key: &Self| (key.closed.is_some(), Reverse(key.closed), Reverse(key.started));
        place(self).cmp(&place(other)).then_with(|| self.id.cmp(&other.id))
    }
}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl RowKey {
    /// Reads it off a row.
    pub(super) fn of(row: &[u8], at: &RowFields) -> Result<Self, Error> {
        let time = |path: &[u32]| match path {
            [] => Ok(None),
            path => first_at(row, path)?.map(timestamp::nanos).transpose(),
        };
        Ok(Self {
            closed: time(at.closed)?,
            started: time(at.started)?.unwrap_or(0),
            id: Bytes::copy_from_slice(first_at(row, at.id)?.unwrap_or_default()),
        })
    }
}

/// The rows of an answer, and the token of the page that follows it (empty: there is none).
pub(super) fn read_page(
    answer: &Bytes,
    rows: u32,
    token: u32,
) -> Result<(Vec<Bytes>, Bytes), Error> {
    let mut found = Vec::new();
    for field in fields(answer) {
        let field = field?;
        match field.value {
            Value::Bytes(row) if field.number == rows => found.push(answer.slice_ref(row)),
            _ => {}
        }
    }
    Ok((found, answer.slice_ref(last_bytes(answer, token)?)))
}

#[cfg(test)]
mod tests {
    use panko_routing::wire::fields::{put_bytes, put_uint};

    use super::*;

    const AT: RowFields = RowFields { closed: &[4], started: &[3], id: &[1, 2] };

    fn key(closed: Option<u64>, started: u64, id: &str) -> RowKey {
        let time = |seconds| {
            let mut time = Vec::new();
            put_uint(&mut time, 1, seconds);
            put_uint(&mut time, 2, 5);
            time
        };
        let (mut row, mut execution) = (Vec::new(), Vec::new());
        put_bytes(&mut execution, 2, id.as_bytes());
        put_bytes(&mut row, 1, &execution);
        put_bytes(&mut row, 3, &time(started));
        if let Some(closed) = closed {
            put_bytes(&mut row, 4, &time(closed));
        }
        RowKey::of(&row, &AT).unwrap()
    }

    #[test]
    fn open_comes_first_then_the_latest() {
        let in_order = [
            key(None, 9, "b"),
            key(None, 8, "a"),
            key(None, 8, "c"),
            key(Some(20), 1, "z"),
            key(Some(10), 7, "x"),
            key(Some(10), 6, "a"),
            key(Some(10), 6, "b"),
        ];
        assert!(in_order.is_sorted());
        assert_eq!(in_order[0].started, 9_000_000_005);
    }
}
