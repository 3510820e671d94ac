//! When an answer may lack a member's part, and how that is said.

use bytes::Bytes;
use tonic::{Code, Status};

use super::super::fan_out::{Said, is_missing, refused_alike, told_by};
use super::super::reply::Missing;
use crate::config::MissingMember;
use crate::topology::{Member, VirtualNamespace};

/// The answers of the members that gave one.
#[derive(Debug)]
pub(super) struct Answers<'a> {
    /// In the members' order, each with its position.
    pub there: Vec<(usize, &'a Member, Bytes)>,
    /// Who gave none.
    pub missing: Vec<Missing>,
}

impl<'a> Answers<'a> {
    /// Sorts out what the members said. One that is down or slow is missing; what one refuses is the
    /// answer to the whole.
    ///
    /// Fails with a member's refusal, when all are missing, and when one is and the namespace says
    /// `missing_member: error`.
    pub(super) fn of(namespace: &VirtualNamespace, said: Vec<Said<'a>>) -> Result<Self, Status> {
        if let Some(status) = refused_alike(said.iter().map(|said| &said.result)) {
            return Err(status);
        }
        let mut answers = Self { there: Vec::new(), missing: Vec::new() };
        let mut down = no_member();
        for Said { index, member, result } in said {
            match result {
                Ok(body) => answers.there.push((index, member, body)),
                Err(status) if is_missing(&status) => {
                    down = told_by(member, &status);
                    let (cluster, why) = (member.name.clone(), status.message().into());
                    answers.missing.push(Missing { cluster, why });
                }
                Err(status) => return Err(told_by(member, &status)),
            }
        }
        if answers.there.is_empty() {
            return Err(down);
        }
        check(namespace, &answers.missing)?;
        Ok(answers)
    }

    /// Like [`Answers::of`], of something that some members may not have: their NOT_FOUND counts only when
    /// nobody has it.
    ///
    /// Fails with UNAVAILABLE when nobody has it and a member did not answer, which may have it.
    pub(super) fn of_found(
        namespace: &VirtualNamespace,
        said: Vec<Said<'a>>,
    ) -> Result<Self, Status> {
        let not_found =
            |said: &Said<'_>| matches!(&said.result, Err(s) if s.code() == Code::NotFound);
        if !said.iter().any(|said| said.result.is_ok()) {
            let silent = said.iter().find_map(|said| match &said.result {
                Err(status) if !not_found(said) => Some(told_by(said.member, status)),
                _ => None,
            });
            let nobody = || said.iter().find_map(|said| said.result.as_ref().err().cloned());
            return Err(silent.or_else(nobody).unwrap_or_else(no_member));
        }
        Self::of(namespace, said.into_iter().filter(|said| !not_found(said)).collect())
    }
}

fn no_member() -> Status {
    Status::unavailable("the namespace has no member; add one in panko.yaml")
}

/// Whether an answer without these may be given: not when all are missing, nor where the namespace
/// says `missing_member: error`.
pub(super) fn check(namespace: &VirtualNamespace, missing: &[Missing]) -> Result<(), Status> {
    if missing.is_empty() {
        return Ok(());
    }
    let all = missing.len() == namespace.members.len();
    if all || namespace.missing_member == MissingMember::Error {
        let told: Vec<_> = missing.iter().map(Missing::to_string).collect();
        return Err(Status::unavailable(told.join("; ")));
    }
    tracing::warn!(namespace = %namespace.name, ?missing, "an answer is partial");
    Ok(())
}
