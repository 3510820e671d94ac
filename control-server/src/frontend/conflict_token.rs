//! Conflict tokens: one of ours that holds each member's.
//!
//! A caller gets one with an answer and shows it with a change, so that nobody's change is overwritten. Each
//! member checks its own.

use bytes::Bytes;
use panko_proto::rpc::Method;
use panko_routing::wire::Error;
use panko_routing::wire::fields::last_bytes;
use tonic::Status;

use super::gather::number_of;
use super::offers::{with_bytes, without};
use super::page_token::{self, Position};
use crate::topology::{Member, VirtualNamespace};

/// `conflict_token` of the requests and of the answers that have one.
const FIELDS: [(&str, Option<u32>, Option<u32>); 7] = [
    ("CreateWorkerDeployment", None, Some(1)),
    ("DescribeWorkerDeployment", None, Some(1)),
    ("SetWorkerDeploymentCurrentVersion", Some(4), Some(1)),
    ("SetWorkerDeploymentRampingVersion", Some(5), Some(1)),
    ("SetWorkerDeploymentManager", Some(5), Some(1)),
    ("GetWorkerVersioningRules", None, Some(3)),
    ("UpdateWorkerVersioningRules", Some(3), Some(3)),
];

fn in_request(method: &Method) -> Option<u32> {
    FIELDS.iter().find(|(name, ..)| *name == method.name)?.1
}

fn in_answer(method: &Method) -> Option<u32> {
    FIELDS.iter().find(|(name, ..)| *name == method.name)?.2
}

/// A number for all of these tokens, which are no page tokens.
fn kind() -> u64 {
    number_of(&[b"conflict token"])
}

/// The request for each member: as it came, with the member's own token in it.
///
/// Fails with FAILED_PRECONDITION, as servers do, when the token is not one of ours.
pub(super) fn split(
    method: &Method,
    namespace: &VirtualNamespace,
    body: &Bytes,
) -> Result<Vec<Bytes>, Status> {
    let as_it_came = || vec![body.clone(); namespace.members.len()];
    let Some(number) = in_request(method) else { return Ok(as_it_came()) };
    let token = last_bytes(body, number).unwrap_or_default();
    if token.is_empty() {
        return Ok(as_it_came());
    }
    let positions = page_token::read(token, kind(), &namespace.numbers()).map_err(|_| {
        Status::failed_precondition(
            "the conflict token is not one that Panko gave out for this namespace; describe what you change again, and show the new token",
        )
    })?;
    let own = |position| match position {
        Position::In { token, .. } => with_bytes(body, number, &token).into(),
        Position::Done | Position::Skipped => without(body, &[number]).into(),
    };
    Ok(positions.into_iter().map(own).collect())
}

/// The token for an answer that these members gave; empty when none of theirs has one.
pub(super) fn of_answers(
    method: &Method,
    namespace: &VirtualNamespace,
    answers: &[(usize, &Member, Bytes)],
) -> Result<Bytes, Error> {
    let Some(number) = in_answer(method) else { return Ok(Bytes::new()) };
    let mut positions = vec![Position::Skipped; namespace.members.len()];
    for (index, _, answer) in answers {
        let token = Bytes::copy_from_slice(last_bytes(answer, number)?);
        if let Some(position) = positions.get_mut(*index).filter(|_| !token.is_empty()) {
            *position = Position::In { token, after: None };
        }
    }
    if positions.iter().all(|position| *position == Position::Skipped) {
        return Ok(Bytes::new());
    }
    Ok(page_token::write(kind(), &namespace.numbers(), &positions))
}

/// An answer with this token in the place of a member's.
pub(super) fn put(method: &Method, answer: &[u8], token: &[u8]) -> Vec<u8> {
    match in_answer(method) {
        Some(number) if !token.is_empty() => with_bytes(answer, number, token),
        _ => answer.to_vec(),
    }
}
