//! What a member has that never ends by itself: it stays a former owner for as long as that is there.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use panko_proto::v1::{ListLeftoversRequest, ListLeftoversResponse};
use panko_routing::wire::fields::{first_at, put_bytes, put_uint};
use tonic::{Code, Status};

use super::Service;
use super::verbs::member_named;
use crate::identify::method;
use crate::locate::lists::{LISTS, OPEN};
use crate::schedules::list::list;
use crate::topology::Member;

/// How many pages of a thousand open workflows are listed.
const PAGES: usize = 1;

/// How many first events are read at the same time, and how long a cluster has for one.
const AT_ONCE: usize = 8;
const DEADLINE: Duration = Duration::from_secs(5);

/// `/…WorkflowService/GetWorkflowExecutionHistory`.
const HISTORY: &str =
    "/temporal.api.workflowservice.v1.WorkflowService/GetWorkflowExecutionHistory";

/// From `GetWorkflowExecutionHistoryResponse` to `WorkflowExecutionStartedEventAttributes`.{cron_schedule,
/// continued_execution_run_id} of its first event.
const CRON: [u32; 4] = [1, 1, 6, 20];
const CONTINUED: [u32; 4] = [1, 1, 6, 10];

/// What a workflow's first event shows.
enum Kind {
    Cron,
    Continued,
    Ends,
}

impl Service {
    pub(super) async fn leftovers(
        &self,
        request: ListLeftoversRequest,
    ) -> Result<ListLeftoversResponse, Status> {
        let (of, state) = self.stands(&request.namespace).await?;
        let at = usize::from(member_named(&state, &request.member)?.0);
        let member = of.members.get(at).ok_or_else(|| Status::internal("no such member"))?;
        let (schedules, silent) = list(&of, &state, &[at]).await;
        if let Some((_, status)) = silent.into_iter().next() {
            return Err(status);
        }
        let mut ids = Vec::new();
        let [workflows, ..] = LISTS;
        let mut note = |id: &[u8]| ids.push(id.to_vec());
        workflows.each(&of.name, member, OPEN, PAGES, &mut note).await?;
        let (open, _) = self.workflows(&request.namespace, at).await;
        let looked_at = ids.len() as u64;
        let mut answer = ListLeftoversResponse {
            schedule_ids: schedules.into_iter().map(|one| one.id).collect(),
            open_workflows: open.unwrap_or(looked_at).max(looked_at),
            looked_at,
            ..Default::default()
        };
        let of = &of;
        let kinds = ids.into_iter().map(|id| async move {
            let kind = kind(member, &of.name, &id).await;
            kind.map(|kind| (String::from_utf8_lossy(&id).into_owned(), kind))
        });
        let mut kinds = stream::iter(kinds).buffer_unordered(AT_ONCE);
        while let Some(kind) = kinds.next().await {
            match kind? {
                (id, Kind::Cron) => answer.cron_workflow_ids.push(id),
                (id, Kind::Continued) => answer.continued_workflow_ids.push(id),
                (_, Kind::Ends) => {}
            }
        }
        answer.cron_workflow_ids.sort_unstable();
        answer.continued_workflow_ids.sort_unstable();
        Ok(answer)
    }
}

/// `GetWorkflowExecutionHistoryRequest {namespace 1, execution 2, maximum_page_size 3}`.
async fn kind(member: &Member, namespace: &str, id: &[u8]) -> Result<Kind, Status> {
    let (mut body, mut execution) = (Vec::new(), Vec::new());
    put_bytes(&mut execution, 1, id);
    put_bytes(&mut body, 1, namespace.as_bytes());
    put_bytes(&mut body, 2, &execution);
    put_uint(&mut body, 3, 1);
    let own = member.cluster.own();
    let answer = match member.call(method(HISTORY)?, own, body.into(), DEADLINE).await {
        Ok(answer) => answer,
        // It has ended and been deleted since it was listed.
        Err(status) if status.code() == Code::NotFound => return Ok(Kind::Ends),
        Err(status) => return Err(status),
    };
    let has = |path: &[u32]| {
        let value = first_at(&answer, path);
        value.map(|value| value.is_some()).map_err(|e| Status::internal(e.to_string()))
    };
    Ok(match (has(&CRON)?, has(&CONTINUED)?) {
        (true, _) => Kind::Cron,
        (false, true) => Kind::Continued,
        (false, false) => Kind::Ends,
    })
}
