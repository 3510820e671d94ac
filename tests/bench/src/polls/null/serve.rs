//! The null cluster on the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use tokio::time::Instant;

use super::{Found, NullCluster};
use crate::frame;
use crate::polls::messages::{self, Kind};
use crate::server::{Stream, headers, trailers};

/// How long before its deadline a server answers a poll.
const MARGIN: Duration = Duration::from_secs(1);

/// A server lets no poll wait longer.
const LONGEST: Duration = Duration::from_secs(60);

/// Answers one call.
pub(super) async fn answer(
    cluster: Arc<NullCluster>,
    (request, mut respond): Stream,
) -> Result<(), h2::Error> {
    let came = Instant::now();
    let (head, body) = request.into_parts();
    let message = match head.uri.path().rsplit('/').next().unwrap_or_default() {
        "GetSystemInfo" => messages::system_info(),
        "DescribeNamespace" => {
            messages::describe_namespace(messages::NAMESPACE.as_bytes(), &cluster.uuid)
        }
        name @ ("PollActivityTaskQueue" | "PollWorkflowTaskQueue") => {
            let is_activity = name == Kind::Activity.method();
            let kind = if is_activity { Kind::Activity } else { Kind::Workflow };
            let deadline = head.headers.get("grpc-timeout").and_then(|text| text.to_str().ok());
            let wait = deadline.and_then(timeout).unwrap_or(LONGEST).saturating_sub(MARGIN);
            let body = frame::read(body).await?;
            let Some(queue) = body.get(frame::PREFIX..).and_then(messages::queue_of) else {
                return respond_with(respond, Bytes::new(), "3");
            };
            let end = came + wait.min(LONGEST) + cluster.late;
            match poll(&cluster, queue, end, &mut respond).await {
                Poll::Task(number) => messages::task(kind, &cluster.uuid, number),
                Poll::Empty => Bytes::new(),
                Poll::Gone => return Ok(()),
            }
        }
        name => {
            if name.starts_with("Respond") {
                count(&cluster.counts.given_back);
            }
            Bytes::new()
        }
    };
    respond_with(respond, message, "0")
}

/// How a poll ends.
enum Poll {
    Task(usize),
    Empty,
    /// Its caller went away; what was matched to it is lost.
    Gone,
}

async fn poll(
    cluster: &NullCluster,
    queue: &[u8],
    end: Instant,
    respond: &mut SendResponse<Bytes>,
) -> Poll {
    count(&cluster.counts.polls);
    let _open = Open::new(&cluster.counts.open);
    let (number, mut given) = match cluster.matching.poll(queue) {
        Found::Task(task) => return Poll::Task(task),
        Found::Parked(number, given) => (number, given),
    };
    tokio::select! {
        biased;
        task = &mut given => return task.map_or(Poll::Empty, Poll::Task),
        () = tokio::time::sleep_until(end) => {}
        reset = std::future::poll_fn(|context| respond.poll_reset(context)) => {
            cluster.matching.leave(queue, number);
            // An error is the connection's end.
            if reset.is_ok() {
                count(&cluster.counts.cancelled);
            }
            return Poll::Gone;
        }
    }
    cluster.matching.leave(queue, number);
    // It may have been matched in this moment.
    given.try_recv().map_or(Poll::Empty, Poll::Task)
}

fn respond_with(
    mut respond: SendResponse<Bytes>,
    message: Bytes,
    status: &'static str,
) -> Result<(), h2::Error> {
    let mut stream = respond.send_response(headers(), false)?;
    stream.send_data(frame::plain(&message), false)?;
    stream.send_trailers(trailers(status))
}

/// `grpc-timeout`, in the units that workers, Envoy and Panko use.
fn timeout(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number.parse().ok()?;
    match unit {
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Counts an open poll as long as it lives.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn new(open: &'a AtomicU64) -> Self {
        count(open);
        Self(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_in_their_units() {
        assert_eq!(timeout("70S"), Some(Duration::from_secs(70)));
        assert_eq!(timeout("2500m"), Some(Duration::from_millis(2_500)));
        assert_eq!(timeout(""), None);
    }
}
