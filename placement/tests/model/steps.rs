//! What can happen next.

use panko_placement::{Change, Quiet, Routed, State};
use panko_routing::placement::{MemberIndex, Starts};

use super::flaws::Flaw;
use super::world::{
    Ack, BETWEEN_SCANS, DEADLINE, Filter, Locating, Lock, MARGIN, Run, Sender, Start, View, World,
    filter_name,
};

/// One thing that happens. Numbers say to whom: a filter, a control server, a member, a place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Time passes.
    Tick,
    /// A client's start reaches a filter, which sends it to the owner.
    Direct(usize),
    /// A client's start reaches a filter, which sends it to a control server; that one locks the key.
    Locate(usize, usize),
    /// A control server asks the next member.
    Look(usize),
    /// It has asked all, and sends the start on. What has only a closed run may begin anew at the owner.
    Forward(usize, bool),
    /// A start takes effect, and its sender hears of it.
    Answered(usize),
    /// A start takes effect, and its sender does not hear of it.
    AnswerLost(usize),
    /// A start is lost on its way.
    Lost(usize),
    /// Its sender no longer waits for it.
    GivenUp(usize),
    /// The run at a member ends.
    Closes(usize),
    /// A member forgets a run that has ended long ago.
    Forgets(usize),
    /// A control server reads the store.
    Reads(usize),
    /// A filter gets what a control server has read.
    Push(usize, usize),
    /// A filter acknowledges.
    Acknowledge(usize),
    /// A filter says that it routes by what it has, whatever is on its way.
    Routes(usize),
    /// An acknowledgement arrives, perhaps not for the first time.
    Arrives(usize),
    /// A filter restarts.
    FilterCrashes(usize),
    /// A filter that knows nothing says hello to a control server.
    Hello(usize, usize),
    /// A control server restarts.
    ServerCrashes(usize),
    /// A control server becomes the leader, though the one before may not know.
    Elected(usize),
    /// A leader begins to hand the slot over to a member.
    Begin(usize, usize),
    /// A leader completes the handover.
    Complete(usize),
    /// A leader cancels it.
    Cancel(usize),
    /// A leader looks whether the former owner still has anything.
    Scan(usize),
    /// An operator has a leader give up a member, whose slot another one takes over.
    Fence(usize, usize, usize),
    /// A leader has starts look at a fenced member again.
    LookAgain(usize, usize),
    /// A leader knows that filters are quiet since then.
    BeginScan(usize, usize),
    /// It lists what the fenced member has open.
    ListFenced(usize),
    /// It looks for that at the others. With duplicates the member is given up again, else it is back.
    Unfence(usize),
}

impl World {
    /// Everything that may be possible; [`World::after`] says whether it is.
    pub fn steps(&self, flaw: Option<Flaw>, steps: &mut Vec<Step>) {
        let all = |count: usize| 0..count;
        let (filters, servers) = (self.filters.len(), self.servers.len());
        steps.push(Step::Tick);
        for start in all(self.on_the_way.len()) {
            steps.extend([
                Step::Answered(start),
                Step::AnswerLost(start),
                Step::Lost(start),
                Step::GivenUp(start),
            ]);
        }
        for member in all(self.runs.len()) {
            steps.extend([Step::Closes(member), Step::Forgets(member)]);
        }
        steps.extend(all(self.acks.len()).map(Step::Arrives));
        for filter in all(filters) {
            steps.extend([
                Step::Direct(filter),
                Step::Acknowledge(filter),
                Step::Routes(filter),
                Step::FilterCrashes(filter),
            ]);
            for server in all(servers) {
                steps.extend([
                    Step::Locate(filter, server),
                    Step::Push(filter, server),
                    Step::Hello(filter, server),
                ]);
            }
        }
        for server in all(servers) {
            steps.extend([
                Step::Look(server),
                Step::Forward(server, false),
                Step::Forward(server, true),
                Step::Reads(server),
                Step::ServerCrashes(server),
                Step::Elected(server),
                Step::Complete(server),
                Step::Cancel(server),
                Step::Scan(server),
                Step::ListFenced(server),
                Step::Unfence(server),
            ]);
            for member in all(self.runs.len()) {
                steps.extend([Step::LookAgain(server, member), Step::BeginScan(server, member)]);
                steps.extend(all(self.runs.len()).map(|to| Step::Fence(server, member, to)));
            }
            steps.extend(all(self.runs.len()).map(|member| Step::Begin(server, member)));
        }
        // Where nothing changes there is nothing to follow.
        steps.retain(|step| self.after(*step, flaw).is_some_and(|next| next != *self));
    }

    /// The world after a step; none where it is not possible.
    pub fn after(&self, step: Step, flaw: Option<Flaw>) -> Option<World> {
        let mut next = self.clone();
        let has = |which: Flaw| flaw == Some(which);
        match step {
            Step::Tick => {
                next.left.ticks = next.left.ticks.checked_sub(1)?;
                next.now += 1;
                // What is over is over.
                let now = next.now;
                for at in (0..next.on_the_way.len()).rev() {
                    if next.on_the_way[at].sent + DEADLINE < now {
                        next.end(at, false);
                    }
                }
            }
            Step::Direct(filter) => {
                let view = next.filters[filter].view.clone()?;
                let past_the_lock = has(Flaw::ResetOutsideTheLock);
                if view.starts != Starts::Direct && !past_the_lock {
                    return None;
                }
                next.left.starts = next.left.starts.checked_sub(1)?;
                next.filters[filter].in_flight.began(0);
                let state = &self.store.state;
                let gone = state.is_fenced(view.owner) && state.slots[0].owner != view.owner;
                next.sent_to_the_gone |= gone;
                next.send(view.owner, Sender::Filter(filter), self.now);
            }
            Step::Locate(filter, server) => {
                let view = next.filters[filter].view.as_ref()?;
                let busy = next.servers[server].locating.is_some() || self.is_waiting(server);
                let taken = self.store.lock.is_some_and(|lock| lock.until > self.now);
                if view.starts != Starts::Locate || busy || taken && !has(Flaw::NoLock) {
                    return None;
                }
                next.left.starts = next.left.starts.checked_sub(1)?;
                // The lock and the placement are one transaction.
                let until = self.now + DEADLINE + MARGIN;
                next.store.lock = Some(Lock { holder: server, until });
                let state = match has(Flaw::PlacementFromMemoryUnderTheLock) {
                    true => &self.servers[server].state,
                    false => &self.store.state,
                };
                let owner = state.slots[0].owner;
                let members = (0..state.members.len()).map(|at| MemberIndex(at as u16));
                let fenced = members.filter(|at| {
                    state.is_fenced(*at) || has(Flaw::LooksAwayUnfenced) && *at != owner
                });
                let fenced = fenced.map(|at| (at, state.is_fenced(at) && state.is_looked_at(at)));
                let fenced = fenced.collect();
                let locating = Locating { owner, seen: Vec::new(), fenced, began: self.now };
                next.servers[server].locating = Some(locating);
            }
            Step::Look(server) => {
                let locating = next.servers[server].locating.as_mut()?;
                let at = locating.seen.len();
                let away = locating.fenced.contains(&(MemberIndex(at as u16), false));
                let run = *self.runs.get(at)?;
                locating.seen.push(if away { Run::None } else { run });
            }
            Step::Forward(server, anew) => next.forward(server, anew, flaw)?,
            Step::Answered(start) => {
                next.takes_effect(start);
                next.end(start, true);
            }
            Step::AnswerLost(start) => {
                next.takes_effect(start);
                next.end(start, false);
            }
            Step::Lost(start) => next.end(start, false),
            Step::GivenUp(start) => {
                next.tell(start, false, flaw);
                next.on_the_way[start].sender = Sender::Nobody;
                next.on_the_way.sort_unstable();
            }
            Step::Closes(member) => match &mut next.runs[member] {
                run @ Run::Open => *run = Run::Closed,
                _ => return None,
            },
            Step::Forgets(member) => match &mut next.runs[member] {
                run @ Run::Closed => *run = Run::None,
                _ => return None,
            },
            Step::Reads(server) => next.servers[server].state = self.store.state.clone(),
            Step::Push(filter, server) => {
                let view = next.filters[filter].view.as_mut()?;
                let newer = View::of(&self.servers[server].state);
                if newer.version <= view.version {
                    return None;
                }
                *view = newer;
            }
            Step::Acknowledge(filter) => {
                let of = &mut next.filters[filter];
                let view = of.view.clone()?;
                let not_direct = view.starts != Starts::Direct;
                if !of.in_flight.is_quiet(self.now, |_| not_direct) {
                    return None;
                }
                next.says(filter, view.version, true)?;
            }
            Step::Routes(filter) => {
                // Nobody else waits for it.
                self.store.state.is_taken_over().then_some(())?;
                next.says(filter, self.filters[filter].view.as_ref()?.version, false)?;
            }
            Step::Arrives(ack) => {
                let participants = &mut next.store.participants;
                match &self.acks[ack] {
                    Ack { of, version, quiet: false } => participants.routes(of, *version),
                    Ack { of, version, quiet: true } => {
                        participants.acknowledged(of, *version);
                    }
                }
            }
            Step::FilterCrashes(filter) => {
                next.left.crashes = next.left.crashes.checked_sub(1)?;
                let process = self.filters[filter].process + 1;
                next.filters[filter] =
                    Filter { process, view: None, in_flight: Default::default() };
                next.orphan(Sender::Filter(filter));
            }
            Step::Hello(filter, server) => {
                if self.filters[filter].view.is_some() {
                    return None;
                }
                let name = filter_name(filter, self.filters[filter].process);
                let wait = if has(Flaw::NoWaitForTheCrashed) { 0 } else { DEADLINE + MARGIN };
                next.store.participants.came(name, self.now + wait);
                // What is read after that has every change that did not ask this filter.
                if !has(Flaw::PlacementFromMemoryAtTheStart) {
                    next.servers[server].state = self.store.state.clone();
                }
                next.filters[filter].view = Some(View::of(&next.servers[server].state));
            }
            Step::ServerCrashes(server) => {
                next.left.crashes = next.left.crashes.checked_sub(1)?;
                next.servers[server].locating = None;
                next.servers[server].scanning = None;
                next.servers[server].term = None;
                next.servers[server].state = self.store.state.clone();
                next.orphan(Sender::Server(server));
                if has(Flaw::LockEndsWithItsHolder) {
                    next.unlock(server);
                }
            }
            Step::Elected(server) => {
                if self.store.term > 0 || self.servers[server].term.is_some() {
                    return None;
                }
                next.store.term += 1;
                next.servers[server].term = Some(next.store.term);
            }
            Step::Begin(server, member) => {
                next.left.moves = next.left.moves.checked_sub(1)?;
                let to = MemberIndex(member as u16);
                next.write(server, &Change::Begin(vec![(0, to)]), flaw)?;
            }
            Step::Complete(server) => {
                let state = &self.servers[server].state;
                let (began, participants) = (state.handover?, &self.store.participants);
                let change = match state.is_taken_over() {
                    true if has(Flaw::TakesOverBeforeFiltersRoute) => {
                        Change::TakeOver(Routed::forced(began))
                    }
                    true => Change::TakeOver(participants.routed_since(began)?),
                    false if has(Flaw::NoAcknowledgement) => Change::Complete(Quiet::forced(began)),
                    false => Change::Complete(participants.quiet_since(began, self.now)?),
                };
                next.write(server, &change, flaw)?;
                next.store.empty_since = None;
            }
            Step::Cancel(server) => next.write(server, &Change::Cancel, flaw)?,
            Step::Scan(server) => next.scan(server, flaw)?,
            Step::Fence(server, member, to) => next.fences(server, member, to, flaw)?,
            Step::LookAgain(server, member) => {
                next.left.fences = next.left.fences.checked_sub(1)?;
                let change = Change::LookAgain(MemberIndex(member as u16));
                next.write(server, &change, flaw)?;
            }
            Step::BeginScan(server, member) => next.begin_scan(server, member, flaw)?,
            Step::ListFenced(server) => next.list_fenced(server, flaw)?,
            Step::Unfence(server) => next.unfences(server, flaw)?,
        }
        Some(next)
    }

    /// A leader changes the placement that it has read.
    pub fn write(&mut self, server: usize, change: &Change, flaw: Option<Flaw>) -> Option<()> {
        let Self { store, servers, .. } = self;
        let server = &mut servers[server];
        let is_leader = server.term? == store.term && server.state.version == store.state.version;
        if !is_leader && flaw != Some(Flaw::NoFencing) {
            return None;
        }
        let next: State = server.state.after(change).ok()?;
        server.state = next.clone();
        store.state = next;
        Some(())
    }

    fn says(&mut self, filter: usize, version: u64, quiet: bool) -> Option<()> {
        let of = filter_name(filter, self.filters[filter].process);
        let ack = Ack { of, version, quiet };
        if self.acks.contains(&ack) {
            return None;
        }
        // An older one says less, and may come late or never in any case.
        self.acks.retain(|other| other.of != ack.of || other.quiet != quiet);
        self.acks.push(ack);
        self.acks.sort_unstable();
        Some(())
    }

    /// A former owner is released when two scans, further apart than a start may be on its way, find nothing.
    fn scan(&mut self, server: usize, flaw: Option<Flaw>) -> Option<()> {
        let state = &self.servers[server].state;
        let mut former = state.slots[0].former.iter().copied();
        let former = former.find(|at| !state.is_fenced(*at))?;
        if self.runs[usize::from(former.0)] != Run::None {
            self.store.empty_since = None;
            return Some(());
        }
        let since = *self.store.empty_since.get_or_insert(self.now);
        if self.now >= since + BETWEEN_SCANS || flaw == Some(Flaw::OneScan) {
            self.write(server, &Change::Release(vec![(0, former)]), flaw)?;
            self.released = true;
        }
        Some(())
    }

    fn forward(&mut self, server: usize, anew: bool, flaw: Option<Flaw>) -> Option<()> {
        let locating = self.servers[server].locating.clone()?;
        if locating.seen.len() < self.runs.len() {
            return None;
        }
        self.servers[server].locating = None;
        if locating.began + DEADLINE < self.now {
            self.unlock(server);
            return Some(());
        }
        // As production has it: where it is open, else where its last run was if that has to judge, else at the owner.
        let at = |is: fn(&Run) -> bool| locating.seen.iter().position(is);
        let closed = at(|run| *run == Run::Closed).filter(|_| !anew);
        let to = at(|run| *run == Run::Open).or(closed);
        let to = to.map(|at| MemberIndex(at as u16));
        let to = to.unwrap_or(locating.owner);
        if locating.fenced.iter().any(|(at, _)| *at == to) {
            if flaw == Some(Flaw::StartsAnewWhileLooking) && to != locating.owner {
                self.send(locating.owner, Sender::Server(server), locating.began);
                return Some(());
            }
            // A fenced member gets nothing.
            self.unlock(server);
            return Some(());
        }
        if to != locating.owner && flaw != Some(Flaw::SilentReturn) {
            // Whoever releases a former owner has to know of it.
            let slot = &self.store.state.slots[0];
            if slot.owner != to && !slot.former.contains(&to) {
                self.unlock(server);
                return Some(());
            }
            self.store.empty_since = None;
        }
        self.send(to, Sender::Server(server), locating.began);
        Some(())
    }

    fn send(&mut self, to: MemberIndex, sender: Sender, sent: u64) {
        self.on_the_way.push(Start { to, sent, sender });
        self.on_the_way.sort_unstable();
    }

    fn is_waiting(&self, server: usize) -> bool {
        self.on_the_way.iter().any(|start| start.sender == Sender::Server(server))
    }

    /// A cluster starts the key, unless it is open there.
    fn takes_effect(&mut self, start: usize) {
        let at = usize::from(self.on_the_way[start].to.0);
        self.runs[at] = Run::Open;
    }

    /// A start is no longer on its way. Its sender knows what became of it, or not.
    fn end(&mut self, start: usize, definite: bool) {
        self.tell(start, definite, None);
        self.on_the_way.remove(start);
    }

    fn tell(&mut self, start: usize, definite: bool, flaw: Option<Flaw>) {
        let Start { sent, sender, .. } = self.on_the_way[start];
        let definite = definite || flaw == Some(Flaw::NoWaitForTheIndefinite);
        match sender {
            Sender::Filter(filter) => {
                let until = (!definite).then_some(sent + DEADLINE + MARGIN);
                self.filters[filter].in_flight.ended(0, until);
            }
            // Else its lock stays until its time is over.
            Sender::Server(server) if definite => self.unlock(server),
            Sender::Server(_) | Sender::Nobody => {}
        }
    }

    fn orphan(&mut self, gone: Sender) {
        let of = self.on_the_way.iter_mut().filter(|start| start.sender == gone);
        of.for_each(|start| start.sender = Sender::Nobody);
        self.on_the_way.sort_unstable();
    }

    fn unlock(&mut self, server: usize) {
        if self.store.lock.is_some_and(|lock| lock.holder == server) {
            self.store.lock = None;
        }
    }
}
