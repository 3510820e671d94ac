//! Start-type calls that do not go straight to their slot's owner: the slot has a former owner or is about to
//! get another one, or the namespace has every start look everywhere. They go where their key lives, one at a time for
//! each key, whichever control server gets them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use panko_placement::{Change, Refused, State};
use panko_routing::placement::MemberIndex;
use panko_routing::{Key, Slot};
use panko_store::FormerOwner;
use tonic::{Code, Status};

use super::second_chance::{forward, member};
use super::{Call, Frontend, deadline};
use crate::locate::key_locks::{KeyGuard, KeyLocks};
use crate::locate::{Place, Target};
use crate::placements::{By, Error, PlacementsHolder, now};
use crate::topology::VirtualNamespace;

/// How long a start without a deadline may take effect, and one whose deadline is later than that.
const WITHOUT_DEADLINE: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(60);

/// By how much clocks may differ, and clusters be late.
const MARGIN: Duration = Duration::from_secs(5);

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
struct Locked {
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

    /// Waits for the key's turn, at most for as long as its call may take.
    async fn lock(&self, target: &Target, within: Duration) -> Result<Locked, Status> {
        let here = self.here.lock(target.clone()).await;
        // Two keys that look alike in this text share a lock, which does no harm.
        let key = format!("{}:{}", target.kind, String::from_utf8_lossy(&target.id));
        let holder = format!("{}/{}", self.server, uuid::Uuid::new_v4().simple());
        let (placements, namespace) = (self.placements.clone(), target.namespace.clone());
        let locked = Locked { placements, namespace, key, holder, _here: here };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(0);
        let give_up = now() + millis(within);
        loop {
            let now = now();
            let Locked { namespace, key, holder, .. } = &locked;
            let until = now + millis(within + MARGIN);
            let store = self.placements.store();
            if store.lock(namespace, key, holder, now, until).await.map_err(unavailable)? {
                return Ok(locked);
            }
            if now > give_up {
                return Err(Status::unavailable(format!(
                    "another start of {key} has not told its end; try again"
                )));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Locked {
    async fn unlock(self) {
        let Self { placements, namespace, key, holder, .. } = &self;
        if let Err(error) = placements.store().unlock(namespace, key, holder).await {
            tracing::warn!(key, %error, "a key stays locked until its time is over");
        }
    }
}

impl Frontend {
    /// A call that creates its key. It goes to the member that has the key's open run, else its latest, else
    /// to the slot's owner: there the server knows all that its reuse and conflict policies ask for.
    pub(super) async fn locate_and_start(&self, call: Call) -> Result<Bytes, Status> {
        let (namespace, mut target) = self.target(&call)?;
        let reopened = (!call.method.creates_key).then(|| target.clone());
        target.run = Box::default();
        let within = bounded(&call);
        let locked = self.starts.lock(&target, within).await?;
        let to = match self.place(namespace, &target, reopened.as_ref()).await {
            Ok(to) => to,
            Err(status) => {
                locked.unlock().await;
                return Err(status);
            }
        };
        let member = member(namespace, to)?.clone();
        // A task of its own: the key stays locked until it is certain what became of the call, whether or not its caller
        // still waits.
        let start = tokio::spawn(async move {
            let answer = forward(&call, &member).await;
            if answer.as_ref().err().is_none_or(is_definite) {
                locked.unlock().await;
            }
            answer
        });
        start.await.map_err(|_| Status::internal("the call was lost on its way"))?
    }

    /// The member that gets a start of `target`, which is locked. `reopened` is the run that is to be reset.
    async fn place(
        &self,
        namespace: &Arc<VirtualNamespace>,
        target: &Target,
        reopened: Option<&Target>,
    ) -> Result<usize, Status> {
        let slot = Key { kind: target.kind, id: &target.id }.slot();
        for _ in 0..LOOKS {
            // Read with each lock: what is in memory may be old.
            let state = self.placements.current(&namespace.name).await.map_err(unavailable)?;
            let owner = state.slots.get(slot.index()).map(|slot| usize::from(slot.owner.0));
            let owner = owner.ok_or_else(|| Status::internal("no such slot"))?;
            let mut to = owner;
            if let Place::Member { index, open } =
                known(self.locator.locate_now(namespace, target, owner).await?)?
            {
                let holds = state.slots.get(slot.index());
                let holds = holds.is_some_and(|slot| slot.former.contains(&index_of(index)));
                // What has closed elsewhere was started by a cluster itself, and binds nobody.
                if open || holds || namespace.locate_before_start {
                    to = index;
                }
                if let Some(run) = reopened.filter(|run| !run.run.is_empty()) {
                    let run = known(self.locator.locate_now(namespace, run, owner).await?)?;
                    match run {
                        Place::Member { index: other, .. } if open && other != index => {
                            return Err(Status::failed_precondition(
                                "this id is open on another cluster than the run that is to be reset; terminate it first",
                            ));
                        }
                        Place::Member { index: other, .. } => to = other,
                        _ => to = owner,
                    }
                }
            }
            if to == owner || self.claim(namespace, slot, to, &state).await? {
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
        let by = By { who: "the control server", why: "an id of it is open there", lead: None };
        let what = format!("slot {number} may have workflows on {}", member.cluster);
        let claim = |_: &State| Ok(Change::Claim(number, to));
        match self.placements.change(&namespace.name, by, &what, claim).await {
            Ok(_) | Err(Error::Refused(Refused::Nothing)) => Ok(true),
            Err(error) => Err(unavailable(error)),
        }
    }
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

/// How long a call may take effect.
fn bounded(call: &Call) -> Duration {
    let asked = call.timeout.as_deref().and_then(deadline::parse);
    asked.unwrap_or(WITHOUT_DEADLINE).min(LONGEST)
}

/// Whether a cluster's refusal tells that the call took no effect.
fn is_definite(status: &Status) -> bool {
    !matches!(
        status.code(),
        Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
    )
}
