//! The verbs of the `panko` command.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::desired::Desired;
use crate::operate::apply::ApplyArgs;
use crate::operate::failback::FailbackArgs;
use crate::operate::leftovers::{LeftoversArgs, leftovers};
use crate::operate::rings;
use crate::operate::schedules::{self, SchedulesVerb};
use crate::operate::verbs::{
    ChangeVerb, ExplainArgs, FiltersArgs, HistoryArgs, NamespaceArgs, StatusArgs,
};
use crate::{check, dev, envoy_config, operate, serve, status_polls};

/// One Temporal namespace over many Temporal clusters.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Panko {
    #[command(subcommand)]
    verb: Verb,
    /// How to write what is asked for.
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the control server.
    #[command(
        after_help = "Example:\n  panko serve --config panko.yaml\n  RUST_LOG=debug panko serve --output json   (logs as JSON)"
    )]
    Serve(ConfigArgs),
    /// Run a whole sandbox on this machine: Temporal clusters, control server, Envoy.
    #[command(
        after_help = "Example:\n  panko dev --clusters 3\n  temporal workflow start -w first --type Any --task-queue any --address ADDRESS   (the one that it prints)"
    )]
    Dev(dev::Options),
    /// Check a panko.yaml and the clusters behind it before it is used.
    #[command(after_help = "Example:\n  panko check --config panko.yaml --output json")]
    Check(ConfigArgs),
    /// Show how things stand in the control servers that run.
    #[command(subcommand)]
    Status(Status),
    /// Make clusters, namespaces, members and weights what a panko.yaml says.
    #[command(
        after_help = "Example:\n  panko apply -f panko.yaml --dry-run\n  panko apply -f panko.yaml --why \"a third cluster\""
    )]
    Apply(ApplyArgs),
    #[command(flatten)]
    Change(ChangeVerb),
    /// Bring back a member that is fenced: starts look at it again, then its open ids are looked for on the others.
    ///
    /// With ids that are open on both it stays fenced, and they are named. It gets slots again by `panko rebalance`, or with
    /// --rebalance. What is interrupted half-way can be run again; `panko failover` goes back.
    #[command(
        after_help = "Example:\n  panko failback a --dry-run\n  panko failback a --rebalance"
    )]
    Failback(FailbackArgs),
    /// Show what has been changed of a placement, when, by whom and why.
    History(HistoryArgs),
    /// Show where calls on a workflow, or on another key, go, and why.
    #[command(
        after_help = "Example:\n  panko explain --workflow-id order-17\n  panko explain --workflow-id-file ids.txt --no-look --output json"
    )]
    Explain(ExplainArgs),
    /// Show schedules, or move them to the owners of their slots.
    #[command(subcommand)]
    Schedules(SchedulesVerb),
    /// Look through all open workflows for ids that are open on several clusters.
    Verify(NamespaceArgs),
    /// Show the filters and what each has acknowledged, or forget those of an Envoy that is gone for good.
    #[command(after_help = "Example:\n  panko filters\n  panko filters --forget envoy-7")]
    Filters(FiltersArgs),
    /// Print a complete Envoy configuration for a panko.yaml.
    #[command(after_help = "Example:\n  panko envoy --config panko.yaml > envoy.yaml")]
    Envoy(EnvoyArgs),
}

#[derive(Debug, Subcommand)]
enum Status {
    /// The pools of polls, by task queue: what waits, what is open on the clusters, what is held.
    #[command(
        after_help = "Example:\n  panko status polls --config panko.yaml\n  panko status polls --output json"
    )]
    Polls(ConfigArgs),
    /// The members: who owns how many slots, and what a handover waits for.
    #[command(after_help = "Example:\n  panko status placement --watch")]
    Placement(StatusArgs),
    /// What a member has that never ends by itself: schedules, cron workflows, workflows that continue as new.
    #[command(after_help = "Example:\n  panko status leftovers a")]
    Leftovers(LeftoversArgs),
}

/// Which panko.yaml.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The panko.yaml to read.
    #[arg(long, value_name = "FILE", default_value = "panko.yaml", env = "PANKO_CONFIG")]
    pub config: PathBuf,
}

#[derive(Debug, Args)]
struct EnvoyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    options: envoy_config::Options,
}

/// Runs a verb. Errors go to standard error; the exit code tells whether it went well.
pub async fn run(panko: Panko) -> ExitCode {
    let result = match panko.verb {
        Verb::Serve(args) => run_server(&args, panko.output).await,
        Verb::Dev(options) => dev::run(options).await,
        Verb::Check(args) => run_check(&args, panko.output).await,
        Verb::Status(Status::Polls(args)) => run_status_polls(&args, panko.output).await,
        Verb::Status(Status::Placement(args)) => operate::status(&args, panko.output).await,
        Verb::Apply(args) => operate::apply::apply(&args, panko.output).await,
        Verb::Status(Status::Leftovers(args)) => leftovers(&args, panko.output).await,
        Verb::Schedules(SchedulesVerb::List(args)) => schedules::list(&args, panko.output).await,
        Verb::Schedules(SchedulesVerb::Move(args)) => schedules::moved(&args, panko.output).await,
        Verb::Change(ChangeVerb::Move(args)) if args.rings.by_ring => {
            rings::run(&args, panko.output).await
        }
        Verb::Change(verb) => {
            let (args, change) = verb.read();
            operate::change(&args, change, panko.output).await
        }
        Verb::Failback(args) => operate::failback::failback(&args, panko.output).await,
        Verb::History(args) => operate::history(&args, panko.output).await,
        Verb::Explain(args) => operate::explain(&args, panko.output).await,
        Verb::Verify(args) => operate::verify(&args, panko.output).await,
        Verb::Filters(args) => operate::filters(&args, panko.output).await,
        Verb::Envoy(args) => print_envoy(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("panko: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_server(args: &ConfigArgs, output: Output) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match output {
        Output::Text => logs.init(),
        Output::Json => logs.json().init(),
    }
    let mut terminate = signal(SignalKind::terminate()).context("cannot hear signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot hear signals")?;
    let mut heard = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let (first, stop) = tokio::sync::oneshot::channel();
    let second = async {
        heard().await;
        let _ = first.send(());
        heard().await;
    };
    let stop = async {
        // An error means that nobody listens for signals any more, which ends the program too.
        let _ = stop.await;
    };
    tokio::select! {
        result = serve::run(Config::load(&args.config)?, stop) => result,
        () = second => anyhow::bail!(
            "ended at once by a second signal; what was on its way is started again by its cluster's timeouts"
        ),
    }
}

async fn run_check(args: &ConfigArgs, output: Output) -> anyhow::Result<()> {
    let report = check::run(&Desired::of(&Config::load(&args.config)?)).await?;
    match output {
        Output::Text => println!("{report}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    anyhow::ensure!(report.is_good(), "the configuration is not ready to be used: see above");
    Ok(())
}

async fn run_status_polls(args: &ConfigArgs, output: Output) -> anyhow::Result<()> {
    let report = status_polls::run(&Config::load(&args.config)?).await?;
    match output {
        Output::Text => println!("{report}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    anyhow::ensure!(report.is_complete(), "not every control server answers: see above");
    Ok(())
}

fn print_envoy(args: &EnvoyArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.config.config)?;
    let mut options = args.options.clone();
    if options.token.is_none() {
        options.token = config.peers.token()?;
    }
    print!("{}", envoy_config::render(&config, &options));
    Ok(())
}
