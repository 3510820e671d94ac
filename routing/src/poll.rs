//! Which control server a poll goes to: by the hash of its task queue.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use xxhash_rust::xxh64::Xxh64;

/// What Envoy chooses a control server by, so that the polls of one task queue meet in one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PollHash(u64);

impl PollHash {
    /// `xxHash64(kind ":" namespace "/" queue, seed part)`, where `part` is 0 unless the queue is
    /// spread.
    ///
    /// All filters have to agree, so a change moves every queue while old and new filters run side
    /// by side; `docs/design/replicas.md` publishes test vectors. Two queues that give the same
    /// text share a control server, which does no harm.
    #[must_use]
    pub fn of(kind: &str, namespace: &str, queue: &[u8], part: u32) -> Self {
        let mut hash = Xxh64::new(part.into());
        for text in [kind.as_bytes(), b":", namespace.as_bytes(), b"/", queue] {
            hash.update(text);
        }
        Self(hash.digest())
    }
}

impl fmt::Display for PollHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// In how many parts the polls of one task queue are spread, and whose turn it is.
#[derive(Debug)]
pub struct Spread {
    parts: u32,
    /// Shared by whoever holds the placement; only the filter, in its one thread, takes turns.
    turn: AtomicU32,
}

impl Spread {
    /// A spread in so many parts. The first turn is a random one: all filters get a placement at
    /// the same moment, and would otherwise begin with the same part.
    #[must_use]
    pub fn new(parts: u32) -> Self {
        // The standard library seeds its hashers from the host's random source.
        let random = RandomState::new().build_hasher().finish();
        // The remainder is below `u32::MAX`, so it fits.
        let turn = AtomicU32::new((random % u64::from(u32::MAX)) as u32);
        Self { parts, turn }
    }

    /// How many parts there are.
    #[must_use]
    pub fn parts(&self) -> u32 {
        self.parts
    }

    /// The part of the next poll: each in turn.
    #[must_use]
    pub fn next(&self) -> u32 {
        self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(self.parts).unwrap_or(0)
    }
}

impl Clone for Spread {
    fn clone(&self) -> Self {
        Self::new(self.parts)
    }
}

/// Whose turn it is makes no difference between placements.
impl PartialEq for Spread {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Spread {}
