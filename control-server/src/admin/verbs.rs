//! What operators ask for, as a change of a placement.

use std::collections::BTreeMap;

use panko_placement::{Change, Member, Quiet, Refused, State};
use panko_proto::v1::change_placement_request::Change as Verb;
use panko_proto::v1::{ChangePlacementRequest, ChangePlacementResponse, Moved};
use panko_routing::placement::MemberIndex;
use tonic::Status;

use super::{Service, name_of, status};
use crate::placements::{By, Error};

/// One step of what was asked for. A verb may take several: a member's weight, then the slots.
struct Step {
    change: Change,
    what: String,
}

impl Service {
    pub(super) async fn change(
        &self,
        request: ChangePlacementRequest,
    ) -> Result<ChangePlacementResponse, Status> {
        let ChangePlacementRequest { namespace, change, dry_run, who, why } = request;
        let verb = change.ok_or_else(|| Status::invalid_argument("say what to change"))?;
        let before = self.placements.current(&namespace).await.map_err(status)?;
        let past = match verb {
            Verb::Reverse(_) => Some(self.before_the_last_handover(&namespace).await?),
            _ => None,
        };
        let steps = steps(&before, &verb, past.as_ref()).map_err(|e| bad(e, &before, &verb))?;
        let what = steps.iter().map(|step| step.what.clone()).collect::<Vec<_>>().join("; ");
        let change = Change::All(steps.into_iter().map(|step| step.change).collect());
        // Refused before anybody is asked for its workflows.
        let after = before.after(&change).map_err(|e| status(e.into()))?;
        let moves = after.slots.iter().enumerate();
        let moves: Vec<_> = moves.filter_map(|(n, slot)| Some((n, slot.to?))).collect();
        let moved = match verb {
            Verb::Cancel(_) | Verb::Force(_) => Vec::new(),
            // One that is gone would keep everybody waiting.
            Verb::Failover(_) => self.concerned(&namespace, &before, &moves, false).await,
            _ => self.concerned(&namespace, &before, &moves, true).await,
        };
        let mut version = before.version;
        if !dry_run {
            let by = By { who: &who, why: &why, lead: None, emptied: &[] };
            let from = before.version;
            let after = self.placements.change_from(&namespace, from, by, &what, &change).await;
            version = after.map_err(status)?.version;
        }
        Ok(ChangePlacementResponse { version, moved, what })
    }

    /// The placement as it was before its last handover.
    async fn before_the_last_handover(&self, namespace: &str) -> Result<State, Status> {
        let store = self.placements.store();
        let mut version = u64::MAX;
        loop {
            let at = store.at_version(namespace, version).await.map_err(|e| status(e.into()))?;
            let Some(at) = at else {
                return Err(Status::failed_precondition("nothing has been moved yet"));
            };
            version = at.version - 1;
            if at.handover == Some(at.version) {
                let before = store.at_version(namespace, version).await;
                let before = before.map_err(|e| status(e.into()))?;
                return before.ok_or_else(|| {
                    Status::failed_precondition("nothing is known of what was before the last move")
                });
            }
        }
    }

    /// What goes from whom to whom, and, if they are to be asked, about how many workflows there are of it.
    async fn concerned(
        &self,
        namespace: &str,
        state: &State,
        moves: &[(usize, MemberIndex)],
        ask: bool,
    ) -> Vec<Moved> {
        let mut pairs: BTreeMap<(MemberIndex, MemberIndex), u32> = BTreeMap::new();
        for (slot, to) in moves {
            if let Some(slot) = state.slots.get(*slot) {
                *pairs.entry((slot.owner, *to)).or_default() += 1;
            }
        }
        let counts = state.counts();
        let mut moved = Vec::new();
        for ((from, to), slots) in pairs {
            let (from, to) = (usize::from(from.0), usize::from(to.0));
            let owned = counts.get(from).map_or(0, |counts| counts.owned);
            let (open, closed) = match ask {
                true => self.workflows(namespace, from).await,
                false => (None, None),
            };
            let share = |all: u64| all * u64::from(slots) / (owned.max(1) as u64);
            moved.push(Moved {
                from: name_of(state, from),
                to: name_of(state, to),
                slots,
                open_workflows: open.map(share),
                closed_workflows: closed.map(share),
            });
        }
        moved
    }
}

/// The steps of a verb. `past` is what [`Verb::Reverse`] goes back to.
fn steps(state: &State, verb: &Verb, past: Option<&State>) -> Result<Vec<Step>, Error> {
    let put = |at: MemberIndex, what: String, edit: &dyn Fn(&mut Member)| {
        let mut member = state.members.get(usize::from(at.0)).cloned();
        if let Some(member) = &mut member {
            edit(member);
        }
        let change = Change::Put(member.ok_or(Refused::NoSuchMember(at.0))?);
        Ok::<_, Error>(Step { change, what })
    };
    let begin = |moves: Vec<(usize, MemberIndex)>| {
        let what = format!("{} slots are being handed over", moves.len());
        Step { change: Change::Begin(moves), what }
    };
    let weighed = |name: &str, weight: u32, word: String| {
        let at = find(state, name)?;
        let first = put(at, word, &|member| member.weight = weight)?;
        let moves = balanced(&state.after(&first.change)?)?;
        let mut steps = vec![first];
        if !moves.is_empty() {
            steps.push(begin(moves));
        }
        Ok::<_, Error>(steps)
    };
    Ok(match verb {
        Verb::Cordon(name) => {
            let at = find(state, name)?;
            vec![put(at, format!("{name} is cordoned"), &|member| member.cordoned = true)?]
        }
        Verb::Uncordon(name) => {
            let at = find(state, name)?;
            vec![put(at, format!("{name} is not cordoned"), &|member| member.cordoned = false)?]
        }
        Verb::Weight(asked) => {
            let word = format!("{} has the weight {}", asked.member, asked.weight);
            weighed(&asked.member, asked.weight, word)?
        }
        Verb::Drain(name) => weighed(name, 0, format!("{name} is drained: its weight is 0"))?,
        Verb::Failover(name) => failed_over(state, name)?,
        Verb::Rebalance(_) => vec![begin(balanced(state)?)],
        Verb::Move(asked) => {
            let (from, to) = (find(state, &asked.from)?, find(state, &asked.to)?);
            vec![begin(state.moves(from, to, asked.slots as usize))]
        }
        Verb::Cancel(_) => {
            vec![Step { change: Change::Cancel, what: "the handover is cancelled".to_owned() }]
        }
        Verb::Force(_) => {
            let began = state.handover.ok_or(Refused::NoHandover)?;
            let what = "the handover is completed by force".to_owned();
            vec![Step { change: Change::Complete(Quiet::forced(began)), what }]
        }
        Verb::Reverse(_) => reversed(state, past.unwrap_or(state))?,
    })
}

/// It is fenced, and what it owns goes to the others.
fn failed_over(state: &State, name: &str) -> Result<Vec<Step>, Error> {
    let changes = state.failover(find(state, name)?)?;
    let step = |change| {
        let what = match &change {
            Change::Cancel => "the handover is cancelled".to_owned(),
            Change::Begin(moves) => format!("{} slots are being taken over", moves.len()),
            _ => format!("{name} is fenced"),
        };
        Step { change, what }
    };
    Ok(changes.into_iter().map(step).collect())
}

/// A handover under way ends; then owners and weights become what they were.
fn reversed(state: &State, past: &State) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let mut now = state.clone();
    if state.handover.is_some() {
        now = now.after(&Change::Cancel)?;
        steps.push(Step { change: Change::Cancel, what: "the handover is cancelled".to_owned() });
    }
    for before in &past.members {
        let at = now.position(&before.cluster, &before.namespace);
        let here = at.and_then(|at| now.members.get(usize::from(at.0))).cloned();
        let Some(here) = here.filter(|here| here.weight != before.weight) else { continue };
        let what = format!("{} has the weight {} again", here.cluster, before.weight);
        let change = Change::Put(Member { weight: before.weight, ..here });
        now = now.after(&change)?;
        steps.push(Step { change, what });
    }
    let owner_before = |slot: usize| {
        let owner = past.slots.get(slot)?.owner;
        let member = past.members.get(usize::from(owner.0))?;
        now.position(&member.cluster, &member.namespace)
    };
    let moves: Vec<_> = now
        .slots
        .iter()
        .enumerate()
        .filter_map(|(n, slot)| Some((n, owner_before(n).filter(|owner| *owner != slot.owner)?)))
        .collect();
    if !moves.is_empty() {
        let what = format!("{} slots go back to who had them before", moves.len());
        steps.push(Step { change: Change::Begin(moves), what });
    }
    Ok(steps)
}

fn balanced(state: &State) -> Result<Vec<(usize, MemberIndex)>, Error> {
    // Nobody could get what the last one gives.
    state.balance().ok_or_else(|| Refused::LastMember("the only one with a weight".into()).into())
}

/// The member that an operator names.
fn find(state: &State, name: &str) -> Result<MemberIndex, Error> {
    let at = (0..state.members.len()).find(|at| name_of(state, *at) == name);
    let at = at.and_then(|at| u16::try_from(at).ok());
    at.map(MemberIndex).ok_or_else(|| Refused::NoSuchMember(u16::MAX).into())
}

/// The same, with the members' names where there is none of this one.
pub(super) fn member_named(state: &State, name: &str) -> Result<MemberIndex, Status> {
    find(state, name).map_err(|_| no_member(state, name))
}

/// Names the members where one that was named is none.
fn bad(error: Error, state: &State, verb: &Verb) -> Status {
    match error {
        Error::Refused(Refused::NoSuchMember(u16::MAX)) => {
            let named = match verb {
                Verb::Cordon(name)
                | Verb::Uncordon(name)
                | Verb::Drain(name)
                | Verb::Failover(name) => name.clone(),
                Verb::Weight(asked) => asked.member.clone(),
                Verb::Move(asked) => format!("{} or {}", asked.from, asked.to),
                _ => String::new(),
            };
            no_member(state, &named)
        }
        error => status(error),
    }
}

/// That what an operator has named is no member.
fn no_member(state: &State, named: &str) -> Status {
    let names: Vec<_> = (0..state.members.len()).map(|at| name_of(state, at)).collect();
    Status::not_found(format!("{named} is no member; there are {}", names.join(", ")))
}
