//! One call: its headers wait until its body has told where it goes.

use std::rc::Rc;

use panko_proto::rpc::Method;
use panko_routing::call::{Begun, Call};
use panko_routing::{Decision, PollHash, Refusal};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::headers::{CLUSTER, CONNECTION, POLL_HASH, RequestHeaders};
use crate::host;
use crate::started::Started;
use crate::state::State;
use crate::translation::Translation;

/// A call on its way through the filter.
pub struct Http {
    state: Rc<State>,
    /// What is being read; `None` once it has been decided.
    reading: Option<Call>,
    /// How much of the buffered body has been read.
    read: usize,
    /// What its names are replaced by; `None` for most calls.
    translation: Option<Translation>,
    /// `grpc-timeout`.
    timeout: String,
    /// A start-type call that goes to an owner.
    started: Option<Started>,
}

impl Http {
    pub fn new(state: Rc<State>) -> Self {
        Self {
            state,
            reading: None,
            read: 0,
            translation: None,
            timeout: String::new(),
            started: None,
        }
    }

    /// Acts on a decision. `Continue` lets the headers go.
    fn act(&self, method: &'static Method, decision: Decision) -> Action {
        let control_server = (&self.state.control_server, &self.state.control_server_label);
        let (name, label) = match &decision {
            Decision::Cluster(cluster) => (cluster, cluster),
            Decision::Chain { cluster, chain } => (chain, cluster),
            Decision::Translated { to, cluster, .. } => (to, cluster),
            Decision::ControlServer => control_server,
            Decision::Poll(hash) => {
                self.describe_poll(*hash);
                control_server
            }
            Decision::Locate(hash) => {
                host::set_request_header(POLL_HASH, &hash.to_string());
                control_server
            }
            Decision::Refuse(refusal) => return self.refuse(refusal),
        };
        host::set_request_header(CLUSTER, name);
        self.state.metrics.call(method, label);
        Action::Continue
    }

    /// Says of a poll what Envoy chooses a control server by, and what that one limits it by.
    fn describe_poll(&self, hash: PollHash) {
        host::set_request_header(POLL_HASH, &hash.to_string());
        if let Some(connection) = host::connection_id() {
            let connection = format!("{}/{connection}", self.state.node);
            host::set_request_header(CONNECTION, &connection);
        }
    }

    fn refuse(&self, refusal: &Refusal) -> Action {
        self.state.metrics.refusal(refusal.reason());
        if let Refusal::UnknownMethod { path } = refusal {
            self.state.note_unknown(path);
        }
        if *refusal == Refusal::NotGrpc {
            host::answer_http(415, &refusal.to_string());
        } else {
            host::answer_grpc(refusal.code(), &refusal.to_string());
        }
        Action::Pause
    }

    /// Reads what is new of a body of which `buffered` bytes have come.
    fn read_body(&mut self, buffered: usize, end: bool) -> Action {
        if self.translation.is_some() {
            self.read = buffered;
            return self.translate(buffered, end);
        }
        let Some(mut call) = self.reading.take() else { return Action::Continue };
        let unread = buffered.saturating_sub(self.read);
        let skip = usize::try_from(call.indifferent()).unwrap_or(usize::MAX).min(unread);
        call.skip(skip as u64);
        let body = match unread - skip {
            0 => Vec::new(),
            length => host::request_body(self.read + skip, length),
        };
        self.read = buffered;
        let placements = self.state.placements.borrow();
        let decision = call.push(&body, end, &placements);
        if decision.as_ref().is_some_and(Decision::is_to_a_cluster)
            && let Some(place) = call.started(&placements)
        {
            self.started = Some(Started::new(self.state.clone(), place, &self.timeout));
        }
        drop(placements);
        match decision {
            Some(Decision::Translated { cluster, to, dialect }) => {
                let method = call.method();
                let translation = Translation::new(method, dialect.clone(), call.encoding());
                self.translation = Some(translation);
                self.act(method, Decision::Translated { cluster, to, dialect });
                self.translate(buffered, end)
            }
            Some(decision) => self.act(call.method(), decision),
            None => {
                self.reading = Some(call);
                Action::Pause
            }
        }
    }
}

impl Http {
    fn translate(&mut self, buffered: usize, end: bool) -> Action {
        let Some(translation) = &mut self.translation else { return Action::Continue };
        match translation.request(buffered, end) {
            Ok(action) => action,
            Err(refusal) => {
                self.translation = None;
                self.refuse(&refusal)
            }
        }
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        let headers = RequestHeaders::of(host::request_headers());
        for name in &headers.forged {
            host::remove_request_header(name);
        }
        let begun = Call::begin(headers.deciding(), &self.state.placements.borrow());
        self.timeout = headers.timeout;
        match begun {
            Begun::Decided(method, decision) => self.act(method, decision),
            Begun::Unknown(refusal) => self.refuse(&refusal),
            Begun::Reading(call) => {
                self.reading = Some(call);
                if end_of_stream { self.read_body(0, true) } else { Action::Pause }
            }
        }
    }

    fn on_http_request_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        self.read_body(body_size, end_of_stream)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        // Whatever was buffered has been read: the body ends here without having decided.
        self.read_body(self.read, true)
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        if let Some(started) = &mut self.started {
            started.answered(host::response_header("grpc-status").as_deref());
        }
        match &mut self.translation {
            Some(translation) => translation.answer_headers(end_of_stream),
            None => Action::Continue,
        }
    }

    fn on_http_response_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        if let Some(started) = &mut self.started {
            started.told(body_size);
        }
        match &mut self.translation {
            Some(translation) => translation.answer(body_size, end_of_stream),
            None => Action::Continue,
        }
    }
}
