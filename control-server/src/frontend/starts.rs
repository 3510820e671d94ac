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
use super::second_chance::member;
use super::{Call, Frontend, deadline, malformed};
use crate::locate::key_locks::{KeyGuard, KeyLocks};
use crate::locate::look::describe;
use crate::locate::{Place, Target};
use crate::placements::{By, Error, PlacementsHolder, now};
use crate::topology::VirtualNamespace;

/// How long a start may take from its lock to its answer: longer than any should, and as short as may be, since
/// this is how long a key stays locked by a control server that crashed.
const LONGEST: Duration = Duration::from_secs(4);

/// The same for one that is answered when an update is done.
const LONGEST_WITH_UPDATE: Duration = Duration::from_secs(60);

/// By how much clocks may differ, and clusters be late.
const MARGIN: Duration = Duration::from_secs(2);

/// How long a start waits for its turn. One that waits longer is told to try again, before its own deadline.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);

/// Between two tries at a lock that another control server has.
const AGAIN: Duration = Duration::from_millis(10);

/// How often a key is looked for anew because its member has been released meanwhile.
const LOOKS: usize = 3;

/// Locks keys: here, so that few ask the store, and there.
#[derive(Debug)]
pub struct Starts {
    placements: Arc<PlacementsHolder>,
    server: Arc<str>,
    here: KeyLocks,
}

/// A key that is locked.
pub(crate) struct Locked {
    placements: Arc<PlacementsHolder>,
    namespace: Arc<str>,
    key: String,
    holder: String,
    _here: KeyGuard,
}

impl Starts {
    /// Locks of the control server with this name.
    #[must_use]
    pub fn new(placements: Arc<PlacementsHolder>, server: &Arc<str>) -> Self {
        Self { placements, server: server.clone(), here: KeyLocks::default() }
    }

    /// Waits for the key's turn. What is done under the lock has to end by the instant that is returned, within
    /// `longest`; the lock ends by itself some time after that.
    pub(crate) async fn lock(
        &self,
        target: &Target,
        patience: Duration,
        longest: Duration,
    ) -> Result<(Locked, Instant), Status> {
        let give_up = Instant::now() + patience;
        let busy = || {
            Status::unavailable(format!(
                "another start of {} {:?} has not told its end; try again",
                target.kind,
                String::from_utf8_lossy(&target.id)
            ))
        };
        let here = tokio::time::timeout_at(give_up, self.here.lock(target.clone())).await;
        let here = here.map_err(|_| busy())?;
        // Two keys that look alike in this text share a lock, which does no harm.
        let key = format!("{}:{}", target.kind, String::from_utf8_lossy(&target.id));
        let holder = format!("{}/{}", self.server, uuid::Uuid::new_v4().simple());
        let (placements, namespace) = (self.placements.clone(), target.namespace.clone());
        let locked = Locked { placements, namespace, key, holder, _here: here };
        let hold = u64::try_from((longest + MARGIN).as_millis()).unwrap_or(0);
        loop {
            // Counted from before the store is asked, which may take its time.
            let end = Instant::now() + longest;
            let (now, Locked { namespace, key, holder, .. }) = (now(), &locked);
            let until = now + hold;
            let store = self.placements.store();
            if store.lock(namespace, key, holder, now, until).await.map_err(unavailable)? {
                return Ok((locked, end));
            }
            if Instant::now() > give_up {
                return Err(busy());
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Locked {
    /// Lets the next one have its turn.
    pub(crate) async fn unlock(self) {
        let Self { placements, namespace, key, holder, .. } = &self;
        if let Err(error) = placements.store().unlock(namespace, key, holder).await {
            tracing::warn!(key, %error, "a key stays locked until its time is over");
        }
    }
}

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
        let (locked, end) = self.starts.lock(&target, patience, longest).await?;
        let place = self.place(namespace, &target, reopened.as_ref(), reuse.as_ref());
        let began = Instant::now();
        let place = tokio::time::timeout_at(end, place).await.unwrap_or_else(|_| Err(late()));
        let key = Key { kind: target.kind, id: &target.id };
        let ended = |to: Option<usize>, answer: &Result<Bytes, Status>| {
            let to = to.or_else(|| self.placements.owner(&namespace.name, &key));
            let member = to.and_then(|to| namespace.members.get(to));
            let (Some(member), true) = (member, call.method.creates_key) else { return };
            let code = answer.as_ref().err().map_or(Code::Ok, Status::code);
            self.metrics.starts.ended(&namespace.name, &member.name, code, began.elapsed());
        };
        let to = place.as_ref().ok().copied();
        let answer = match place.and_then(|to| member(namespace, to)) {
            Ok(member) => {
                let left = end.saturating_duration_since(Instant::now());
                // Nothing is sent that its lock may not outlive.
                if left.is_zero() {
                    locked.unlock().await;
                    return Err(late());
                }
                let answer = member.call(call.method, &call.caller, call.body.clone(), left).await;
                ended(to, &answer);
                if answer.as_ref().err().is_some_and(|s| !is_definite(s.code().into())) {
                    return answer;
                }
                if answer.is_ok() && call.method.name == "DeleteSchedule" {
                    self.delete_what_is_left(call, namespace, &target, end).await?;
                }
                answer
            }
            Err(status) => {
                let answer = Err(status);
                ended(to, &answer);
                answer
            }
        };
        locked.unlock().await;
        answer
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
        for _ in 0..LOOKS {
            // Read with each lock: what is in memory may be old.
            let state = self.placements.current(&namespace.name).await.map_err(unavailable)?;
            let owners = state.slots.get(slot.index());
            let owners = owners.ok_or_else(|| Status::internal("no such slot"))?;
            let owner = usize::from(owners.owner.0);
            let mut to = owner;
            if let Place::Member { index, open } =
                known(self.locator.locate_now(namespace, target, owner).await?)?
            {
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
        match self.placements.change(&namespace.name, by, &what, claim).await {
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

fn unavailable(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}
