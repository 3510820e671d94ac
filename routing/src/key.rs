//! Keys and the slots that they hash to.

use std::fmt;

use xxhash_rust::xxh64::Xxh64;

/// How many slots a virtual namespace has. Fixed for ever: placements are stored by slot.
pub const SLOTS: usize = 4096;

/// What a call is scoped to, written as Temporal's API writes its resource id: `workflow:<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// `workflow`, `schedule`, `activity`, …
    pub kind: &'a str,
    /// The id as it stands in the request. Not checked to be UTF-8: the cluster does that.
    pub id: &'a [u8],
}

/// One of the [`SLOTS`] hash buckets of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Key<'_> {
    /// `xxHash64(kind ":" id, seed 0) mod 4096`.
    ///
    /// Fixed for ever; `docs/design/hash.md` publishes test vectors.
    #[must_use]
    pub fn slot(&self) -> Slot {
        let mut hash = Xxh64::new(0);
        hash.update(self.kind.as_bytes());
        hash.update(b":");
        hash.update(self.id);
        // The remainder is below 4096, so it fits.
        Slot((hash.digest() % SLOTS as u64) as u16)
    }
}

impl Slot {
    /// The slot's number, below [`SLOTS`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, String::from_utf8_lossy(self.id))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
