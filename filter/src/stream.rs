//! The placement stream: opened at start, read and acknowledged, opened again when it ends.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use panko_proto::v1::{Ack, FilterMessage, Hello, PlacementUpdate, Routes, filter_message};
use prost::Message;
use proxy_wasm::types::LogLevel;

use crate::config::Config;
use crate::host;
use crate::identity::Identity;
use crate::state::State;

/// The version of `panko/v1/placement.proto` that this filter speaks.
const PROTOCOL: u32 = 1;

const SERVICE: &str = "panko.v1.PlacementService";
const METHOD: &str = "StreamPlacements";

/// The first wait before the stream is opened again; it doubles up to [`LONGEST_WAIT`].
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A worker's stream to the control server.
#[derive(Debug)]
pub struct PlacementStream {
    control_server: String,
    token: Option<String>,
    /// The open stream's token.
    open: Option<u32>,
    /// How many times in a row the stream ended before a message came.
    failures: u32,
    identity: Identity,
}

/// An acknowledgement that waits for calls to end.
#[derive(Debug)]
pub struct Due {
    stream: u32,
    ack: Ack,
    /// Whether it was said that it waits.
    waits: bool,
}

impl Due {
    /// It has to wait: says once that the filter routes by the update.
    pub fn routes(&mut self) {
        if !self.waits {
            self.waits = true;
            send(self.stream, filter_message::Message::Routes(Routes { nonce: self.ack.nonce }));
        }
    }

    /// Sends it.
    pub fn send(self) {
        send(self.stream, filter_message::Message::Ack(self.ack));
    }
}

impl PlacementStream {
    /// A stream to the control server of this configuration.
    pub fn new(config: &Config) -> Self {
        let (control_server, token) = (config.control_server.clone(), config.token.clone());
        Self { control_server, token, open: None, failures: 0, identity: Identity::take() }
    }

    /// Opens the stream and says hello, unless it is open.
    pub fn open(&mut self) {
        host::tick_after(Duration::ZERO);
        if self.open.is_some() {
            return;
        }
        match host::open_stream(&self.control_server, SERVICE, METHOD, self.token.as_deref()) {
            Ok(stream) => {
                self.open = Some(stream);
                let hello = Hello {
                    protocol: PROTOCOL,
                    release: env!("CARGO_PKG_VERSION").to_owned(),
                    node: host::node_id(),
                    process: self.identity.process,
                    vm: self.identity.vm,
                };
                send(stream, filter_message::Message::Hello(hello));
            }
            Err(status) => {
                let cluster = &self.control_server;
                host::log(
                    LogLevel::Error,
                    &format!(
                        "panko: cannot open a stream to Envoy's cluster {cluster:?} ({status:?}); is it in Envoy's configuration?"
                    ),
                );
                self.open_later();
            }
        }
    }

    /// Applies an update and acknowledges it.
    pub fn on_message(&mut self, stream: u32, size: usize, state: &State) {
        if self.open != Some(stream) {
            return;
        }
        let update = match PlacementUpdate::decode(host::stream_message(size).as_slice()) {
            Ok(update) => update,
            Err(error) => {
                let error = format!("an update of the placement cannot be read: {error}");
                host::log(
                    LogLevel::Error,
                    &format!("panko: {error}; is the control server newer?"),
                );
                send(stream, filter_message::Message::Ack(Ack { nonce: 0, error }));
                return;
            }
        };
        self.failures = 0;
        let ack = state.placements.borrow_mut().apply(update);
        if !ack.error.is_empty() {
            host::log(LogLevel::Error, &format!("panko: placement refused: {}", ack.error));
        }
        for placement in state.placements.borrow().iter() {
            state.metrics.placement_version(placement.namespace(), placement.version().0);
        }
        if !ack.error.is_empty() {
            send(stream, filter_message::Message::Ack(ack));
            return;
        }
        // An acknowledgement holds for all updates before it.
        *state.due.borrow_mut() = Some(Due { stream, ack, waits: false });
        state.look_for_clusters();
        state.look_again();
    }

    /// Opens the stream again after a while. The last placement stays.
    pub fn on_close(&mut self, stream: u32, code: u32, state: &State) {
        if self.open != Some(stream) {
            return;
        }
        self.open = None;
        // What it was due on is no more.
        *state.due.borrow_mut() = None;
        host::log(
            LogLevel::Warn,
            &format!(
                "panko: the placement stream ended (gRPC status {code}); the last placement stays"
            ),
        );
        self.open_later();
    }

    /// Waits with full jitter, so that a control server that returns is not met by all at once.
    fn open_later(&mut self) {
        let longest = SHORTEST_WAIT
            .saturating_mul(1u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX))
            .min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        // The standard library seeds its hashers from the host's random source.
        let random = RandomState::new().build_hasher().finish() % 1000;
        let wait = longest.mul_f64(0.5 + random as f64 / 2000.0);
        host::tick_after(wait.max(Duration::from_millis(1)));
    }
}

fn send(stream: u32, message: filter_message::Message) {
    host::send(stream, &FilterMessage { message: Some(message) }.encode_to_vec());
}
