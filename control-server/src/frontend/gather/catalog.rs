//! Lists of what all members have under the same id: read whole, merged, and given out page by page.
//!
//! They are short (servers limit deployments, rules and endpoints to some hundred), and a row may be on
//! any page of a member's.

use std::collections::BTreeMap;

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, last_bytes, put_bytes, put_uint};
use tonic::Status;

use super::super::fan_out::Said;
use super::super::page_token;
use super::super::reply::Reply;
use super::super::{Call, Frontend, malformed};
use super::merge_rows::number_of;
use super::partial::Answers;
use crate::merge::rows::id_of;
use crate::merge::rules::Paths;
use crate::merge::{Rules, merge};
use crate::topology::Member;

/// The most rows of one member.
const MOST_ROWS: usize = 20_000;

/// What a caller gets who asks for no size, and the most that is given.
const LARGEST_PAGE: usize = 1_000;

/// How a list and its rows look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Catalog {
    /// The request's `page_size`; 0 where it has none.
    pub page_size: u32,
    /// The request's `next_page_token`.
    pub page_token: u32,
    /// The answer's fields with rows, each with the paths to what makes a row's id. Rows of several fields with
    /// the same id belong together.
    pub rows: &'static [(u32, Paths)],
    /// The answer's `next_page_token`.
    pub next_page_token: u32,
    /// How rows with the same id are merged.
    pub rules: Rules,
}

/// By id, the rows of each field.
type Rows = BTreeMap<Vec<u8>, Vec<(u32, Vec<Bytes>)>>;

impl Frontend {
    /// One page of a catalog.
    pub(super) async fn catalog(&self, call: &Call, catalog: Catalog) -> Result<Reply, Status> {
        let namespace = self.namespace_of(call)?;
        let request = Request::read(&call.body, &catalog).map_err(|e| malformed(call.method, e))?;
        let list = number_of(&[call.method.name.as_bytes(), &request.rest]);
        let after = page_token::read_after(&request.token, list)
            .map_err(|e| Status::invalid_argument(format!("{}: {e}", call.method.name)))?;

        let members = namespace.members.iter().enumerate();
        let (asked, described) = (&request, &catalog);
        let read = members.map(|(index, member)| async move {
            Said { index, member, result: whole(member, call, asked, described).await }
        });
        let read = futures_util::future::join_all(read).await;
        let Answers { there, missing } = Answers::of(namespace, read)?;
        let mut rows = Rows::new();
        for (_, member, answer) in there {
            collect(&answer, &catalog, &mut rows).map_err(|error| {
                let cluster = &member.name;
                Status::internal(format!(
                    "{}: cluster {cluster}'s answer: {error}",
                    call.method.name
                ))
            })?;
        }

        let mut body = Vec::new();
        let mut left = rows
            .into_iter()
            .filter(|(id, _)| after.as_ref().is_none_or(|after| id[..] > after[..]));
        let mut last = Vec::new();
        for (id, fields) in left.by_ref().take(request.size) {
            for (number, same) in fields {
                let same: Vec<_> = same.iter().map(AsRef::as_ref).collect();
                let row = merge(&same, catalog.rules).map_err(|e| malformed(call.method, e))?;
                put_bytes(&mut body, number, &row);
            }
            last = id;
        }
        if left.next().is_some() {
            put_bytes(&mut body, catalog.next_page_token, &page_token::write_after(list, last));
        }
        Ok(Reply { body: body.into(), receipt: None, missing })
    }
}

struct Request {
    size: usize,
    token: Vec<u8>,
    /// The request without both.
    rest: Vec<u8>,
}

impl Request {
    fn read(body: &[u8], catalog: &Catalog) -> Result<Self, Error> {
        let (mut size, mut rest) = (0, Vec::new());
        for field in fields(body) {
            let field = field?;
            match field.value {
                Value::Varint(n) if field.number == catalog.page_size => {
                    size = usize::try_from(n).unwrap_or(usize::MAX);
                }
                Value::Bytes(_) if field.number == catalog.page_token => {}
                _ => rest.extend_from_slice(field.raw),
            }
        }
        let size = if (1..=LARGEST_PAGE).contains(&size) { size } else { LARGEST_PAGE };
        Ok(Self { size, token: last_bytes(body, catalog.page_token)?.to_vec(), rest })
    }
}

/// All of a member's rows as one answer.
async fn whole(
    member: &Member,
    call: &Call,
    request: &Request,
    catalog: &Catalog,
) -> Result<Bytes, Status> {
    let (mut all, mut token, mut rows) = (Vec::new(), Bytes::new(), 0);
    loop {
        let mut body = request.rest.clone();
        if catalog.page_size > 0 {
            // Some lists take no more at a time (`ListWorkerDeployments`, `ListNexusEndpoints`).
            put_uint(&mut body, catalog.page_size, 100);
        }
        if !token.is_empty() {
            put_bytes(&mut body, catalog.page_token, &token);
        }
        let deadline = super::deadline(call);
        let answer = member.ask(call.method, &call.caller, body.into(), deadline).await?;
        let next = last_bytes(&answer, catalog.next_page_token);
        token = Bytes::copy_from_slice(next.map_err(|e| malformed(call.method, e))?);
        rows += fields(&answer).flatten().filter(|field| catalog.has(field.number)).count();
        if rows > MOST_ROWS {
            return Err(Status::resource_exhausted(format!(
                "{}: more than {MOST_ROWS} rows; narrow the list down",
                call.method.name
            )));
        }
        all.extend_from_slice(&answer);
        if token.is_empty() {
            return Ok(all.into());
        }
    }
}

impl Catalog {
    fn has(&self, number: u32) -> bool {
        self.rows.iter().any(|(n, _)| *n == number)
    }
}

fn collect(answer: &Bytes, catalog: &Catalog, rows: &mut Rows) -> Result<(), Error> {
    for field in fields(answer) {
        let field = field?;
        let ids = catalog.rows.iter().find(|(number, _)| *number == field.number);
        let (Some((_, id)), Value::Bytes(row)) = (ids, field.value) else { continue };
        let of_id = rows.entry(id_of(row, id)?).or_default();
        let row = answer.slice_ref(row);
        match of_id.iter_mut().find(|(number, _)| *number == field.number) {
            Some((_, same)) => same.push(row),
            None => of_id.push((field.number, vec![row])),
        }
    }
    Ok(())
}
