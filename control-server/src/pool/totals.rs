//! Sums over all pools of a control server: what is bounded, and what a stop waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::machine::Pool;

/// The sums.
#[derive(Debug)]
pub struct Totals {
    open: AtomicUsize,
    held: AtomicUsize,
    /// Tasks that are in the control server, held or on their way out.
    tasks: AtomicUsize,
    errands: AtomicUsize,
    most_held: usize,
}

/// What one pool adds to the sums. Taken back when it is dropped.
#[derive(Debug)]
pub struct Share {
    totals: Arc<Totals>,
    open: usize,
    held: usize,
    tasks: usize,
}

impl Totals {
    /// No pools yet, which may hold `most_held` tasks.
    #[must_use]
    pub fn new(most_held: usize) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            tasks: AtomicUsize::new(0),
            errands: AtomicUsize::new(0),
            most_held,
        })
    }

    /// Whether a further poll may bring a task, or too many wait for workers.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.held.load(Ordering::Relaxed) < self.most_held
    }

    /// Whether nothing that clusters have handed out, or may hand out, is here.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        [&self.open, &self.tasks, &self.errands].iter().all(|n| n.load(Ordering::SeqCst) == 0)
    }

    /// Counts a call that a stop has to wait for, as long as it lives.
    #[must_use]
    pub fn errand(self: &Arc<Self>) -> Errand {
        self.errands.fetch_add(1, Ordering::Relaxed);
        Errand(self.clone())
    }

    /// The share of a new pool.
    #[must_use]
    pub fn share(self: &Arc<Self>) -> Share {
        Share { totals: self.clone(), open: 0, held: 0, tasks: 0 }
    }
}

impl Share {
    /// Brings the sums up to date.
    pub fn show(&mut self, pool: &Pool, tasks: usize) {
        let totals = &self.totals;
        // Tasks first: one that an open poll has brought is never in neither of the two sums.
        for (sum, shown, now) in [
            (&totals.tasks, &mut self.tasks, tasks),
            (&totals.held, &mut self.held, pool.held()),
            (&totals.open, &mut self.open, pool.open()),
        ] {
            // Wraps around where there are fewer than before.
            sum.fetch_add(now.wrapping_sub(*shown), Ordering::SeqCst);
            *shown = now;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let totals = &self.totals;
        for (sum, shown) in
            [(&totals.open, self.open), (&totals.held, self.held), (&totals.tasks, self.tasks)]
        {
            sum.fetch_sub(shown, Ordering::Relaxed);
        }
    }
}

/// See [`Totals::errand`].
#[derive(Debug)]
pub struct Errand(Arc<Totals>);

impl Drop for Errand {
    fn drop(&mut self) {
        self.0.errands.fetch_sub(1, Ordering::Relaxed);
    }
}
