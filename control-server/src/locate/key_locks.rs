//! One start of a key at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::Target;

type Locks = HashMap<Target, Arc<tokio::sync::Mutex<()>>>;

/// Locks by key. There are as many as there are starts under way.
#[derive(Debug, Clone, Default)]
pub struct KeyLocks(Arc<Mutex<Locks>>);

/// Holds a key's lock until it is dropped.
#[derive(Debug)]
pub struct KeyGuard {
    locks: KeyLocks,
    key: Target,
    held: Option<OwnedMutexGuard<()>>,
}

impl KeyLocks {
    /// Waits for the key's turn.
    pub async fn lock(&self, key: Target) -> KeyGuard {
        let lock = self.all().entry(key.clone()).or_default().clone();
        // Made first, so that the lock is put away also when the caller stops waiting.
        let mut guard = KeyGuard { locks: self.clone(), key, held: None };
        guard.held = Some(lock.lock_owned().await);
        guard
    }

    fn all(&self) -> MutexGuard<'_, Locks> {
        // The map is whole whatever panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        self.held = None;
        let mut all = self.locks.all();
        // New holders come by the map, which is locked: one left means that it is the map's.
        if all.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            all.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn key(id: &str) -> Target {
        let (id, run) = (id.as_bytes().into(), b""[..].into());
        Target { namespace: "default".into(), kind: "workflow", id, run }
    }

    #[tokio::test]
    async fn one_at_a_time_and_nothing_is_left() {
        let locks = KeyLocks::default();
        let first = locks.lock(key("a")).await;
        let other = locks.lock(key("b")).await;
        assert!(locks.lock(key("a")).now_or_never().is_none(), "two hold one key");
        let second = tokio::spawn({
            let locks = locks.clone();
            async move { drop(locks.lock(key("a")).await) }
        });
        tokio::task::yield_now().await;
        drop(first);
        second.await.unwrap();
        drop(other);
        assert!(locks.all().is_empty(), "{locks:?}");
    }
}
