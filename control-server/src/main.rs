//! The `panko` command.

use clap::Parser;
use panko_control_server::cli;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    cli::run(cli::Panko::parse()).await
}
