//! A call to a cluster that names namespaces otherwise than callers do: its request and its answer are held
//! back until they are whole, and go on with the other names.

use std::sync::Arc;

use panko_proto::rpc::Method;
use panko_routing::decision::Code;
use panko_routing::wire::frame::{Encoding, FrameError, MAX_READ};
use panko_routing::wire::{self, whole};
use panko_routing::{Dialect, Refusal};
use proxy_wasm::types::Action;

use crate::host;

/// The largest answer that is taken: what Envoy holds of one (`initial_stream_window_size`).
const MAX_ANSWER: u64 = 16 * 1024 * 1024 - 64 * 1024;

/// A call whose names are replaced.
pub struct Translation {
    method: &'static Method,
    dialect: Arc<Dialect>,
    encoding: Encoding,
    request_done: bool,
    answer_done: bool,
}

impl Translation {
    pub fn new(method: &'static Method, dialect: Arc<Dialect>, encoding: Encoding) -> Self {
        let answer_done = method.names_in_answer.is_none();
        Self { method, dialect, encoding, request_done: false, answer_done }
    }

    /// Looks at a request of which `buffered` bytes have come. The error is what to refuse it with.
    pub fn request(&mut self, buffered: usize, end: bool) -> Result<Action, Refusal> {
        if self.request_done {
            return Ok(Action::Continue);
        }
        let length = whole::frame_length(&host::request_body(0, 5));
        if length.is_some_and(|length| length > MAX_READ) {
            return Err(Refusal::TooLarge);
        }
        let Some(length) = length.map(|length| length as usize).filter(|n| *n <= buffered) else {
            return if end { Err(Refusal::Truncated) } else { Ok(Action::Pause) };
        };
        let body = host::request_body(0, length);
        let message = whole::message(&body, self.encoding, MAX_READ);
        let message = message.map_err(|error| self.refusal(error))?;
        let edited = self.dialect.request(self.method, &message);
        if let Some(edited) = edited.map_err(|error| self.refusal(error.into()))? {
            host::replace_request_body(length, &whole::framed(&edited));
            host::remove_request_header("content-length");
            // It goes on as it is, and so does its answer: servers compress as the request was.
            host::remove_request_header("grpc-encoding");
        }
        self.request_done = true;
        Ok(Action::Continue)
    }

    /// Looks at an answer's headers. They wait for its message, which may be one that cannot be edited. What
    /// is not gRPC, from a proxy on the way, has no message and passes as it is.
    pub fn answer_headers(&mut self, end: bool) -> Action {
        if self.answer_done || end || !host::is_grpc_answer() {
            self.answer_done = true;
            return Action::Continue;
        }
        self.encoding = match host::response_header("grpc-encoding").as_deref() {
            None | Some("identity") => Encoding::Identity,
            Some("gzip") => Encoding::Gzip,
            Some(_) => Encoding::Unknown,
        };
        host::remove_response_header("content-length");
        Action::Pause
    }

    /// Looks at an answer of which `buffered` bytes have come. One that ends before its message does is the
    /// client's to judge.
    pub fn answer(&mut self, buffered: usize, end: bool) -> Action {
        if self.answer_done {
            return Action::Continue;
        }
        let length = whole::frame_length(&host::response_body(0, 5));
        if length.is_some_and(|length| length > MAX_ANSWER) {
            self.answer_done = true;
            host::answer_grpc(
                Code::ResourceExhausted,
                "the answer is larger than Panko can give it the namespace's name; ask for smaller pages, or give the namespace the same name on all clusters",
            );
            return Action::Pause;
        }
        let Some(length) = length.map(|length| length as usize).filter(|n| *n <= buffered) else {
            self.answer_done = end;
            return if end { Action::Continue } else { Action::Pause };
        };
        self.answer_done = true;
        let body = host::response_body(0, length);
        let edited = whole::message(&body, self.encoding, MAX_ANSWER)
            .and_then(|message| Ok(self.dialect.answer(self.method, &message)?));
        match edited {
            Ok(Some(edited)) => host::replace_response_body(length, &whole::framed(&edited)),
            Ok(None) => {}
            Err(_) => {
                host::answer_grpc(
                    Code::Internal,
                    "Panko cannot read the cluster's answer to give it the namespace's name",
                );
                return Action::Pause;
            }
        }
        Action::Continue
    }

    fn refusal(&self, error: FrameError) -> Refusal {
        match error {
            FrameError::Wire(wire::Error::TooFar) => Refusal::TooLarge,
            FrameError::Wire(error) => Refusal::Malformed { method: self.method.name, error },
            FrameError::Encoding => Refusal::Encoding { encoding: "of this request".to_owned() },
            FrameError::Truncated => Refusal::Truncated,
            FrameError::Empty => Refusal::Empty,
        }
    }
}
