//! Which of two looks at the same virtual namespace is the later one.

use std::sync::atomic::{AtomicU64, Ordering};

/// When something was built, as against what else this process builds. Later ones are greater.
///
/// A call that began before a change may come to somebody who has heard of the change already: what it brings
/// is then known for old.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(u64);

impl Generation {
    /// Later than all before it.
    #[must_use]
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
