//! Lists by visibility: workflows, activities, Nexus operations, schedules.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, last_bytes, put_bytes, put_uint};
use tonic::Status;

use super::super::fan_out::{is_missing, told_by};
use super::super::page_token::{self, Position};
use super::super::reply::{Missing, Reply};
use super::super::{Call, Frontend, malformed};
use super::merge_rows::{in_order, in_turn, number_of};
use super::pages::{Page, Pages, Source};
use super::partial;
use super::row::{RowFields, RowKey, read_page};
use crate::topology::Member;

/// `page_size` (or `maximum_page_size`) and `next_page_token` of every request of these.
const PAGE_SIZE: u32 = 2;
const PAGE_TOKEN: u32 = 3;

/// The rows and `next_page_token` of every answer of these.
const ROWS: u32 = 1;
const NEXT_PAGE_TOKEN: u32 = 2;

/// The most rows of a page, and what a caller gets who asks for none
/// (`frontend.visibilityMaxPageSize`).
const LARGEST_PAGE: usize = 1000;

/// `WorkflowExecutionInfo`: `execution.run_id`, `start_time`, `close_time`.
pub(super) const WORKFLOWS: RowFields = RowFields { closed: &[4], started: &[3], id: &[1, 2] };
/// `ActivityExecutionListInfo`: `run_id`, `schedule_time`, `close_time`.
pub(super) const ACTIVITIES: RowFields = RowFields { closed: &[5], started: &[4], id: &[2] };
/// `NexusOperationExecutionListInfo`: `run_id`, `schedule_time`, `close_time`.
pub(super) const NEXUS_OPERATIONS: RowFields = RowFields { closed: &[7], started: &[6], id: &[2] };
/// `ScheduleListEntry`: `schedule_id`. The servers order schedules by when they were created, which is not
/// in the rows: so all of the first member come before all of the next, each in its own order.
pub(super) const SCHEDULES: RowFields = RowFields { closed: &[], started: &[], id: &[1] };

impl Frontend {
    /// One page of a list.
    pub(super) async fn list(&self, call: &Call, at: RowFields) -> Result<Reply, Status> {
        let bad = |e| malformed(call.method, e);
        let request = Request::read(&call.body).map_err(bad)?;
        let namespace = self.namespace(request.namespace)?;
        let list = number_of(&[call.method.name.as_bytes(), &request.rest]);
        let members = namespace.numbers();
        let positions = match request.token {
            [] => vec![Position::start(); members.len()],
            token => page_token::read(token, list, &members)
                .map_err(|e| Status::invalid_argument(format!("{}: {e}", call.method.name)))?,
        };
        let mut left_out = Vec::new();
        let deadline = super::deadline(call);
        let mut pages: Vec<_> = namespace
            .members
            .iter()
            .zip(positions)
            .map(|(member, position)| {
                if position == Position::Skipped {
                    let why =
                        "it was down when this listing began; begin again without a page token";
                    left_out.push(Missing { cluster: member.name.clone(), why: why.into() });
                }
                let source = OfMember { member, call, request: &request, at, deadline };
                Pages::new(source, position)
            })
            .collect();

        let missing = |index, status| {
            let member: Option<&Arc<Member>> = namespace.members.get(index);
            let member = member.ok_or_else(|| Status::internal("no such member"))?;
            if !is_missing(&status) {
                return Err(told_by(member, &status));
            }
            left_out
                .push(Missing { cluster: member.name.clone(), why: status.message().to_owned() });
            Ok(())
        };
        let rows = match at.ordered() {
            true => in_order(&mut pages, request.size, missing).await?,
            false => in_turn(&mut pages, request.size, missing).await?,
        };
        partial::check(namespace, &left_out)?;
        let positions: Vec<_> = pages.into_iter().map(Pages::position).collect();

        let mut body = Vec::new();
        rows.iter().for_each(|row| put_bytes(&mut body, ROWS, row));
        if positions.iter().any(|position| matches!(position, Position::In { .. })) {
            let token = page_token::write(list, &members, &positions);
            if token.len() > page_token::LONGEST {
                return Err(Status::internal(
                    "the members' page tokens are too long for one; ask for larger pages",
                ));
            }
            put_bytes(&mut body, NEXT_PAGE_TOKEN, &token);
        }
        Ok(Reply { body: body.into(), receipt: None, missing: left_out })
    }
}

/// What is read of a request.
struct Request<'a> {
    namespace: &'a [u8],
    size: usize,
    token: &'a [u8],
    /// The request without both: what all pages of one list have in common.
    rest: Vec<u8>,
}

impl<'a> Request<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (mut size, mut rest) = (0, Vec::new());
        for field in fields(body) {
            let field = field?;
            match (field.number, field.value) {
                (PAGE_SIZE, Value::Varint(n)) => size = usize::try_from(n).unwrap_or(usize::MAX),
                (PAGE_TOKEN, Value::Bytes(_)) => {}
                _ => rest.extend_from_slice(field.raw),
            }
        }
        // A negative one is a huge one here.
        let size = if (1..=LARGEST_PAGE).contains(&size) { size } else { LARGEST_PAGE };
        let (namespace, token) = (last_bytes(body, 1)?, last_bytes(body, PAGE_TOKEN)?);
        Ok(Self { namespace, size, token, rest })
    }
}

/// A member's pages of this list.
struct OfMember<'a> {
    member: &'a Member,
    call: &'a Call,
    request: &'a Request<'a>,
    at: RowFields,
    deadline: Duration,
}

impl Source for OfMember<'_> {
    async fn page(&self, token: Bytes, size: usize) -> Result<Page, Status> {
        let mut body = self.request.rest.clone();
        put_uint(&mut body, PAGE_SIZE, size as u64);
        if !token.is_empty() {
            put_bytes(&mut body, PAGE_TOKEN, &token);
        }
        let (method, caller) = (self.call.method, &self.call.caller);
        let answer = self.member.ask(method, caller, body.into(), self.deadline).await?;
        let strange = |error: Error| {
            let cluster = &self.member.name;
            Status::internal(format!("{}: cluster {cluster}'s answer: {error}", method.name))
        };
        let (rows, next) = read_page(&answer, ROWS, NEXT_PAGE_TOKEN).map_err(strange)?;
        let keyed = rows.into_iter().map(|row| Ok((RowKey::of(&row, &self.at)?, row)));
        Ok(Page { rows: keyed.collect::<Result<_, _>>().map_err(strange)?, next })
    }
}
