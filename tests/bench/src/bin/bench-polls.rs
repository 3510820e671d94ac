//! `bench-polls`: what pooled polls cost.

use clap::Parser;

// One thread: what is measured has the rest of a small machine.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    panko_bench::polls::run(panko_bench::polls::Options::parse()).await
}
