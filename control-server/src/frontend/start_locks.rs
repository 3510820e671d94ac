//! Locks of keys that are being started: here, so that few ask the store, and there, for all control servers.
//!
//! A lock is for calls to one member: that cluster keeps ids apart by itself, and what may not be is a call to another
//! one meanwhile. Most calls are over at once, and have their lock alone. One that is answered when an update is done
//! shares it, by saying to which member it goes: others that find that they go there, too, join.

use std::sync::Arc;
use std::time::Duration;

use panko_store::KeyLock;
use tokio::time::Instant;
use tonic::Status;

use super::starts::unavailable;
use crate::locate::Target;
use crate::locate::key_locks::{KeyGuard, KeyLocks};
use crate::placements::{PlacementsHolder, now};
use crate::topology::Member;

/// How long a start may take from its lock to its answer: longer than any should, and as short as may be, since
/// this is how long a key stays locked by a control server that crashed.
pub(super) const LONGEST: Duration = Duration::from_secs(4);

/// The same for one that is answered when an update is done, from when it is sent.
pub(super) const LONGEST_WITH_UPDATE: Duration = Duration::from_secs(60);

/// By how much clocks may differ, and clusters be late.
const MARGIN: Duration = Duration::from_secs(2);

/// How long after a moment all calls are over that have their lock by then. A lock that is shared lasts longer, for those
/// that join it.
pub(crate) const ALL_OVER: Duration =
    LONGEST.saturating_add(LONGEST_WITH_UPDATE).saturating_add(MARGIN);

/// Between two tries at a lock that another one has.
const AGAIN: Duration = Duration::from_millis(10);

/// Locks keys.
#[derive(Debug)]
pub struct Starts {
    placements: Arc<PlacementsHolder>,
    server: Arc<str>,
    here: KeyLocks,
}

/// A key that is locked.
#[derive(Debug)]
pub(crate) struct Locked {
    placements: Arc<PlacementsHolder>,
    namespace: Arc<str>,
    key: String,
    holder: String,
    /// Where all calls under it go, if it is shared.
    to: Option<String>,
    end: Instant,
    here: Option<KeyGuard>,
}

impl Starts {
    /// Locks of the control server with this name.
    #[must_use]
    pub fn new(placements: Arc<PlacementsHolder>, server: &Arc<str>) -> Self {
        Self { placements, server: server.clone(), here: KeyLocks::default() }
    }

    /// Waits for the key's turn. What is done under the lock has to end by [`Locked::end`], within `longest`; the
    /// lock ends by itself some time after that.
    pub(crate) async fn lock(
        &self,
        target: &Target,
        give_up: Instant,
        longest: Duration,
    ) -> Result<Locked, Status> {
        let here = tokio::time::timeout_at(give_up, self.here.lock(target.clone())).await;
        let here = Some(here.map_err(|_| busy(target))?);
        // Two keys that look alike in this text share a lock, which does no harm.
        let key = format!("{}:{}", target.kind, String::from_utf8_lossy(&target.id));
        let holder = format!("{}/{}", self.server, uuid::Uuid::new_v4().simple());
        let (placements, namespace) = (self.placements.clone(), target.namespace.clone());
        let store = self.placements.store();
        loop {
            // Counted from before the store is asked, which may take its time.
            let (end, now) = (Instant::now() + longest, now());
            let until = now + millis(longest + MARGIN);
            if store.lock(&namespace, &key, &holder, now, until).await.map_err(unavailable)? {
                return Ok(Locked { placements, namespace, key, holder, to: None, end, here });
            }
            let shared = store.join(&namespace, &key, until).await.map_err(unavailable)?;
            if let Some(shared) = shared {
                let (holder, to) = (shared.holder, Some(shared.to));
                return Ok(Locked { placements, namespace, key, holder, to, end, here });
            }
            if Instant::now() > give_up {
                return Err(busy(target));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

impl Locked {
    /// When what is done under it has to have ended.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    /// Makes it certain that all calls under this lock go to this member, and lets one that takes `longest` have its
    /// time. False if others go elsewhere: this one has to wait for their end.
    pub(super) async fn goes_to(
        &mut self,
        member: &Member,
        longest: Duration,
    ) -> Result<bool, Status> {
        let to = format!("{}/{}", member.cluster.name(), member.namespace);
        if self.to.as_ref().is_some_and(|others| *others != to) {
            return Ok(false);
        }
        if longest <= LONGEST {
            return Ok(true);
        }
        let (end, now) = (Instant::now() + longest, now());
        self.to = Some(to.clone());
        let Self { placements, namespace, key, holder, .. } = &*self;
        let lock = KeyLock { namespace, key, holder };
        let shared = placements.store().share(&lock, &to, now, now + millis(longest + MARGIN));
        if !shared.await.map_err(unavailable)? {
            return Err(unavailable("the id's lock was over before its start was sent; try again"));
        }
        (self.end, self.here) = (end, None);
        Ok(true)
    }

    /// It is certain what became of the call. Whoever has an answer need not wait for the store; whoever wants the key
    /// next does.
    pub(crate) fn unlock(self) {
        tokio::spawn(async move {
            let Self { placements, namespace, key, holder, .. } = &self;
            let (store, lock) = (placements.store(), KeyLock { namespace, key, holder });
            let left = match self.to {
                Some(_) => store.leave(&lock).await,
                None => store.unlock(namespace, key, holder).await,
            };
            if let Err(error) = left {
                tracing::warn!(key, %error, "a key stays locked until its time is over");
            }
        });
    }
}

/// Others have the key, for longer than a start waits.
pub(super) fn busy(target: &Target) -> Status {
    Status::unavailable(format!(
        "another start of {} {:?} has not told its end; try again",
        target.kind,
        String::from_utf8_lossy(&target.id)
    ))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(0)
}
