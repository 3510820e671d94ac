//! Panko's Envoy filter: a thin proxy-wasm adapter around `panko-routing`.
//!
//! * [`root`] — one per Envoy worker: configuration, and the placement stream.
//! * [`http`] — one per call: holds the headers, reads the body up to what decides, sets
//!   `panko-cluster`, goes on.
//! * [`translation`] — where a cluster names namespaces otherwise: edits request and answer.
//! * [`started`] — counts start-type calls that go to a slot's owner.
//! * [`clusters`] — which of the placements' clusters Envoy has.
//! * [`state`] — what all share.
//!
//! Host calls go through [`host`], never through the SDK's trait methods: those unwrap, and a panic
//! ends the worker's VM.

mod clusters;
mod config;
mod headers;
mod host;
mod http;
mod identity;
mod metrics;
mod root;
mod started;
mod state;
mod stream;
mod translation;

// The macro exports `_initialize`, which Rust counts as unsafe code.
#[allow(unsafe_code)]
mod entry {
    use proxy_wasm::types::LogLevel;

    proxy_wasm::main! {{
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|context| Box::new(crate::root::Root::new(context)));
    }}
}
