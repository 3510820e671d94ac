//! The machine's language: what happens to a pool, and what is to be done.

/// Milliseconds on the shell's monotonic clock.
pub type Millis = u64;

/// A worker's poll, numbered in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollId(pub u64);

/// A poll of the pool's own on a cluster, and the task that it brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenId(pub u64);

/// A worker, as `ShutdownWorker` names it: a number that the shell gave its instance key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerId(pub u64);

/// What kind of tasks a pool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Workflow tasks. They can be given back.
    Workflow,
    /// Workflow tasks of a worker's sticky queue. A cluster believes in the worker while a poll is
    /// open, so those are short.
    Sticky,
    /// Activity tasks. They cannot be given back.
    Activity,
    /// Nexus tasks. They can be failed.
    Nexus,
}

/// What happens to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A worker polls. `answer_by` is when it must have an answer.
    PollCame { poll: PollId, worker: WorkerId, answer_by: Millis },
    /// A worker's poll went away unanswered.
    PollLeft { poll: PollId },
    /// A worker shuts down.
    WorkerLeft { worker: WorkerId },
    /// An open poll brought a task, which may be held until `expires`. The task is called by the
    /// poll that brought it.
    TaskCame { open: OpenId, expires: Millis },
    /// A task could not be handed over: the worker's poll had just gone. It is as if it came now.
    TaskReturned { task: OpenId, expires: Millis },
    /// Another replica offers a task for which it has no worker; its number is of
    /// [`super::machine::Pool::number`].
    TaskOffered { task: OpenId, expires: Millis },
    /// The other replicas have answered an [`Action::Offer`].
    OfferEnded { task: OpenId, taken: bool },
    /// An open poll ended without a task.
    PollEnded { open: OpenId },
    /// An open poll failed.
    PollFailed { open: OpenId, failure: Failure },
    /// Polls are opened on a member from the next event on: it is new (then its number is the next one),
    /// has come back, or is reached in another way.
    MemberJoined { member: usize },
    /// No further poll is opened on a member: it has left, or is fenced. What is open there goes on.
    MemberLeft { member: usize },
    /// The control server stops: no further poll is opened.
    Drain,
    /// Time has passed: see [`super::machine::Pool::wake_at`].
    Tick,
}

impl Event {
    /// Whether it says who the members are, and so may be one of several that count together.
    #[must_use]
    pub fn is_of_members(self) -> bool {
        matches!(self, Event::MemberJoined { .. } | Event::MemberLeft { .. })
    }
}

/// How an open poll failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The member cannot be reached, or is not itself: it is tried again with backoff.
    Down,
    /// The member has as many polls as it takes: fewer are opened there for a while.
    Exhausted,
    /// Waiting on cannot mend it: a waiting poll is told.
    Final,
}

/// What the shell is to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Open a poll on a member, with a deadline of `length`, for the sake of a waiting one.
    /// `share` is the member's part (0 to 1) of what the workers allow as a rate.
    Open { open: OpenId, member: usize, backing: PollId, length: Millis, share: f64 },
    /// End the open polls early, where the server can: nobody is there for what they would bring.
    Withdraw,
    /// Answer a waiting poll with a task.
    HandOver { task: OpenId, poll: PollId },
    /// Offer a task to the other replicas.
    Offer { task: OpenId },
    /// Nobody waits here for a task that another replica offers.
    Decline { task: OpenId },
    /// Answer a waiting poll with the failure of an open one.
    Fail { open: OpenId, poll: PollId },
    /// Answer a waiting poll: there is no task.
    AnswerEmpty { poll: PollId },
    /// Nobody came for the task: give it back to its cluster.
    GiveBack { task: OpenId },
}
