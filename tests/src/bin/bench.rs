//! `bench`: what the filter costs Envoy. See `panko_tests::bench`.

use clap::Parser;

// One thread: Envoy's worker has the other core of a small machine.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    panko_tests::bench::run(panko_tests::bench::Options::parse()).await
}
