//! The machine's language: what happens to a pool, and what is to be done.

/// Milliseconds on the shell's monotonic clock.
pub type Millis = u64;

/// A worker's poll, numbered in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollId(pub u64);

/// A poll of the pool's own on a cluster.
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
    /// An open poll ended without a task.
    PollEnded { open: OpenId },
    /// An open poll failed. `tell` hands the failure to a waiting poll: waiting on cannot mend it.
    PollFailed { open: OpenId, tell: bool },
    /// Time has passed: see [`super::machine::Pool::wake_at`].
    Tick,
}

/// What the shell is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Open a poll on a member, modelled on a waiting one, with a deadline of `length`.
    Open { open: OpenId, member: usize, like: PollId, length: Millis },
    /// Answer a waiting poll with a task.
    HandOver { task: OpenId, poll: PollId },
    /// Answer a waiting poll with the failure of an open one.
    Fail { open: OpenId, poll: PollId },
    /// Answer a waiting poll: there is no task.
    AnswerEmpty { poll: PollId },
    /// Nobody came for the task: give it back to its cluster.
    GiveBack { task: OpenId },
}
