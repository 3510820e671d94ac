//! Whether a task that was handed to a worker's poll has been written to its connection.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;
use tonic::Status;

use super::event::OpenId;
use super::shell::Message;

/// Goes with a task to the worker's connection. When it is dropped the pool hears whether the task
/// was written; one that was not is for the next worker.
#[derive(Debug)]
pub struct Receipt {
    task: OpenId,
    pool: mpsc::UnboundedSender<Message>,
    written: AtomicBool,
}

impl Receipt {
    /// For a task of the pool that listens behind `pool`.
    #[must_use]
    pub fn new(task: OpenId, pool: mpsc::UnboundedSender<Message>) -> Arc<Self> {
        Arc::new(Self { task, pool, written: AtomicBool::new(false) })
    }

    /// The task is with its worker.
    pub fn set_written(&self) {
        self.written.store(true, Ordering::Relaxed);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        let written = *self.written.get_mut();
        // The pool outlives its tasks, so it listens.
        let _ = self.pool.send(Message::Written { task: self.task, written });
    }
}

/// The body of an answer with a task. HTTP/2 asks for the trailers after it has taken the data, and
/// drops the body of a stream that was reset before; what is lost behind the socket nobody knows.
#[derive(Debug)]
pub struct Tracked {
    body: tonic::body::Body,
    receipt: Arc<Receipt>,
}

impl Tracked {
    /// Watches `body`.
    #[must_use]
    pub fn new(body: tonic::body::Body, receipt: Arc<Receipt>) -> Self {
        Self { body, receipt }
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let written = match &frame {
            Some(Ok(frame)) => frame.is_trailers(),
            Some(Err(_)) => false,
            None => true,
        };
        if written {
            self.receipt.set_written();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn tracked() -> (Tracked, mpsc::UnboundedReceiver<Message>) {
        let (pool, messages) = mpsc::unbounded_channel();
        let body = http_body_util::Full::new(Bytes::from_static(b"task"));
        let body = body.map_err(|never| match never {});
        (Tracked::new(tonic::body::Body::new(body), Receipt::new(OpenId(7), pool)), messages)
    }

    fn heard(mut messages: mpsc::UnboundedReceiver<Message>) -> bool {
        match messages.try_recv() {
            Ok(Message::Written { task: OpenId(7), written }) => written,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_body_that_is_read_to_its_end_is_written() {
        let (body, messages) = tracked();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "task");
        assert!(heard(messages));
    }

    #[tokio::test]
    async fn a_body_that_is_dropped_after_its_data_is_not() {
        let (mut body, messages) = tracked();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        drop(body);
        assert!(!heard(messages));
    }
}
