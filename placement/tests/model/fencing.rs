//! A member that is given up, and comes back.

use panko_placement::{Change, Cleared, Quiet};
use panko_routing::placement::MemberIndex;

use super::flaws::Flaw;
use super::world::{Run, Scanning, World};

impl World {
    /// One version: what is being handed over is not, the member is fenced, and what it owns goes to another one.
    pub fn fences(
        &mut self,
        server: usize,
        member: usize,
        to: usize,
        flaw: Option<Flaw>,
    ) -> Option<()> {
        self.left.fences = self.left.fences.checked_sub(1)?;
        let (member, to) = (MemberIndex(member as u16), MemberIndex(to as u16));
        let state = &self.servers[server].state;
        let mut steps = Vec::new();
        if state.handover.is_some() {
            steps.push(Change::Cancel);
        }
        steps.push(Change::Fence(member));
        if state.slots[0].owner == member {
            steps.push(Change::Begin(vec![(0, to)]));
        } else if !state.slots[0].former.contains(&member) || to != MemberIndex(0) {
            // One that has nothing to do with the slot is none of it, and to whom nothing is given is the same.
            return None;
        }
        self.write(server, &Change::All(steps), flaw)
    }

    /// Filters are known to be quiet. Starts that are under way may not have looked there, or not have seen what took
    /// effect there since.
    pub fn begin_scan(&mut self, server: usize, member: usize, flaw: Option<Flaw>) -> Option<()> {
        let has = |which: Flaw| flaw == Some(which);
        let of = &self.servers[server].state.members[member];
        let looked_at = match has(Flaw::FailsBackWithoutLooking) {
            true => of.fenced.then_some(self.store.state.version)?,
            false => of.looked_at?,
        };
        let quiet = match has(Flaw::ScansBeforeQuiet) {
            true => Quiet::forced(looked_at),
            false => self.store.participants.quiet_since(looked_at, self.now)?,
        };
        let (member, quiet, held) = (MemberIndex(member as u16), quiet.since(), self.store.lock);
        let scanning = Scanning { member, looked_at, quiet, held, open: None };
        self.servers[server].scanning = Some(scanning);
        Some(())
    }

    /// The first half of the scan, once these starts are over.
    pub fn list_fenced(&mut self, server: usize, flaw: Option<Flaw>) -> Option<()> {
        let has = |which: Flaw| flaw == Some(which);
        let scanning = self.servers[server].scanning.as_mut()?;
        let lock = self.store.lock.filter(|lock| lock.until > self.now);
        let still = lock.is_some() && lock == scanning.held;
        if scanning.open.is_some() || still && !has(Flaw::ScansBeforeStartsEnd) {
            return None;
        }
        let run = self.runs[usize::from(scanning.member.0)];
        scanning.open = Some(run == Run::Open && !has(Flaw::FailsBackWithoutScan));
        Some(())
    }

    /// The second half.
    pub fn unfences(&mut self, server: usize, flaw: Option<Flaw>) -> Option<()> {
        let Scanning { member, looked_at, quiet, open, .. } =
            self.servers[server].scanning.take()?;
        let open = open?;
        let others = (0u16..).zip(&self.runs).filter(|(at, _)| *at != member.0);
        let mut others = others.filter(|(at, _)| !self.store.state.is_fenced(MemberIndex(*at)));
        if open && others.any(|(_, run)| *run == Run::Open) {
            return self.write(server, &Change::Fence(member), flaw);
        }
        let quiet = Quiet::forced(quiet);
        let back = Change::Unfence(Cleared { member, looked_at, quiet });
        let change = match flaw {
            // It comes back all the same.
            Some(Flaw::FailsBackWithoutLooking) => {
                let now = self.store.state.version + 1;
                let cleared = Cleared { member, looked_at: now, quiet: Quiet::forced(now) };
                Change::All(vec![Change::LookAgain(member), Change::Unfence(cleared)])
            }
            _ => back,
        };
        self.write(server, &change, flaw)?;
        self.came_back = true;
        Some(())
    }
}
