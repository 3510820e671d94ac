//! `loss`: does Panko lose tasks?

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match panko_loss::run(panko_loss::Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loss: {error:#}");
            ExitCode::FAILURE
        }
    }
}
