//! The members of a pool's virtual namespace: on whom the next poll is opened.

use super::event::{Failure, Millis};
use super::member::Member;

/// While polls are scarce and some member gives tasks: how often one that gave nothing is asked.
/// It keeps the worker for a second and a half, so this bounds what looking elsewhere costs.
const COLD_INTERVAL: Millis = 5_000;

/// While polls are scarce: how long one member may go on giving tasks before another that gave some
/// lately has its turn.
const TURN: Millis = 1_000;

/// What part of the workers' rate limit is shared out evenly. The rest goes by what members give;
/// without this part one that had nothing yet could never show that it has more now.
const EVEN_SHARE: f64 = 0.5;

/// All of them, those that have left included: a member keeps its number.
#[derive(Debug, Clone, Default)]
pub struct Members {
    all: Vec<Member>,
    /// From when on a member that has given nothing lately has its turn.
    next_cold: Millis,
}

impl Members {
    /// How many polls are opened on: without those that have left.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ins().count()
    }

    /// Polls are opened on a member from now on. One that is new has its turn at once.
    pub fn joined(&mut self, member: usize, now: Millis) {
        if let Some(m) = self.numbered(member) {
            m.joined();
            self.next_cold = self.next_cold.min(now);
        }
    }

    /// No further poll is opened on a member.
    pub fn left(&mut self, member: usize) {
        if let Some(m) = self.numbered(member) {
            m.is_in = false;
        }
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
            if !m.is_warm(now) {
                self.next_cold = now + COLD_INTERVAL;
            }
        }
    }

    /// A poll brought a task.
    pub fn brought(&mut self, member: usize, now: Millis) {
        if let Some(m) = self.all.get_mut(member) {
            m.brought(now);
        }
    }

    /// A poll ended empty.
    pub fn empty(&mut self, member: usize, now: Millis) {
        if let Some(m) = self.all.get_mut(member) {
            m.empty(now);
        }
    }

    /// A poll failed.
    pub fn failed(&mut self, member: usize, failure: Failure, now: Millis) {
        let Some(m) = self.all.get_mut(member) else { return };
        match failure {
            Failure::Exhausted => m.exhausted(now),
            Failure::Down | Failure::Final => m.failed(now),
        }
    }

    /// The member on whom the next poll is opened, if one wants another.
    ///
    /// With a waiting poll for every member, the one with the fewest open for its rate. With fewer
    /// (`scarce`), all in turn while none has just brought a task. While one has, it goes on, but for
    /// those that gave tasks lately, every [`TURN`], and every [`COLD_INTERVAL`] the one of the others
    /// that has waited longest.
    #[must_use]
    pub fn next(&self, now: Millis, scarce: bool) -> Option<usize> {
        let ready = self.all.iter().enumerate().filter(|(_, m)| m.is_ready(now));
        if scarce {
            let cold_first = now >= self.next_cold;
            let idle = ready.filter(|(_, m)| m.open == 0);
            let due = |m: &Member| m.last_poll.is_none_or(|at| now.saturating_sub(at) >= TURN);
            let any_hot = self.ins().any(|m| m.hot);
            let rank = |m: &Member| match m.is_warm(now) {
                false if cold_first => 0,
                true if any_hot && due(m) => 1,
                true if m.hot => 2,
                _ => 3,
            };
            return idle.min_by_key(|(_, m)| (rank(m), m.last_poll)).map(|(n, _)| n);
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
        self.ins().map(Member::backoff_until).filter(|&until| until > now).min()
    }

    /// A member's part of what workers allow as a rate. The parts of all on whom polls are opened add up
    /// to 1.
    #[must_use]
    pub fn share(&self, member: usize, now: Millis) -> f64 {
        let even = 1.0 / self.count().max(1) as f64;
        let all: f64 = self.ins().map(|m| m.rate(now)).sum();
        let given = match self.all.get(member) {
            Some(m) if all > f64::EPSILON => m.rate(now) / all,
            _ => even,
        };
        EVEN_SHARE * even + (1.0 - EVEN_SHARE) * given
    }

    /// Those on whom polls are opened.
    fn ins(&self) -> impl Iterator<Item = &Member> {
        self.all.iter().filter(|m| m.is_in)
    }

    /// The member of this number, from now on if it is the next one.
    fn numbered(&mut self, member: usize) -> Option<&mut Member> {
        if member == self.all.len() {
            self.all.push(Member::default());
        }
        self.all.get_mut(member)
    }
}
