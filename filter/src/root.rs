//! One per Envoy worker: reads the configuration, keeps the placement stream open.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::config::Config;
use crate::host;
use crate::http::Http;
use crate::state::State;
use crate::stream::PlacementStream;

/// The root context. Nothing of it is there before `on_configure`.
pub struct Root {
    context: u32,
    configured: Option<Configured>,
}

impl Root {
    pub fn new(context: u32) -> Self {
        Self { context, configured: None }
    }
}

struct Configured {
    state: Rc<State>,
    stream: PlacementStream,
}

impl Context for Root {
    fn on_grpc_stream_message(&mut self, stream: u32, size: usize) {
        if let Some(Configured { state, stream: placements }) = &mut self.configured {
            placements.on_message(stream, size, state);
        }
    }

    fn on_grpc_stream_close(&mut self, stream: u32, code: u32) {
        if let Some(Configured { state, stream: placements }) = &mut self.configured {
            placements.on_close(stream, code, state);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let config = match Config::parse(&host::plugin_configuration()) {
            Ok(config) => config,
            Err(problem) => {
                host::log(LogLevel::Critical, &format!("panko: {problem}"));
                return false;
            }
        };
        let state = State::new(&config, self.context);
        state.metrics.define_refusals();
        let mut stream = PlacementStream::new(&config);
        stream.open();
        self.configured = Some(Configured { state, stream });
        true
    }

    fn on_tick(&mut self) {
        if let Some(Configured { state, stream }) = &mut self.configured {
            stream.open();
            if !state.clusters.borrow().are_complete() {
                state.look_for_clusters();
            }
            state.look_again();
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let state = self.configured.as_ref()?.state.clone();
        Some(Box::new(Http::new(state)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
