//! Where a key lives: asked of the members, on Panko's own behalf.
//!
//! * [`look`] — what one member knows of a key.
//! * [`lists`] — all that one member has.
//! * [`kinds`] — kinds of keys that a server is too old for.
//! * [`fenced`] — members that are not asked.
//! * [`memory`] — what need not be asked again.
//! * [`key_locks`] — one start of a key at a time.
//!
//! The filters send what acts on a key to its slot's owner. What the owner does not find comes here: children
//! live with their parents, scheduled runs with their schedule (`docs/design/strays.md`).

pub mod fenced;
pub mod key_locks;
mod kinds;
pub mod lists;
pub mod look;
pub mod memory;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join_all};
use panko_placement::State;
use tokio::sync::Semaphore;
use tonic::Status;

use crate::metrics::Metrics;
use crate::topology::VirtualNamespace;
use crate::topology::generation::Generation;
use fenced::Asked;
use look::{Found, look};
use memory::Memory;

/// A key, and the run of it that is meant; without one the open run is, else the latest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The virtual namespace.
    pub namespace: Arc<str>,
    /// `workflow`, `schedule`, `activity` or `nexus_operation`.
    pub kind: &'static str,
    /// The key's id, as it stands in the request.
    pub id: Box<[u8]>,
    /// The run's id; empty if any will do.
    pub run: Box<[u8]>,
}

/// What a look at all members shows.
#[derive(Debug, Clone)]
pub enum Place {
    /// This member has it.
    Member {
        /// Its position in the namespace's list.
        index: usize,
        /// Whether the run is open.
        open: bool,
    },
    /// No member has it.
    Nowhere,
    /// Nobody who answered has it open, and this one did not answer.
    Unknown(Status),
}

/// What is looked for, by what is known of the namespace, and the owner that need not be asked.
type Wanted = (Target, Generation, usize);

type Look = Shared<BoxFuture<'static, Place>>;

/// Looks where keys live.
#[derive(Debug)]
pub struct Locator {
    memory: Memory,
    /// Looks that are under way: who wants the same waits for the same.
    running: Mutex<HashMap<Wanted, Look>>,
    room: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Locator {
    /// Nothing is known yet. At most `at_once` looks are under way at a time.
    #[must_use]
    pub fn new(at_once: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        let room = Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { memory: Memory::default(), running: Mutex::default(), room, metrics })
    }

    /// Where `target` lives. Of several members the one that has it open, else the one whose run started
    /// last, else `owner`.
    ///
    /// Members that are fenced are not asked, and what nobody else has is unknown because of them.
    ///
    /// Fails with RESOURCE_EXHAUSTED when as many looks are under way as may be.
    pub async fn locate(
        self: &Arc<Self>,
        namespace: &Arc<VirtualNamespace>,
        target: &Target,
        owner: usize,
    ) -> Result<Place, Status> {
        if let Some(place) = self.memory.recall(namespace, target, owner) {
            self.metrics.look_spared();
            return Ok(fenced::reached(namespace, target, place));
        }
        // The look may have begun before the member was fenced.
        let place = self.join(namespace, target, owner)?.await;
        Ok(fenced::reached(namespace, target, place))
    }

    /// Like [`Locator::locate`], by a look that begins now: what was true a moment ago does not count.
    pub async fn locate_now(
        &self,
        namespace: &VirtualNamespace,
        target: &Target,
        owner: usize,
    ) -> Result<Place, Status> {
        let _permit = self.room.clone().try_acquire_owned().map_err(|_| self.full())?;
        let asked = Asked::now(namespace);
        let place = everywhere(namespace, target, owner, &asked, &self.metrics).await;
        Ok(asked.shown(namespace, target, place))
    }

    /// Like [`Locator::locate_now`], for a start: of fenced members those are asked that starts look at, by the placement
    /// that it has read under its lock, and what nobody has is nowhere.
    pub async fn locate_for_start(
        &self,
        namespace: &VirtualNamespace,
        state: &State,
        target: &Target,
        owner: usize,
    ) -> Result<Place, Status> {
        let _permit = self.room.clone().try_acquire_owned().map_err(|_| self.full())?;
        let asked = Asked::by_starts(namespace, state);
        Ok(everywhere(namespace, target, owner, &asked, &self.metrics).await)
    }

    /// Like [`Locator::locate_now`], for what has not been asked of its owner: that is asked as well.
    pub async fn locate_among_all(
        &self,
        namespace: &VirtualNamespace,
        target: &Target,
        owner: usize,
    ) -> Result<Place, Status> {
        let _permit = self.room.clone().try_acquire_owned().map_err(|_| self.full())?;
        // Last, as of equals the last one counts.
        let in_order = (0..namespace.members.len()).filter(|at| *at != owner).chain([owner]);
        let asked = Asked::now(namespace);
        let place = choose(ask(namespace, target, in_order, &asked, &self.metrics).await);
        Ok(asked.shown(namespace, target, place))
    }

    /// The look for `target` that is under way, or a new one.
    fn join(
        self: &Arc<Self>,
        namespace: &Arc<VirtualNamespace>,
        target: &Target,
        owner: usize,
    ) -> Result<Look, Status> {
        let mut running = self.lock();
        let wanted = (target.clone(), namespace.generation, owner);
        if let Some(look) = running.get(&wanted) {
            return Ok(look.clone());
        }
        let permit = self.room.clone().try_acquire_owned().map_err(|_| self.full())?;
        let (locator, namespace, asked) = (self.clone(), namespace.clone(), wanted.clone());
        // A task of its own: whoever wants to know may go away.
        let look = tokio::spawn(async move {
            let _permit = permit;
            let (target, ..) = &asked;
            let members = Asked::now(&namespace);
            let place = everywhere(&namespace, target, owner, &members, &locator.metrics).await;
            let place = members.shown(&namespace, target, place);
            locator.memory.remember(&namespace, target, owner, &place);
            locator.lock().remove(&asked);
            place
        });
        let look = look.map(|place| place.unwrap_or_else(|_| failed())).boxed().shared();
        running.insert(wanted, look.clone());
        Ok(look)
    }

    fn full(&self) -> Status {
        self.metrics.look_refused();
        Status::resource_exhausted(
            "Panko looks for as many ids on the other clusters as it may at once; try again, or raise limits.lookups",
        )
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Wanted, Look>> {
        // The map is whole whatever panicked beside it.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed() -> Place {
    Place::Unknown(Status::internal("the look at the clusters failed; try again"))
}

/// Asks all members, the owner only if another one has it: it has just said that it does not.
async fn everywhere(
    namespace: &VirtualNamespace,
    target: &Target,
    owner: usize,
    asked: &Asked,
    metrics: &Metrics,
) -> Place {
    let others = (0..namespace.members.len()).filter(|at| *at != owner);
    let mut answers = ask(namespace, target, others, asked, metrics).await;
    if answers.iter().any(|(_, found)| matches!(found, Ok(Some(_)))) {
        answers.extend(ask(namespace, target, [owner], asked, metrics).await);
    }
    choose(answers)
}

type Answers = Vec<(usize, Result<Option<Found>, Status>)>;

/// Asks those of these members at the same time that are asked at all.
async fn ask(
    namespace: &VirtualNamespace,
    target: &Target,
    members: impl IntoIterator<Item = usize>,
    asked: &Asked,
    metrics: &Metrics,
) -> Answers {
    let members = members.into_iter().filter(|at| asked.has(*at));
    let members = members.filter_map(|at| Some((at, namespace.members.get(at)?)));
    join_all(members.map(|(index, member)| async move {
        metrics.looked();
        (index, look(member, target).await)
    }))
    .await
}

/// Of what the members know: an open run before a closed one, a later one before an earlier, and of equals
/// the last that was asked, which is the owner.
fn choose(answers: Answers) -> Place {
    let (mut best, mut silent): (Option<(Found, usize)>, Option<Status>) = (None, None);
    for (index, answer) in answers {
        match answer {
            Ok(Some(found)) if best.as_ref().is_none_or(|(best, _)| found >= *best) => {
                best = Some((found, index));
            }
            Ok(_) => {}
            Err(status) => silent = Some(status),
        }
    }
    match (best, silent) {
        (Some((found, index)), None) => Place::Member { index, open: found.open },
        (Some((Found { open: true, .. }, index)), Some(_)) => Place::Member { index, open: true },
        (_, Some(status)) => Place::Unknown(status),
        (None, None) => Place::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(open: bool, started: i128) -> Result<Option<Found>, Status> {
        Ok(Some(Found { open, started }))
    }

    fn index(answers: Vec<(usize, Result<Option<Found>, Status>)>) -> Option<usize> {
        match choose(answers) {
            Place::Member { index, .. } => Some(index),
            _ => None,
        }
    }

    #[test]
    fn open_goes_before_closed_and_later_before_earlier() {
        assert_eq!(index(vec![(1, found(false, 9)), (2, found(true, 1)), (0, Ok(None))]), Some(2));
        assert_eq!(index(vec![(1, found(false, 9)), (2, found(false, 3))]), Some(1));
        assert_eq!(index(vec![(1, found(false, 3)), (0, found(false, 3))]), Some(0));
    }

    #[test]
    fn one_that_does_not_answer_leaves_open_only_what_is_not_found_open() {
        let down = || Err(Status::unavailable("down"));
        assert_eq!(index(vec![(1, found(true, 3)), (2, down())]), Some(1));
        assert!(matches!(choose(vec![(1, found(false, 3)), (2, down())]), Place::Unknown(_)));
        assert!(matches!(choose(vec![(1, Ok(None)), (2, down())]), Place::Unknown(_)));
        assert!(matches!(choose(vec![(1, Ok(None)), (2, Ok(None))]), Place::Nowhere));
    }
}
