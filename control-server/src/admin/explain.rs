//! Where calls on a key go, and why.

use panko_placement::State;
use panko_proto::v1::{
    ExplainManyRequest, ExplainManyResponse, ExplainRequest, ExplainResponse, Whereabouts,
};
use panko_routing::Key;
use panko_routing::placement::Starts;
use tonic::Status;

use super::{Service, name_of};
use crate::locate::Target;
use crate::locate::look::look;
use crate::topology::VirtualNamespace;

/// The kinds of keys that can be asked for.
const KINDS: [&str; 4] = ["workflow", "schedule", "activity", "nexus_operation"];

impl Service {
    pub(super) async fn explained(
        &self,
        request: ExplainRequest,
    ) -> Result<ExplainResponse, Status> {
        let ExplainRequest { namespace, kind, id } = request;
        let kind = known(&kind)?;
        let (of, state) = self.stands(&namespace).await?;
        let mut answer = by_placement(&of, &state, Key { kind, id: id.as_bytes() })?;
        let target = Target {
            namespace: of.name.clone(),
            kind,
            id: id.as_bytes().into(),
            run: Box::default(),
        };
        for (at, member) in of.members.iter().enumerate() {
            let says = match look(member, &target).await {
                Ok(Some(found)) if found.open => "open".to_owned(),
                Ok(Some(_)) => "closed".to_owned(),
                Ok(None) => "nothing".to_owned(),
                Err(status) => status.message().to_owned(),
            };
            let says = if member.is_fenced() { format!("fenced; {says}") } else { says };
            answer.members.push(Whereabouts { member: name_of(&state, at), says });
        }
        Ok(answer)
    }

    pub(super) async fn explained_many(
        &self,
        request: ExplainManyRequest,
    ) -> Result<ExplainManyResponse, Status> {
        let ExplainManyRequest { namespace, kind, ids } = request;
        let (of, state) = self.stands(&namespace).await?;
        let kind = known(&kind)?;
        let keys = ids.iter().map(|id| by_placement(&of, &state, Key { kind, id: id.as_bytes() }));
        Ok(ExplainManyResponse { keys: keys.collect::<Result<_, _>>()? })
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
    key: Key<'_>,
) -> Result<ExplainResponse, Status> {
    let number = key.slot().index();
    let slot = state.slots.get(number).ok_or_else(|| Status::internal("no such slot"))?;
    let owner = name_of(state, usize::from(slot.owner.0));
    let former = slot.former.iter().map(|at| name_of(state, usize::from(at.0)));
    let starts = match slot.starts() {
        Starts::Direct if of.locate_before_start => format!(
            "to a control server, since the namespace has locate_before_start: to the member that has it, else to {owner}"
        ),
        Starts::Direct => format!("straight to {owner}"),
        Starts::Locate => format!(
            "to a control server, which locks the id: to the member that has it, else to {owner}"
        ),
    };
    let fenced = of.members.iter().filter(|member| member.is_fenced());
    let fenced: Vec<_> = fenced.map(|member| member.name.as_ref()).collect();
    let others = match fenced.as_slice() {
        [] => {
            format!("to {owner}; what that does not find, a control server looks for on the others")
        }
        fenced => format!(
            "to {owner}; what that does not find, a control server looks for on the others, but not on {}, which is fenced: what nobody else has is UNAVAILABLE",
            fenced.join(", ")
        ),
    };
    Ok(ExplainResponse {
        slot: number as u32,
        version: state.version,
        former: former.collect(),
        to: slot.to.map(|to| name_of(state, usize::from(to.0))).unwrap_or_default(),
        owner,
        members: Vec::new(),
        starts,
        others,
    })
}
