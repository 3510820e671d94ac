//! Start-type calls that do not go straight to their slot's owner: the slot has a former owner or is about to
//! get another one, or the namespace has every start look everywhere. They go where their key lives, one at a time for
//! each key, whichever control server gets them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use panko_placement::{Change, Refused, State};
use panko_routing::in_flight::is_definite;
use panko_routing::placement::MemberIndex;
use panko_routing::placement::Starts::Direct;
use panko_routing::{Key, Slot};
use panko_store::FormerOwner;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::reuse::Reuse;
use super::schedules::Left;
use super::second_chance::member;
use super::start_locks::{LONGEST, LONGEST_WITH_UPDATE, busy};
use super::{Call, Frontend, deadline, malformed};
use crate::locate::fenced::wait;
use crate::locate::look::describe;
use crate::locate::{Place, Target};
use crate::placements::{By, Error};
use crate::topology::VirtualNamespace;

/// How long a start waits for its turn. One that waits longer is told to try again, before its own deadline.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// Between two looks of a start that goes elsewhere than those that are on their way.
const ELSEWHERE: Duration = Duration::from_millis(200);

/// How often a key is looked for anew because its member has been released meanwhile.
const LOOKS: usize = 3;

impl Frontend {
    /// A start-type call. It goes to the member that has the key's open run; else to the one that has its
    /// latest, if that has to judge by its reuse policy; else to the slot's owner.
    pub(super) async fn locate_and_start(self: &Arc<Self>, call: Call) -> Result<Bytes, Status> {
        let frontend = self.clone();
        // A task of its own: whether or not its caller still waits, the key stays locked until it is certain
        // what became of the call, and no longer.
        let start = tokio::spawn(async move { frontend.start(&call).await });
        start.await.map_err(|_| Status::internal("the call was lost on its way"))?
    }

    async fn start(&self, call: &Call) -> Result<Bytes, Status> {
        let (namespace, mut target) = self.target(call)?;
        let reuse = Reuse::of(call).map_err(|e| malformed(call.method, e))?;
        let reopened = (!call.method.creates_key).then(|| target.clone());
        target.run = Box::default();
        let asked = call.timeout.as_deref().and_then(deadline::parse);
        let longest = match call.method.name {
            "ExecuteMultiOperation" => LONGEST_WITH_UPDATE,
            _ => LONGEST,
        };
        let longest = asked.map_or(longest, |asked| asked.min(longest));
        let patience = asked.map_or(PATIENCE, |asked| asked.mul_f64(0.8).min(PATIENCE));
        let give_up = Instant::now() + patience;
        loop {
            let mut locked = self.starts.lock(&target, give_up, longest.min(LONGEST)).await?;
            let began = Instant::now();
            let place = self.place(namespace, &target, reopened.as_ref(), reuse.as_ref());
            let place = tokio::time::timeout_at(locked.end(), place).await;
            let place = place.unwrap_or_else(|_| Err(late()));
            let to = place.as_ref().ok().copied();
            let ended = |answer: &Result<Bytes, Status>| {
                let key = Key { kind: target.kind, id: &target.id };
                let to = to.or_else(|| self.placements.owner(namespace, &key));
                let member = to.and_then(|to| namespace.members.get(to));
                let (Some(member), true) = (member, call.method.creates_key) else { return };
                let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
                self.metrics.starts.ended(&namespace.name, &member.name, code, began.elapsed());
            };
            let ready = match place.and_then(|to| member(namespace, to)) {
                Ok(member) => locked.goes_to(member, longest).await.map(|goes| (member, goes)),
                Err(status) => Err(status),
            };
            let left = locked.end().saturating_duration_since(Instant::now());
            match ready {
                // Nothing is sent that its lock may not outlive.
                Ok((_, true)) if left.is_zero() => {
                    locked.unlock();
                    return Err(late());
                }
                Ok((member, true)) => {
                    let answer = member.call(call.method, &call.caller, call.body.clone(), left);
                    let answer = answer.await;
                    ended(&answer);
                    // Who tries again after an error has deleted it where it lives.
                    let gone = answer.as_ref().err().is_none_or(|s| s.code() == Code::NotFound);
                    let left = match call.method.name {
                        "DeleteSchedule" if gone => {
                            self.delete_what_is_left(call, namespace, &target, locked.end()).await
                        }
                        _ => Left::Nothing,
                    };
                    let answer = match left {
                        Left::Nothing => answer,
                        Left::Undeleted(status) => Err(status),
                        // Nothing is on its way.
                        Left::Unknown(status) => {
                            locked.unlock();
                            return Err(status);
                        }
                    };
                    // Else it stays locked until its time is over.
                    if answer.as_ref().err().is_none_or(|s| is_definite(s.code().into())) {
                        locked.unlock();
                    }
                    return answer;
                }
                Ok((_, false)) => locked.unlock(),
                Err(status) => {
                    locked.unlock();
                    let answer = Err(status);
                    ended(&answer);
                    return answer;
                }
            }
            if Instant::now() > give_up {
                return Err(busy(&target));
            }
            tokio::time::sleep(ELSEWHERE).await;
        }
    }

    /// The member that gets a start of `target`, which is locked. `reopened` is the run that is to be reset.
    async fn place(
        &self,
        namespace: &Arc<VirtualNamespace>,
        target: &Target,
        reopened: Option<&Target>,
        reuse: Option<&Reuse>,
    ) -> Result<usize, Status> {
        let slot = Key { kind: target.kind, id: &target.id }.slot();
        let owner = |state: &State| {
            let owners = state.slots.get(slot.index()).cloned();
            let owners = owners.ok_or_else(|| Status::internal("no such slot"))?;
            Ok::<_, Status>((usize::from(owners.owner.0), owners))
        };
        for _ in 0..LOOKS {
            // Read with each lock: what is in memory may be old. The look need not wait for it, since versions only grow:
            // if it is read to be the same, it was the same before the look.
            let here = self.placements.state(&namespace.name);
            let here = here.ok_or_else(|| Status::unavailable("there is no placement yet"))?;
            let (state, place) = tokio::join!(
                self.placements.current(&namespace.name),
                self.locator.locate_for_start(namespace, &here, target, owner(&here)?.0),
            );
            let state = state.map_err(unavailable)?;
            namespace.must_fit(&state)?;
            let (owner, owners) = owner(&state)?;
            let place = match state.version == here.version {
                true => place?,
                false => self.locator.locate_for_start(namespace, &state, target, owner).await?,
            };
            let mut to = owner;
            if let Place::Member { index, open } = known(place)? {
                let holds = owners.former.contains(&index_of(index));
                // Else a cluster itself has started it, and it has ended, which binds nobody.
                let binds = open || holds || namespace.locate_before_start || reopened.is_some();
                if binds && (open || !begins_anew(namespace, index, target, reuse).await?) {
                    to = index;
                }
                if let Some(run) = reopened.filter(|run| !run.run.is_empty()) {
                    let run = self.locator.locate_among_all(namespace, run, owner).await?;
                    to = match known(run)? {
                        Place::Member { index, .. } => index,
                        _ => owner,
                    };
                    if open && to != index {
                        return Err(Status::failed_precondition(
                            "this id is open on another cluster than the run that is to be reset; terminate it first",
                        ));
                    }
                }
            }
            // Nothing goes to a fenced member, be it that its slots have yet to move or that it has yet to be scanned.
            if state.is_fenced(index_of(to)) {
                return Err(wait(member(namespace, to)?));
            }
            // On a slot that has not moved, filters send starts to the owner, whatever a child did elsewhere.
            let direct = owners.starts() == Direct;
            if to == owner || direct || self.claim(namespace, slot, to, &state).await? {
                return Ok(to);
            }
        }
        Err(Status::unavailable("the id's cluster changes too often to be found; try again"))
    }

    /// Has a start go to another member than the owner: from now on it is one of the slot's former owners, whose
    /// scans begin anew. False when it was released meanwhile.
    async fn claim(
        &self,
        namespace: &VirtualNamespace,
        slot: Slot,
        to: usize,
        state: &State,
    ) -> Result<bool, Status> {
        let (number, to) = (slot.index(), index_of(to));
        let member = state.members.get(usize::from(to.0));
        let member = member.ok_or_else(|| Status::internal("no such member"))?;
        let former = FormerOwner {
            slot: number,
            cluster: member.cluster.clone(),
            physical: member.namespace.clone(),
        };
        let store = self.placements.store();
        store.returns(&namespace.name, &former).await.map_err(unavailable)?;
        let was = state.slots.get(number).is_some_and(|slot| slot.former.contains(&to));
        if was {
            let here = self.placements.current(&namespace.name).await.map_err(unavailable)?;
            let here = here.slots.get(number);
            return Ok(here.is_some_and(|slot| slot.owner == to || slot.former.contains(&to)));
        }
        let by = By {
            who: "the control server",
            why: "an id of it is open there",
            lead: None,
            emptied: &[],
        };
        let what = format!("slot {number} may have workflows on {}", member.cluster);
        let claim = |_: &State| Ok(Change::Claim(number, to));
        match self.placements.change_of(&namespace.name, state, by, &what, claim).await {
            Ok(_) | Err(Error::Refused(Refused::Nothing)) => Ok(true),
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// Whether a start of an id whose last run has closed at this member may open a run elsewhere.
async fn begins_anew(
    namespace: &VirtualNamespace,
    index: usize,
    target: &Target,
    reuse: Option<&Reuse>,
) -> Result<bool, Status> {
    let Some(reuse) = reuse else { return Ok(false) };
    let described = describe(member(namespace, index)?, target).await?;
    let strange = |error| Status::internal(format!("the last run's description: {error}"));
    reuse.begins_anew(&described).map_err(strange)
}

fn late() -> Status {
    Status::unavailable("the clusters took too long to say where this id lives; try again")
}

fn index_of(member: usize) -> MemberIndex {
    MemberIndex(u16::try_from(member).unwrap_or(u16::MAX))
}

fn known(place: Place) -> Result<Place, Status> {
    match place {
        Place::Unknown(status) => Err(status),
        place => Ok(place),
    }
}

pub(super) fn unavailable(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}
