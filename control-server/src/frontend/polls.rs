//! Class `poll`: the worker's poll is parked in its pool.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Status;

use super::{Call, Frontend, deadline, malformed};
use crate::pool::key::Poll;
use crate::pool::shell::Answer;

/// What servers refuse (`common.CriticalLongPollTimeout` and its error, as clusters say it).
const SHORTEST: Duration = Duration::from_secs(2);

/// How long before its deadline a poll is answered at the latest, as clusters do: the worker's clock
/// began when it sent the poll.
const MARGIN: Duration = Duration::from_secs(1);

/// The largest poll: each pool keeps one. A usual one has some hundred bytes.
const LARGEST: usize = 64 * 1024;

/// The longest that a poll is parked.
const LONGEST: Duration = Duration::from_secs(300);

impl Frontend {
    pub(super) async fn poll(&self, call: Call) -> Result<Answer, Status> {
        let came = Instant::now();
        let Some(timeout) = call.timeout.as_deref().and_then(deadline::parse) else {
            return Err(Status::invalid_argument("Context timeout is not set."));
        };
        if timeout < SHORTEST {
            return Err(Status::failed_precondition("Context timeout is too short."));
        }
        if call.body.len() > LARGEST {
            return Err(Status::invalid_argument(format!(
                "a poll of {} bytes; at most {LARGEST} are taken",
                call.body.len()
            )));
        }
        let method = call.method;
        let poll = Poll::read(method, call.caller, &self.callers, call.body)
            .map_err(|e| malformed(method, e))?;
        let namespace = self.namespace(poll.namespace.as_bytes())?;
        if poll.task_queue.is_empty() {
            return Err(Status::invalid_argument("TaskQueue is not set on request."));
        }
        let answer_by = came + timeout.min(LONGEST) - MARGIN;
        self.pools.park(namespace, poll, &call.connection, answer_by).await
    }
}
