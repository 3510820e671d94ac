//! `bench`: what the filter costs Envoy.

use clap::Parser;

// One thread: Envoy's worker has the other core of a small machine.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    panko_bench::run(panko_bench::Options::parse()).await
}
