//! Schedules move: they never end, so whoever wants to leave a cluster takes them along.
//!
//! * [`description`] — a schedule as its member describes it, on the wire.
//! * [`same`] — whether two say the same.
//! * [`mark`] — what its notes say meanwhile, so that a move that was broken off goes on.
//! * [`calls`] — calls on a schedule at one member.
//! * [`steps`] — pause, copy, compare, set going, delete: whichever comes next.
//! * [`list`] — which member has which.
//!
//! All is done under the key's lock, by which control servers also serve calls on a schedule whose slot has a former
//! owner; `docs/design/schedules.md` says why that is enough.

pub mod calls;
pub mod description;
pub mod list;
pub mod mark;
pub mod same;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use panko_placement::{Change, Refused, State};
use panko_routing::Key;
use panko_routing::in_flight::is_definite;
use panko_routing::placement::{MemberIndex, Starts as Go};
use panko_store::FormerOwner;
use tokio::time::Instant;
use tonic::Status;

use crate::frontend::Starts;
use crate::locate::Target;
use crate::placements::{By, Error, PlacementsHolder, now};
use crate::topology::VirtualNamespace;
use steps::Steps;

/// How long a move may take: calls on the schedule wait for so long, should a control server crash in the middle.
const LONGEST: Duration = Duration::from_secs(15);

/// How long it waits for its turn.
const PATIENCE: Duration = Duration::from_secs(8);

/// For how long filters may take to route by what a move has changed.
const FILTERS: Duration = Duration::from_secs(3);

/// Between two looks whether they do.
const AGAIN: Duration = Duration::from_millis(50);

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The schedule lives with its slot's owner now, and no longer at `from`. Beside it what is to be known of that.
    Moved {
        /// The member that had it; none where an earlier move was only completed.
        from: String,
        /// The member that has it.
        to: String,
        /// What was made up for, and what was not.
        told: Vec<String>,
    },
    /// It lives there already.
    Stays(String),
    /// It cannot be moved at this moment, for this reason.
    Waits(String),
    /// It would be moved.
    Would {
        /// The member that has it. The same as `to` where it is paused there in the middle of a move.
        from: String,
        /// The member that would get it.
        to: String,
    },
}

/// Moves schedules.
pub struct Mover {
    placements: Arc<PlacementsHolder>,
    starts: Arc<Starts>,
}

impl Mover {
    /// One that locks keys by these means.
    #[must_use]
    pub fn new(placements: Arc<PlacementsHolder>, starts: Arc<Starts>) -> Self {
        Self { placements, starts }
    }

    /// Moves a schedule to the owner of its slot, or goes on with a move that was broken off.
    pub async fn move_to_owner(
        &self,
        namespace: &VirtualNamespace,
        id: &str,
        dry_run: bool,
    ) -> Result<Outcome, Status> {
        let target = Target {
            namespace: namespace.name.clone(),
            kind: "schedule",
            id: id.as_bytes().into(),
            run: Box::default(),
        };
        let give_up = Instant::now() + PATIENCE;
        let locked = self.starts.lock(&target, give_up, LONGEST).await?;
        let end = locked.end();
        let moved = self.under_lock(namespace, id, end, dry_run);
        let moved = tokio::time::timeout_at(end, moved).await;
        let moved = moved.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(
                "the clusters took too long; the schedule may be paused in the middle of its move, which goes on with the next try",
            ))
        });
        match &moved {
            // What was sent may still take effect; the lock ends after that.
            Err(status) if !is_definite(status.code().into()) => {}
            _ => locked.unlock(),
        }
        moved
    }

    async fn under_lock(
        &self,
        namespace: &VirtualNamespace,
        id: &str,
        end: Instant,
        dry_run: bool,
    ) -> Result<Outcome, Status> {
        let state = self.placements.current(&namespace.name).await.map_err(unavailable)?;
        namespace.must_fit(&state)?;
        let number = Key { kind: "schedule", id: id.as_bytes() }.slot().index();
        let slot = state.slots.get(number);
        let slot = slot.ok_or_else(|| Status::internal("no such slot"))?;
        if slot.to.is_some() {
            return Ok(Outcome::Waits("its slot is being handed over at this moment".to_owned()));
        }
        let steps = Steps::new(namespace, &state, id, usize::from(slot.owner.0), end)?;
        let away = match steps.away().await? {
            Ok(away) => away,
            Err(outcome) => return Ok(outcome),
        };
        if dry_run {
            return steps.would(&away).await;
        }
        for at in away.iter().copied() {
            if let Some(waits) = self.through_control_servers(namespace, number, at, &state).await?
            {
                return Ok(waits);
            }
        }
        steps.run().await
    }

    /// Makes sure that all calls on the slot's schedules come through a control server, where they wait for the lock. Says
    /// what is waited for, if that takes longer.
    async fn through_control_servers(
        &self,
        namespace: &VirtualNamespace,
        slot: usize,
        at: usize,
        state: &State,
    ) -> Result<Option<Outcome>, Status> {
        let member = MemberIndex(u16::try_from(at).unwrap_or(u16::MAX));
        let owners = state.slots.get(slot);
        let mut version = state.version;
        if let Some(here) = state.members.get(at) {
            // Until this is over no scan may find that it has nothing of the slot.
            let (cluster, physical) = (here.cluster.clone(), here.namespace.clone());
            let here = FormerOwner { slot, cluster, physical };
            let store = self.placements.store();
            store.returns(&namespace.name, &here).await.map_err(unavailable)?;
        }
        if !owners.is_some_and(|o| o.former.contains(&member) && o.starts() == Go::Locate) {
            let by = By {
                who: "the control server",
                why: "a schedule of it is to be moved from there",
                lead: None,
                emptied: &[],
            };
            let what = format!("slot {slot} may have schedules on another member");
            let claim = |_: &State| Ok(Change::Claim(slot, member));
            match self.placements.change_of(&namespace.name, state, by, &what, claim).await {
                Ok(state) => version = state.version,
                Err(Error::Refused(Refused::Nothing)) => {}
                Err(error) => return Err(unavailable(error)),
            }
        }
        let give_up = Instant::now() + FILTERS;
        loop {
            let store = self.placements.store();
            let filters = store.participants(&namespace.name).await.map_err(unavailable)?;
            let missing: Vec<_> = filters.missing(version, now()).map(|f| f.node.clone()).collect();
            if missing.is_empty() {
                return Ok(None);
            }
            if Instant::now() > give_up {
                return Ok(Some(Outcome::Waits(format!(
                    "these Envoys do not yet route by the newest placement: {}; see `panko filters`",
                    missing.join(", ")
                ))));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn unavailable(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}
