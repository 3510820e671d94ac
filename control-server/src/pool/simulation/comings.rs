//! Members that come and go while pools run.

use rand::Rng;

use super::super::event::{Event, Millis};
use super::Checked;
use super::acts::Letter;
use super::world::World;

/// The most members that there ever are.
const MEMBERS: usize = 6;
/// How late a pool may hear of a change.
const LATE: Millis = 2_000;

impl World {
    /// A member joins, leaves, comes back, or is reached in another way; or the namespace goes.
    pub(super) fn members_change(&mut self) -> Checked {
        match self.random.random_range(0..10) {
            0..3 if self.is_in.len() < MEMBERS => {
                self.is_in.push(true);
                self.up.push(true);
                self.withdraws.push(self.random.random_bool(0.5));
                self.backlog.push(Default::default());
            }
            9 => {
                self.is_in.fill(false);
                self.tell_of_members()?;
                return self.everybody_leaves();
            }
            _ => {
                let member = self.random.random_range(0..self.is_in.len());
                self.is_in[member] = !self.is_in[member];
            }
        }
        for to in 0..self.replicas.len() {
            if self.random.random_bool(0.5) {
                self.hear_of_members(to)?;
            } else {
                let due = self.now + self.random.random_range(0..LATE);
                self.letters.push((due, Letter::Members { to }));
            }
        }
        Ok(())
    }

    /// All pools hear at once which members there are.
    pub(super) fn tell_of_members(&mut self) -> Checked {
        (0..self.replicas.len()).try_for_each(|to| self.hear_of_members(to))
    }

    pub(super) fn hear_of_members(&mut self, to: usize) -> Checked {
        if self.replicas[to].gone {
            return Ok(());
        }
        let events = self.replicas[to].learns(&self.is_in);
        events.into_iter().try_for_each(|event| self.send(to, event))?;
        self.send(to, Event::Tick)
    }

    fn everybody_leaves(&mut self) -> Checked {
        for at in 0..self.replicas.len() {
            for poll in self.replicas[at].waiting.keys().copied().collect::<Vec<_>>() {
                self.replicas[at].waiting.remove(&poll);
                self.send(at, Event::PollLeft { poll })?;
            }
        }
        Ok(())
    }
}
