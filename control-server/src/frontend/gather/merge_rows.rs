//! The members' rows as one list.

use bytes::Bytes;
use futures_util::future::join_all;
use tonic::Status;

use super::pages::{Pages, Source};

/// The next `size` rows of all members together, in the order of their keys; fewer at the end.
///
/// `missing` is told of a member that fails, and decides: `Ok` goes on without it. Of rows with equal keys
/// the first member's comes first.
pub(super) async fn in_order<S: Source>(
    members: &mut [Pages<S>],
    size: usize,
    mut missing: impl FnMut(usize, Status) -> Result<(), Status>,
) -> Result<Vec<Bytes>, Status> {
    let mut rows = Vec::new();
    let filled = join_all(members.iter_mut().map(|member| member.fill(size))).await;
    for (index, (member, result)) in members.iter_mut().zip(filled).enumerate() {
        if let Err(status) = result {
            missing(index, status)?;
            member.skip();
        }
    }
    while rows.len() < size {
        let first = members
            .iter()
            .enumerate()
            .filter_map(|(index, member)| Some((member.head()?, index)))
            .min()
            .map(|(_, index)| index);
        let Some((index, member)) = first.and_then(|at| Some((at, members.get_mut(at)?))) else {
            break;
        };
        rows.extend(member.take());
        if rows.len() < size
            && let Err(status) = member.fill(size).await
        {
            missing(index, status)?;
            member.skip();
        }
    }
    Ok(rows)
}

/// The next `size` rows, of one member after the other, each in its own order; fewer at the end.
///
/// No more is fetched of a member than is given out, so that nothing is looked for in a page again.
pub(super) async fn in_turn<S: Source>(
    members: &mut [Pages<S>],
    size: usize,
    mut missing: impl FnMut(usize, Status) -> Result<(), Status>,
) -> Result<Vec<Bytes>, Status> {
    let mut rows = Vec::new();
    for (index, member) in members.iter_mut().enumerate() {
        while rows.len() < size {
            if let Err(status) = member.fill(size - rows.len()).await {
                missing(index, status)?;
                member.skip();
            }
            match member.take() {
                Some(row) => rows.push(row),
                None => break,
            }
        }
    }
    Ok(rows)
}

/// A number for what a token belongs to.
pub(in super::super) fn number_of(parts: &[&[u8]]) -> u64 {
    let mut hash = xxhash_rust::xxh64::Xxh64::new(0);
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.digest()
}
