//! Asks every member at once.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tonic::{Code, Status};

use super::Call;
use crate::cluster::Cluster;
use crate::topology::{Member, VirtualNamespace};

/// What one member said.
#[derive(Debug)]
pub(super) struct Said<'a> {
    /// Its position in the namespace's list.
    pub index: usize,
    /// Who said it.
    pub member: &'a Member,
    /// Its answer.
    pub result: Result<Bytes, Status>,
}

/// Makes the same kind of call to every member for which `body` gives a request. The answers come in
/// the members' order. One that is fenced is not asked: it is missing.
pub(super) async fn members<'a>(
    namespace: &'a VirtualNamespace,
    call: &Call,
    deadline: Duration,
    body: impl Fn(usize) -> Option<Bytes>,
) -> Vec<Said<'a>> {
    let asked = namespace.members.iter().enumerate().filter_map(|(index, member)| {
        let request = body(index)?;
        Some(async move {
            let result = member.ask(call.method, &call.caller, request, deadline).await;
            Said { index, member, result }
        })
    });
    join_all(asked).await
}

/// Whether a member could not be asked, or was too slow: nothing is known of what it has.
pub(crate) fn is_missing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
    )
}

/// What all members refuse in the same words: it is no one member's, and is told as one cluster tells it.
pub(super) fn refused_alike<'a>(
    results: impl IntoIterator<Item = &'a Result<Bytes, Status>>,
) -> Option<Status> {
    let mut results = results.into_iter();
    let first = results.next()?.as_ref().err().filter(|status| !is_missing(status))?;
    let alike = |result: &Result<Bytes, Status>| {
        let other = result.as_ref().err();
        other.is_some_and(|o| o.code() == first.code() && o.message() == first.message())
    };
    results.all(alike).then(|| first.clone())
}

/// A member's error, told as its own.
pub(super) fn told_by(member: &Member, status: &Status) -> Status {
    told(&member.name, status)
}

/// A cluster's error, told as its own.
pub(super) fn told_by_cluster(cluster: &Cluster, status: &Status) -> Status {
    told(cluster.name(), status)
}

fn told(by: &str, status: &Status) -> Status {
    let message = format!("cluster {by}: {}", status.message());
    Status::with_details(status.code(), message, status.details().to_vec().into())
}
