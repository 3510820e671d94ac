//! Where calls on a key go, and why.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use panko_placement::State;
use panko_proto::v1::{
    ExplainManyRequest, ExplainManyResponse, ExplainRequest, ExplainResponse, FilterRoute,
    Whereabouts,
};
use panko_routing::Key;
use panko_routing::placement::{MemberIndex, Starts};
use tonic::Status;

use super::{Service, name_of, status};
use crate::locate::Target;
use crate::locate::look::look;
use crate::placements::now;
use crate::topology::{Member, VirtualNamespace};

/// The kinds of keys that can be asked for.
const KINDS: [&str; 4] = ["workflow", "schedule", "activity", "nexus_operation"];

impl Service {
    pub(super) async fn explained(
        &self,
        mut request: ExplainRequest,
    ) -> Result<ExplainResponse, Status> {
        let mut token = None;
        if !request.task_token.is_empty() {
            let read = self.token(&request.task_token)?;
            if read.workflow_id.is_empty() || read.member.is_empty() {
                return Ok(ExplainResponse { token: Some(read), ..Default::default() });
            }
            request.namespace = read.namespace.clone();
            (request.kind, request.id) = ("workflow".to_owned(), read.workflow_id.clone());
            token = Some(read);
        }
        let ExplainRequest { namespace, kind, id, .. } = request;
        let kind = known(&kind)?;
        let (of, state) = self.stands(&namespace).await?;
        let number = Key { kind, id: id.as_bytes() }.slot().index();
        let by_placement = by_placement(&of, &state, kind, &id)?;
        let target = Target {
            namespace: of.name.clone(),
            kind,
            id: id.as_bytes().into(),
            run: Box::default(),
        };
        let members = of.members.iter().enumerate().map(async |(at, member)| Whereabouts {
            member: name_of(&state, at),
            says: says(member, &target).await,
            marks: marks(&state, number, at),
        });
        let members = join_all(members).await;
        let routes = self.routes(&of, number, kind).await?;
        Ok(ExplainResponse { members, routes, token, ..by_placement })
    }

    pub(super) async fn explained_many(
        &self,
        request: ExplainManyRequest,
    ) -> Result<ExplainManyResponse, Status> {
        let ExplainManyRequest { namespace, kind, ids } = request;
        let (of, state) = self.stands(&namespace).await?;
        let kind = known(&kind)?;
        let keys = ids.iter().map(|id| by_placement(&of, &state, kind, id));
        Ok(ExplainManyResponse { keys: keys.collect::<Result<_, _>>()? })
    }

    /// What filters do with calls on such a key: each by the version that it has acknowledged.
    async fn routes(
        &self,
        of: &VirtualNamespace,
        slot: usize,
        kind: &str,
    ) -> Result<Vec<FilterRoute>, Status> {
        let store = self.placements.store();
        let participants = store.participants(&of.name).await.map_err(|e| status(e.into()))?;
        let mut by_version: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let now = now();
        for (filter, said) in participants.iter() {
            if said.gone_until.is_none_or(|until| until > now) {
                let ended = if said.gone_until.is_some() { ", ended" } else { "" };
                let name = format!("{} (VM {}{ended})", filter.node, filter.vm);
                by_version.entry(said.version).or_default().push(name);
            }
        }
        let mut routes = Vec::new();
        for (version, filters) in by_version.into_iter().rev() {
            let then = match version {
                0 => None,
                version => {
                    store.at_version(&of.name, version).await.map_err(|e| status(e.into()))?
                }
            };
            let (starts, others) = match then {
                Some(then) => roads(of, &then, slot, kind),
                None => ("not known yet".to_owned(), "not known yet".to_owned()),
            };
            routes.push(FilterRoute { version, filters, starts, others });
        }
        Ok(routes)
    }
}

fn known(kind: &str) -> Result<&'static str, Status> {
    let known = KINDS.into_iter().find(|known| *known == kind);
    known
        .ok_or_else(|| Status::invalid_argument(format!("the kind is one of {}", KINDS.join(", "))))
}

/// What the placement says of a key.
fn by_placement(
    of: &VirtualNamespace,
    state: &State,
    kind: &str,
    id: &str,
) -> Result<ExplainResponse, Status> {
    let number = Key { kind, id: id.as_bytes() }.slot().index();
    let slot = state.slots.get(number).ok_or_else(|| Status::internal("no such slot"))?;
    let (starts, others) = roads(of, state, number, kind);
    let former = slot.former.iter().map(|at| name_of(state, usize::from(at.0)));
    Ok(ExplainResponse {
        slot: number as u32,
        version: state.version,
        former: former.collect(),
        to: slot.to.map(|to| name_of(state, usize::from(to.0))).unwrap_or_default(),
        owner: name_of(state, usize::from(slot.owner.0)),
        starts,
        others,
        kind: kind.to_owned(),
        id: id.to_owned(),
        ..Default::default()
    })
}

async fn says(member: &Member, target: &Target) -> String {
    match look(member, target).await {
        Ok(Some(found)) if found.open => "open".to_owned(),
        Ok(Some(_)) => "closed".to_owned(),
        Ok(None) => "nothing".to_owned(),
        Err(status) => status.message().to_owned(),
    }
}

/// What a member is to a slot and to its namespace.
fn marks(state: &State, slot: usize, at: usize) -> Vec<String> {
    let index = MemberIndex(u16::try_from(at).unwrap_or(u16::MAX));
    let (slot, member) = (state.slots.get(slot), state.members.get(at));
    let is = |what: &dyn Fn(&panko_placement::Slot) -> bool| slot.is_some_and(what);
    let has = |what: &dyn Fn(&panko_placement::Member) -> bool| member.is_some_and(what);
    let all = [
        (is(&|slot| slot.owner == index), "owner"),
        (is(&|slot| slot.former.contains(&index)), "former owner"),
        (is(&|slot| slot.to == Some(index)), "next owner"),
        (has(&|member| member.weight == 0), "weight 0"),
        (has(&|member| member.cordoned), "cordoned"),
        (has(&|member| member.fenced), "fenced"),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark.to_owned()).collect()
}

/// Where calls go that may start something, and all others, by a placement.
fn roads(of: &VirtualNamespace, state: &State, slot: usize, kind: &str) -> (String, String) {
    let Some(slot) = state.slots.get(slot) else { return Default::default() };
    let owner = name_of(state, usize::from(slot.owner.0));
    let starts = match slot.starts() {
        Starts::Direct if of.locate_before_start => format!(
            "to a control server, since the namespace has locate_before_start: to the member that has it, else to {owner}"
        ),
        Starts::Direct => format!("straight to {owner}"),
        Starts::Locate => format!(
            "to a control server, which locks the id: to the member that has it, else to {owner}"
        ),
    };
    let others = match (slot.starts(), kind) {
        (Starts::Locate, "schedule") => {
            "to a control server: to the member that has it, once no move of it is under way"
                .to_owned()
        }
        _ => {
            format!(
                "to {owner}; what that does not find, a control server looks for on the others{}",
                but(of)
            )
        }
    };
    (starts, others)
}

/// Whom nobody asks.
fn but(of: &VirtualNamespace) -> String {
    let fenced = of.members.iter().filter(|member| member.is_fenced());
    let fenced: Vec<_> = fenced.map(|member| member.name.as_ref()).collect();
    match fenced.as_slice() {
        [] => String::new(),
        fenced => format!(
            ", but not on {}, which is fenced: what nobody else has is UNAVAILABLE",
            fenced.join(", ")
        ),
    }
}
