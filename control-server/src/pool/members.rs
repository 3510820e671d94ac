//! What a pool remembers of each member, and on whom the next poll is opened.

use super::event::{Kind, Millis};

/// Polls that stay open on a member even when no task comes: head-room for a burst.
const HEADROOM: usize = 4;

/// Open polls for every task a second. A poll is open again some milliseconds after its task, so
/// this is many times what a steady rate needs.
const POLLS_PER_RATE: f64 = 0.2;

/// How fast a member's rate of tasks is forgotten.
const RATE_HALF_LIFE: f64 = 5_000.0;

/// While polls are scarce and some member gives tasks: how often one that gave nothing is asked.
/// It keeps the worker for a second and a half, so this bounds what looking elsewhere costs.
const COLD_INTERVAL: Millis = 5_000;

/// The first pause after a poll failed; it doubles up to [`LONGEST_BACKOFF`].
const SHORTEST_BACKOFF: Millis = 50;
const LONGEST_BACKOFF: Millis = 5_000;

/// One member, as a pool sees it.
#[derive(Debug, Clone, Default)]
struct Member {
    open: usize,
    /// Tasks a second, averaged over [`RATE_HALF_LIFE`].
    rate: f64,
    rate_at: Millis,
    /// Whether its last poll brought a task.
    hot: bool,
    last_poll: Option<Millis>,
    failures: u32,
    backoff_until: Millis,
}

/// The members of a pool's virtual namespace.
#[derive(Debug, Clone)]
pub struct Members {
    all: Vec<Member>,
    /// When a member whose last poll was empty was last asked.
    last_cold: Millis,
}

impl Members {
    /// As many members as there are.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { all: vec![Member::default(); count], last_cold: 0 }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Polls open on a member.
    #[must_use]
    pub fn open(&self, member: usize) -> usize {
        self.all.get(member).map_or(0, |m| m.open)
    }

    /// A poll was opened.
    pub fn opened(&mut self, member: usize, now: Millis) {
        if let Some(m) = self.all.get_mut(member) {
            m.open += 1;
            m.last_poll = Some(now);
            if !m.hot {
                self.last_cold = now;
            }
        }
    }

    /// A poll brought a task.
    pub fn brought(&mut self, member: usize, now: Millis) {
        self.closed(member, |m| {
            m.decay(now);
            m.rate += std::f64::consts::LN_2 * 1_000.0 / RATE_HALF_LIFE;
            m.hot = true;
        });
    }

    /// A poll ended empty.
    pub fn empty(&mut self, member: usize, now: Millis) {
        self.closed(member, |m| {
            m.decay(now);
            m.hot = false;
        });
    }

    /// A poll failed: the member is left alone for a while.
    pub fn failed(&mut self, member: usize, now: Millis) {
        if let Some(m) = self.all.get_mut(member) {
            m.open = m.open.saturating_sub(1);
            m.hot = false;
            // Polls that fail together are one failure.
            if now >= m.backoff_until {
                let backoff = SHORTEST_BACKOFF << m.failures.min(10);
                m.failures += 1;
                m.backoff_until = now + backoff.min(LONGEST_BACKOFF);
            }
        }
    }

    /// The member on whom the next poll is opened, if one wants another.
    ///
    /// With a waiting poll for every member, the one with the fewest open for its rate. With fewer
    /// (`scarce`), members whose last poll brought a task, and every [`COLD_INTERVAL`] the one of the
    /// others that has waited longest.
    #[must_use]
    pub fn next(&self, now: Millis, scarce: bool) -> Option<usize> {
        let ready = self.all.iter().enumerate().filter(|(_, m)| now >= m.backoff_until);
        if scarce {
            let cold_first = now.saturating_sub(self.last_cold) >= COLD_INTERVAL;
            let idle = ready.filter(|(_, m)| m.open == 0);
            return idle.min_by_key(|(_, m)| (m.hot == cold_first, m.last_poll)).map(|(n, _)| n);
        }
        ready
            .map(|(n, m)| (n, m.open as f64 / m.wanted(now) as f64))
            .filter(|(_, share)| *share < 1.0)
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(n, _)| n)
    }

    /// The next time at which a member comes back from its backoff.
    #[must_use]
    pub fn next_return(&self, now: Millis) -> Option<Millis> {
        self.all.iter().map(|m| m.backoff_until).filter(|&until| until > now).min()
    }

    /// How many polls may be open when this many polls wait.
    #[must_use]
    pub fn allowed(&self, kind: Kind, waiting: usize) -> usize {
        match kind {
            // A workflow task can be given back, so one poll on each is allowed.
            Kind::Workflow | Kind::Sticky if waiting > 0 => waiting.max(self.len()),
            _ => waiting,
        }
    }

    fn closed(&mut self, member: usize, change: impl FnOnce(&mut Member)) {
        if let Some(m) = self.all.get_mut(member) {
            m.open = m.open.saturating_sub(1);
            m.failures = 0;
            change(m);
        }
    }
}

impl Member {
    fn decay(&mut self, now: Millis) {
        self.rate = self.rate_at(now);
        self.rate_at = now;
    }

    fn rate_at(&self, now: Millis) -> f64 {
        let age = now.saturating_sub(self.rate_at) as f64;
        self.rate * (-age / RATE_HALF_LIFE * std::f64::consts::LN_2).exp()
    }

    /// How many polls the member should have open, given as many waiting ones as it likes.
    fn wanted(&self, now: Millis) -> usize {
        HEADROOM + (self.rate_at(now) * POLLS_PER_RATE).ceil() as usize
    }
}
