//! One member, as a pool sees it: what it gives, and how many polls it should have for that.

use super::event::Millis;

/// Polls that stay open on a member that gives tasks now and then: head-room for a burst. A task
/// queue has four partitions by default, and a poll waits at one of them.
const HEADROOM: usize = 4;

/// Open polls for every task a second. A poll is open again some milliseconds after its task, so
/// this is many times what a steady rate needs.
const POLLS_PER_RATE: f64 = 0.2;

/// How fast a member's rate of tasks, and what a burst has shown to be needed, is forgotten.
const HALF_LIFE: f64 = 5_000.0;

/// A member that has given nothing for this long has one poll, until its next task.
const IDLE_AFTER: Millis = 60_000;

/// While polls are scarce: for how long after a task a member is looked at in turn.
const WARM: Millis = 30_000;

/// The most that bursts add to the polls of one member.
const LARGEST_BOOST: f64 = 256.0;

/// The first pause after a poll failed; it doubles up to [`LONGEST_BACKOFF`].
const SHORTEST_BACKOFF: Millis = 50;
const LONGEST_BACKOFF: Millis = 5_000;

/// The pause of a member that has as many polls as it takes.
const EXHAUSTED_BACKOFF: Millis = 1_000;

/// How fast such a member is trusted with more polls again: one more in so many milliseconds.
const RECOVERY: Millis = 1_000;

/// What a pool remembers of a member.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// Polls that are open on it.
    pub open: usize,
    /// Whether polls are opened on it at all. One that has left keeps those that it has.
    pub is_in: bool,
    /// Whether its last poll brought a task.
    pub hot: bool,
    /// When a poll was last opened on it.
    pub last_poll: Option<Millis>,
    /// Tasks a second, averaged over [`HALF_LIFE`].
    rate: f64,
    /// What bursts have shown to be needed beyond the rate.
    boost: f64,
    decayed_at: Millis,
    last_task: Option<Millis>,
    failures: u32,
    backoff_until: Millis,
    /// The polls that it took when it last said that it takes no more, and when that was.
    exhausted: Option<(usize, Millis)>,
}

impl Member {
    /// A poll brought a task.
    pub fn brought(&mut self, now: Millis) {
        self.ended(now);
        self.rate += std::f64::consts::LN_2 * 1_000.0 / HALF_LIFE;
        self.hot = true;
        self.last_task = Some(now);
        if self.open == 0 {
            // The next task may have come before the next poll.
            self.boost = (self.boost * 2.0).clamp(HEADROOM as f64, LARGEST_BOOST);
        }
    }

    /// A poll ended empty.
    pub fn empty(&mut self, now: Millis) {
        self.ended(now);
        self.hot = false;
    }

    /// A poll failed: the member is left alone for a while.
    pub fn failed(&mut self, now: Millis) {
        self.open = self.open.saturating_sub(1);
        self.hot = false;
        // Polls that fail together are one failure.
        if now >= self.backoff_until {
            let backoff = SHORTEST_BACKOFF << self.failures.min(10);
            self.failures += 1;
            self.backoff_until = now + backoff.min(LONGEST_BACKOFF);
        }
    }

    /// The member takes no more polls than it has.
    pub fn exhausted(&mut self, now: Millis) {
        self.open = self.open.saturating_sub(1);
        if now >= self.backoff_until {
            self.exhausted = Some((self.open.max(1), now));
            self.backoff_until = now + EXHAUSTED_BACKOFF;
        }
    }

    /// Polls are opened on it from now on. How those of before failed says nothing of how it is reached now.
    pub fn joined(&mut self) {
        self.is_in = true;
        self.failures = 0;
        self.backoff_until = 0;
        self.exhausted = None;
    }

    /// Until when it is left alone.
    #[must_use]
    pub fn backoff_until(&self) -> Millis {
        self.backoff_until
    }

    /// Whether a poll may be opened on it. One that failed is asked by a single poll first.
    #[must_use]
    pub fn is_ready(&self, now: Millis) -> bool {
        let taken = self.exhausted.map_or(usize::MAX, |(open, since)| {
            open + (now.saturating_sub(since) / RECOVERY) as usize
        });
        let well = self.failures == 0 || self.open == 0;
        self.is_in && now >= self.backoff_until && well && self.open < taken
    }

    /// Whether it has given a task lately.
    #[must_use]
    pub fn is_warm(&self, now: Millis) -> bool {
        self.last_task.is_some_and(|at| now.saturating_sub(at) < WARM)
    }

    /// How many polls it should have, given as many waiting ones as it likes.
    #[must_use]
    pub fn wanted(&self, now: Millis) -> usize {
        let fading = self.fading(now);
        let idle = self.last_task.is_none_or(|at| now.saturating_sub(at) > IDLE_AFTER);
        let headroom = if idle { 1 } else { HEADROOM };
        headroom + (self.rate * fading * POLLS_PER_RATE + self.boost * fading) as usize
    }

    /// Tasks a second.
    #[must_use]
    pub fn rate(&self, now: Millis) -> f64 {
        self.rate * self.fading(now)
    }

    fn ended(&mut self, now: Millis) {
        self.open = self.open.saturating_sub(1);
        self.failures = 0;
        let fading = self.fading(now);
        self.rate *= fading;
        self.boost *= fading;
        self.decayed_at = now;
    }

    /// What is left of rate and boost.
    fn fading(&self, now: Millis) -> f64 {
        let age = now.saturating_sub(self.decayed_at) as f64;
        (-age / HALF_LIFE * std::f64::consts::LN_2).exp()
    }
}
