//! Pools that are broken on purpose.

use super::super::event::{Action, Event, OpenId};
use super::super::machine::Pool;
use super::replica::{Act, Replica};

/// How a pool is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Not at all.
    None,
    /// When one poll brings a task the others are cancelled, as a fan-out without a pool does.
    CancelOnLoss,
    /// A task for which nobody waits is forgotten.
    ForgetHeld,
    /// A task for which nobody came is not given back.
    NoGiveBack,
    /// One poll more is opened than may be.
    OnePollTooMany,
    /// A task that another replica took is kept as well.
    KeepWhatWasTaken,
    /// The polls of a server that stops go on as before.
    NoDrain,
    /// The newest poll is served first.
    LastComeFirstServed,
    /// Polls are withdrawn although workers wait for what they bring.
    WithdrawAlways,
    /// Polls are opened on a member that has left.
    PollWhoLeft,
    /// The polls on a member that leaves are cancelled.
    CancelWhoLeft,
    /// What a member that has left gave is forgotten.
    ForgetTasksOfWhoLeft,
    /// No poll is opened on a member that joins a pool at work, or comes back.
    NoPollForWhoJoined,
}

impl Mutant {
    /// All that are broken.
    pub const BROKEN: [Mutant; 12] = [
        Mutant::CancelOnLoss,
        Mutant::ForgetHeld,
        Mutant::NoGiveBack,
        Mutant::OnePollTooMany,
        Mutant::KeepWhatWasTaken,
        Mutant::NoDrain,
        Mutant::LastComeFirstServed,
        Mutant::WithdrawAlways,
        Mutant::PollWhoLeft,
        Mutant::CancelWhoLeft,
        Mutant::ForgetTasksOfWhoLeft,
        Mutant::NoPollForWhoJoined,
    ];

    /// What the broken pool does before all else when it hears an event.
    pub fn reacts(self, event: Event, replica: &Replica) -> Vec<Act> {
        match (self, event) {
            (Mutant::CancelWhoLeft, Event::MemberLeft { member }) => {
                vec![Act::CancelsOn(replica.roster[member].0)]
            }
            _ => Vec::new(),
        }
    }

    /// What the broken pool hears instead of an event.
    pub fn hears(self, event: Event, replica: &Replica) -> Event {
        match (self, event) {
            (Mutant::ForgetHeld, Event::TaskCame { open, .. }) if replica.waiting.is_empty() => {
                Event::PollEnded { open }
            }
            (Mutant::ForgetTasksOfWhoLeft, Event::TaskCame { open, .. })
                if replica.has_left(replica.tasks[&open].member) =>
            {
                Event::PollEnded { open }
            }
            (Mutant::PollWhoLeft, Event::MemberLeft { .. }) => Event::Tick,
            (Mutant::NoPollForWhoJoined, Event::MemberJoined { member }) => {
                Event::MemberLeft { member }
            }
            (Mutant::KeepWhatWasTaken, Event::OfferEnded { task, .. }) => {
                Event::OfferEnded { task, taken: false }
            }
            (Mutant::NoDrain, Event::Drain) => Event::Tick,
            _ => event,
        }
    }

    /// What it does instead of its actions.
    pub fn does(self, actions: Vec<Action>, pool: &mut Pool) -> Vec<Act> {
        let mut acts = Vec::new();
        for action in actions {
            match (self, action) {
                (Mutant::NoGiveBack, Action::GiveBack { .. }) => {}
                (Mutant::CancelOnLoss, Action::HandOver { .. }) => {
                    acts.extend([Act::Does(action), Act::CancelsAll]);
                }
                (Mutant::OnePollTooMany, Action::Open { member, backing, length, share, .. }) => {
                    let open = pool.number();
                    let more = Action::Open { open, member, backing, length, share };
                    acts.extend([Act::Does(action), Act::Does(more)]);
                }
                (Mutant::WithdrawAlways, Action::Open { .. }) => {
                    acts.extend([Act::Does(action), Act::Does(Action::Withdraw)]);
                }
                (Mutant::LastComeFirstServed, Action::HandOver { task: OpenId(task), .. }) => {
                    acts.push(Act::HandsToTheNewest(OpenId(task)));
                }
                _ => acts.push(Act::Does(action)),
            }
        }
        acts
    }
}
