//! `bench-placement`: how the cost of placements grows.

use clap::Parser;

// One thread: what is measured has the rest of a small machine.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    panko_bench::placement::run(panko_bench::placement::Options::parse()).await
}
