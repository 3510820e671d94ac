//! A page token of ours: how far each member has been read.
//!
//! Its bytes come back from the caller, who may have changed them: whatever is not a token of this very
//! list is refused.

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, put_bytes, put_uint};
use xxhash_rust::xxh64::xxh64;

use super::gather::RowKey;

/// The first byte: the form of what follows.
const VERSION: u8 = 1;

/// The longest token that is read or written, in bytes. Servers' own have some hundred.
pub(super) const LONGEST: usize = 64 * 1024;

/// How far one member has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    /// Up to within the page that this token of the member's gets (empty: its first).
    In {
        /// The member's token.
        token: Bytes,
        /// The last row that has been given out of that page, if any.
        after: Option<RowKey>,
    },
    /// To its end.
    Done,
    /// It was down: its rows are in no page of this listing.
    Skipped,
}

impl Position {
    /// Before the first row.
    pub(super) fn start() -> Self {
        Self::In { token: Bytes::new(), after: None }
    }
}

/// Why bytes are no token of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    /// They are none of ours, or were changed.
    #[error("the page token is not one that Panko gave out; begin again without a token")]
    Damaged,
    /// It belongs to another list.
    #[error("the page token is of another call; repeat the call that gave it, with the same query")]
    OtherList,
    /// It has another number of members.
    #[error(
        "the namespace's members have changed since the page token was given out; begin again without a token"
    )]
    OtherMembers,
}

impl From<Error> for Invalid {
    fn from(_: Error) -> Self {
        Self::Damaged
    }
}

/// Writes a token. `list` is a number for the list, `members` one for each member, in the order of
/// `positions`.
pub(super) fn write(list: u64, members: &[u64], positions: &[Position]) -> Bytes {
    let mut body = Vec::new();
    put_uint(&mut body, 1, list);
    for (member, position) in members.iter().zip(positions) {
        let mut entry = Vec::new();
        put_uint(&mut entry, 1, *member);
        match position {
            Position::In { token, after } => {
                put_bytes(&mut entry, 2, token);
                if let Some(key) = after {
                    put_bytes(&mut entry, 3, &write_key(key));
                }
            }
            Position::Done => put_uint(&mut entry, 4, 1),
            Position::Skipped => put_uint(&mut entry, 5, 1),
        }
        put_bytes(&mut body, 2, &entry);
    }
    let mut token = vec![VERSION];
    token.extend_from_slice(&xxh64(&body, u64::from(VERSION)).to_le_bytes());
    token.extend_from_slice(&body);
    token.into()
}

/// Reads a token of `list`. The positions come in the order of `members`.
pub(super) fn read(token: &[u8], list: u64, members: &[u64]) -> Result<Vec<Position>, Invalid> {
    let body = checked(token).ok_or(Invalid::Damaged)?;
    let (mut of, mut positions) = (None, vec![None; members.len()]);
    let mut count = 0;
    for field in fields(body) {
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Varint(list)) => of = Some(list),
            (2, Value::Bytes(entry)) => {
                let (member, position) = read_entry(entry)?;
                let at = members.iter().position(|m| *m == member).ok_or(Invalid::OtherMembers)?;
                if let Some(slot) = positions.get_mut(at) {
                    *slot = Some(position);
                }
                count += 1;
            }
            _ => return Err(Invalid::Damaged),
        }
    }
    if of != Some(list) {
        return Err(Invalid::OtherList);
    }
    let positions: Option<Vec<_>> = positions.into_iter().collect();
    positions.filter(|all| all.len() == count).ok_or(Invalid::OtherMembers)
}

/// Writes the token of a list that goes by ids alone: what comes after `id`.
pub(super) fn write_after(list: u64, id: Vec<u8>) -> Bytes {
    write(list, &[0], &[Position::In { token: id.into(), after: None }])
}

/// Reads such a token. None before the first page.
pub(super) fn read_after(token: &[u8], list: u64) -> Result<Option<Bytes>, Invalid> {
    if token.is_empty() {
        return Ok(None);
    }
    match read(token, list, &[0])?.pop() {
        Some(Position::In { token, after: None }) => Ok(Some(token)),
        _ => Err(Invalid::Damaged),
    }
}

/// The token without version and checksum, if both are right.
fn checked(token: &[u8]) -> Option<&[u8]> {
    let (version, rest) = token.split_first()?;
    let (sum, body) = rest.split_first_chunk::<8>()?;
    let right = *version == VERSION
        && token.len() <= LONGEST
        && u64::from_le_bytes(*sum) == xxh64(body, u64::from(VERSION));
    right.then_some(body)
}

fn read_entry(entry: &[u8]) -> Result<(u64, Position), Invalid> {
    let (mut member, mut token, mut after, mut end) = (None, None, None, None);
    for field in fields(entry) {
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Varint(id)) => member = Some(id),
            (2, Value::Bytes(bytes)) => token = Some(Bytes::copy_from_slice(bytes)),
            (3, Value::Bytes(key)) => after = Some(read_key(key)?),
            (4, Value::Varint(1)) => end = Some(Position::Done),
            (5, Value::Varint(1)) => end = Some(Position::Skipped),
            _ => return Err(Invalid::Damaged),
        }
    }
    let position = match (token, end) {
        (Some(token), None) => Position::In { token, after },
        (None, Some(end)) if after.is_none() => end,
        _ => return Err(Invalid::Damaged),
    };
    Ok((member.ok_or(Invalid::Damaged)?, position))
}

fn write_key(key: &RowKey) -> Vec<u8> {
    let mut written = Vec::new();
    if let Some(closed) = key.closed {
        put_bytes(&mut written, 1, &closed.to_le_bytes());
    }
    put_bytes(&mut written, 2, &key.started.to_le_bytes());
    put_bytes(&mut written, 3, &key.id);
    written
}

fn read_key(written: &[u8]) -> Result<RowKey, Invalid> {
    let (mut closed, mut started, mut id) = (None, None, None);
    let time =
        |bytes: &[u8]| bytes.try_into().map(i128::from_le_bytes).map_err(|_| Invalid::Damaged);
    for field in fields(written) {
        let field = field?;
        match (field.number, field.value) {
            (1, Value::Bytes(bytes)) => closed = Some(time(bytes)?),
            (2, Value::Bytes(bytes)) => started = Some(time(bytes)?),
            (3, Value::Bytes(bytes)) => id = Some(Bytes::copy_from_slice(bytes)),
            _ => return Err(Invalid::Damaged),
        }
    }
    match (started, id) {
        (Some(started), Some(id)) => Ok(RowKey { closed, started, id }),
        _ => Err(Invalid::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position() -> impl Strategy<Value = Position> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
        let key = (any::<Option<i128>>(), any::<i128>(), bytes())
            .prop_map(|(closed, started, id)| RowKey { closed, started, id });
        prop_oneof![
            (bytes(), proptest::option::of(key))
                .prop_map(|(token, after)| Position::In { token, after }),
            Just(Position::Done),
            Just(Position::Skipped),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(list: u64, positions in proptest::collection::vec(position(), 1..9)) {
            let members: Vec<u64> = (0..positions.len() as u64).map(|n| n * 77).collect();
            let token = write(list, &members, &positions);
            prop_assert_eq!(read(&token, list, &members), Ok(positions));
            prop_assert_eq!(read(&token, !list, &members), Err(Invalid::OtherList));
            let mut more = members.clone();
            more.push(1);
            prop_assert_eq!(read(&token, list, &more), Err(Invalid::OtherMembers));
        }

        #[test]
        fn a_token_with_any_other_byte_is_refused(
            positions in proptest::collection::vec(position(), 1..4), at: prop::sample::Index, flip in 1u8..,
        ) {
            let members: Vec<u64> = (0..positions.len() as u64).collect();
            let mut token = write(7, &members, &positions).to_vec();
            let at = at.index(token.len());
            token[at] ^= flip;
            prop_assert!(read(&token, 7, &members).is_err());
        }
    }

    /// Fuzzing, for a fixed number of inputs: no bytes panic, also behind a checksum that is right.
    #[test]
    fn no_bytes_are_too_strange() {
        bolero::check!().with_iterations(20_000).for_each(|body: &[u8]| {
            let mut token = vec![VERSION];
            token.extend_from_slice(&xxh64(body, u64::from(VERSION)).to_le_bytes());
            token.extend_from_slice(body);
            for bytes in [body, &token] {
                if let Ok(positions) = read(bytes, 7, &[1, 2]) {
                    let again = write(7, &[1, 2], &positions);
                    assert_eq!(read(&again, 7, &[1, 2]), Ok(positions));
                }
            }
        });
    }
}
