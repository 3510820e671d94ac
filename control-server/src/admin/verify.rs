//! Whether the promise is kept: no id is open on several members, by the members' own lists.

use std::collections::HashMap;

use panko_proto::v1::{Duplicate, VerifyResponse};
use panko_routing::Key;
use panko_routing::placement::MemberIndex;
use tonic::Status;

use super::{Service, name_of};
use crate::locate::lists::LISTS;

/// How many pages of a thousand are looked at on each member.
const PAGES: usize = 1000;

/// How many duplicates are named.
const NAMED: usize = 1000;

impl Service {
    pub(super) async fn verified(&self, namespace: &str) -> Result<VerifyResponse, Status> {
        let (of, state) = self.stands(namespace).await?;
        let mut open: HashMap<Box<[u8]>, Vec<u16>> = HashMap::new();
        let mut answer = VerifyResponse::default();
        let [workflows, ..] = LISTS;
        for (at, member) in (0u16..).zip(&of.members) {
            let mut note = |id: &[u8]| open.entry(id.into()).or_default().push(at);
            let running = "ExecutionStatus = 'Running'";
            let name = name_of(&state, at.into());
            match workflows.each(&of.name, member, running, PAGES, &mut note).await {
                Ok(true) => {}
                Ok(false) => {
                    answer.incomplete.push(format!("{name}: it has more than are looked at"))
                }
                Err(status) => answer.incomplete.push(format!("{name}: {}", status.message())),
            }
        }
        for (id, members) in open {
            answer.open += members.len() as u64;
            let slot = state.slots.get(Key { kind: "workflow", id: &id }.slot().index());
            let has_to_do = |member: u16| {
                let member = MemberIndex(member);
                slot.is_some_and(|slot| slot.owner == member || slot.former.contains(&member))
            };
            answer.away += members.iter().filter(|member| !has_to_do(**member)).count() as u64;
            let mut several = members.clone();
            several.dedup();
            if several.len() > 1 {
                answer.duplicates_in_all += 1;
                if answer.duplicates.len() < NAMED {
                    answer.duplicates.push(Duplicate {
                        workflow_id: String::from_utf8_lossy(&id).into_owned(),
                        members: several.iter().map(|at| name_of(&state, (*at).into())).collect(),
                        kind: String::new(),
                    });
                }
            }
        }
        Ok(answer)
    }
}
