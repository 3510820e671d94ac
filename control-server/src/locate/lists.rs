//! What a member has, from its own lists, on Panko's own behalf.

use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields, first_at, last_bytes, put_bytes, put_uint};
use tonic::{Code, Status};

use super::kinds::is_unknown;
use crate::identify::method;
use crate::topology::Member;

/// Rows of a page, and how long a cluster has for one.
const PAGE: u64 = 1000;
const DEADLINE: Duration = Duration::from_secs(20);

/// Between two pages: servers let a namespace ask its visibility ten times a second, and others ask too.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a page is asked for again that was one too many.
const TRIES: usize = 20;

/// Which workflows are open, as a query. Paused ones are, which have a status of their own.
pub const OPEN: &str = "CloseTime IS NULL";

/// What has keys of a kind: a list's path, and where its rows have the id. All lists have the request's namespace
/// in field 1, its page size in 2 and its page token in 3; rows are field 1 of the answer, the next token is 2.
pub struct List {
    path: &'static str,
    /// The kind of its keys.
    pub kind: &'static str,
    id: &'static [u32],
}

/// All lists of keys. The first is that of workflows.
pub const LISTS: [List; 4] = [
    List {
        path: "/temporal.api.workflowservice.v1.WorkflowService/ListWorkflowExecutions",
        kind: "workflow",
        id: &[1, 1],
    },
    List {
        path: "/temporal.api.workflowservice.v1.WorkflowService/ListSchedules",
        kind: "schedule",
        id: &[1],
    },
    List {
        path: "/temporal.api.workflowservice.v1.WorkflowService/ListActivityExecutions",
        kind: "activity",
        id: &[1],
    },
    List {
        path: "/temporal.api.workflowservice.v1.WorkflowService/ListNexusOperationExecutions",
        kind: "nexus_operation",
        id: &[1],
    },
];

impl List {
    /// Calls `each` with the id of every row, of at most so many pages; a query only workflows' lists take. Returns whether
    /// that was all. A server that is too old for a kind of key ([`is_unknown`]) has nothing of it.
    pub async fn each(
        &self,
        namespace: &str,
        member: &Member,
        query: &str,
        pages: usize,
        each: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<bool, Status> {
        let mut id = |row: &[u8]| {
            each(self.id(row)?);
            Ok(())
        };
        self.rows(namespace, member, query, pages, &mut id).await
    }

    /// A row's id.
    pub fn id<'a>(&self, row: &'a [u8]) -> Result<&'a [u8], Error> {
        Ok(first_at(row, self.id)?.unwrap_or_default())
    }

    /// Like [`List::each`], with the whole row.
    pub async fn rows(
        &self,
        namespace: &str,
        member: &Member,
        query: &str,
        pages: usize,
        each: &mut (dyn FnMut(&[u8]) -> Result<(), Error> + Send),
    ) -> Result<bool, Status> {
        let mut token = Vec::new();
        for _ in 0..pages {
            let answer = match self.page(namespace, member, query, &token).await {
                Err(status) if is_unknown(member, self.kind, &status).await => return Ok(true),
                answer => answer?,
            };
            let strange = |error| Status::internal(format!("{}: {error}", self.path));
            for field in fields(&answer) {
                let field = field.map_err(strange)?;
                if let (1, Value::Bytes(row)) = (field.number, field.value) {
                    each(row).map_err(strange)?;
                }
            }
            token = last_bytes(&answer, 2).map_err(strange)?.to_vec();
            if token.is_empty() {
                return Ok(true);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(false)
    }

    async fn page(
        &self,
        namespace: &str,
        member: &Member,
        query: &str,
        token: &[u8],
    ) -> Result<Bytes, Status> {
        let mut body = Vec::new();
        put_bytes(&mut body, 1, namespace.as_bytes());
        put_uint(&mut body, 2, PAGE);
        if !token.is_empty() {
            put_bytes(&mut body, 3, token);
        }
        if !query.is_empty() {
            put_bytes(&mut body, 4, query.as_bytes());
        }
        let (list, own, body) = (method(self.path)?, member.cluster.own(), Bytes::from(body));
        let mut tries = 0;
        loop {
            match member.call(list, own, body.clone(), DEADLINE).await {
                Err(status) if status.code() == Code::ResourceExhausted && tries < TRIES => {
                    tries += 1;
                }
                answer => return answer,
            }
            tokio::time::sleep(PAUSE * 5).await;
        }
    }
}
