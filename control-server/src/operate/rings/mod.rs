//! `panko move --by-ring`: a move in steps. After each it is watched for a while how the members do that have got slots; if that
//! is not well, all that was moved goes back.
//!
//! * [`plan`] — the steps.
//! * [`health`] — what the control servers' metrics say of a while.
//! * [`back`] — the way back.

mod back;
mod health;
mod plan;

use std::time::Duration;

use clap::Args;
use panko_proto::v1::change_placement_request::Change;
use panko_proto::v1::{ChangePlacementRequest, Move};
use panko_routing::in_flight::is_definite;
use serde_json::json;
use tokio::time::Instant;
use tonic::Status;

use super::client::{Client, metrics};
use super::verbs::MoveArgs;
use super::{namespace, show, told, wait};
use crate::cli::Output;
use crate::config::Config;
use back::Back;
use health::{Health, Limits};
use plan::{Step, plan};

/// Between two looks at the metrics.
const LOOK: Duration = Duration::from_secs(1);

/// How a move by rings goes, and when it goes back.
#[derive(Debug, Args)]
pub struct RingArgs {
    /// Move in steps: to the clusters of ring 0 first, in growing parts, then ring by ring. After each step it is watched how
    /// starts and polls do; if one of the limits is passed, everything goes back, and the command fails.
    #[arg(long)]
    pub by_ring: bool,
    /// How long to watch after each step.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration, requires = "by_ring")]
    soak: Duration,
    /// Of the starts that go to a member that has got slots, how many may fail.
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = percent, requires = "by_ring")]
    max_error_rate: f64,
    /// In which time 99 of 100 of these starts have to be done.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, requires = "by_ring")]
    max_start_p99: Option<Duration>,
    /// Of the namespace's tasks, how many have to find a waiting poll.
    #[arg(long, value_name = "PERCENT", value_parser = percent, requires = "by_ring")]
    min_poll_sync: Option<f64>,
}

/// A share of 0 to 1.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
    let number = number.ok().filter(|percent| (0.0..=100.0).contains(percent));
    number.map(|percent| percent / 100.0).ok_or_else(|| "write it like 1%".to_owned())
}

/// A step, and how it went.
struct Done {
    step: Step,
    health: Health,
    tripped: Option<String>,
}

/// Moves step by step. Fails when it had to go back.
pub async fn run(args: &MoveArgs, output: Output) -> anyhow::Result<()> {
    let config = Config::load(&args.change.of.config.config)?;
    let namespace = namespace(&config, args.change.of.namespace.as_deref())?;
    let steps = plan(&config, &args.to, args.slots())?;
    if args.change.dry_run {
        show_plan(args, &steps, output);
        return Ok(());
    }
    let mut client = Client::connect(&config).await?;
    let mut back = Back::new(&mut client, args, &config, &namespace).await.map_err(told)?;
    let (mut all, mut tripped) = (Vec::new(), None);
    for step in steps {
        let mut health = Health::new(&namespace, &step.reached);
        let well = async {
            for (to, slots) in &step.moves {
                let begun = change(&mut client, args, &namespace, (&args.from, to), *slots).await;
                // It may have begun though there is no answer.
                if begun.as_ref().err().is_none_or(|s| !is_definite(s.code().into())) {
                    back.note(to, *slots);
                }
                begun.map_err(told)?;
                wait::until_handed_over(&mut client, &namespace, output).await?;
            }
            watch(args, &config, &mut health).await
        };
        // What goes wrong on the way is no better than what is seen to go wrong.
        let why = well.await.unwrap_or_else(|error| Some(format!("{error:#}")));
        tripped.clone_from(&why);
        let done = Done { step, health, tripped: why };
        if output == Output::Text {
            show_step(&done);
        }
        all.push(done);
        if tripped.is_some() {
            break;
        }
    }
    let back = match tripped {
        Some(_) => back.go(output).await,
        None => Ok(()),
    };
    if output == Output::Json {
        show_json(&all);
    }
    match (tripped, back) {
        (None, _) => Ok(()),
        (Some(why), Ok(())) => anyhow::bail!("{why}; all slots have gone back to {}", args.from),
        (Some(why), Err(error)) => anyhow::bail!(
            "{why}; and not all slots could go back to {} ({error:#}): see `panko status placement`",
            args.from
        ),
    }
}

/// Watches until the soak is over, or a limit is passed: says which.
async fn watch(
    args: &MoveArgs,
    config: &Config,
    health: &mut Health,
) -> anyhow::Result<Option<String>> {
    let RingArgs { soak, max_error_rate, max_start_p99, min_poll_sync, .. } = args.rings;
    let limits = Limits { max_error_rate, max_start_p99, min_poll_sync };
    health.look(&metrics(config).await?);
    let end = Instant::now() + soak;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        tokio::time::sleep(LOOK.min(left)).await;
        health.look(&metrics(config).await?);
        if let Some(why) = health.judge(&limits) {
            return Ok(Some(why));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
    }
}

/// Begins to hand over slots.
async fn change(
    client: &mut Client,
    args: &MoveArgs,
    namespace: &str,
    (from, to): (&str, &str),
    slots: u32,
) -> Result<(), Status> {
    let moves = Move { from: from.to_owned(), to: to.to_owned(), slots };
    ask(client, args, namespace, Change::Move(moves)).await
}

async fn ask(
    client: &mut Client,
    args: &MoveArgs,
    namespace: &str,
    change: Change,
) -> Result<(), Status> {
    let request = ChangePlacementRequest {
        namespace: namespace.to_owned(),
        dry_run: false,
        who: args.change.who.clone(),
        why: why(args).to_owned(),
        change: Some(change),
    };
    client.admin.change_placement(request).await.map(drop)
}

/// What `panko history` says of it.
fn why(args: &MoveArgs) -> &str {
    args.change.why.as_deref().unwrap_or("by ring")
}

fn show_plan(args: &MoveArgs, steps: &[Step], output: Output) {
    if output == Output::Json {
        let steps: Vec<_> =
            steps.iter().map(|step| json!({ "ring": step.ring, "moves": step.moves })).collect();
        println!("{:#}", serde_json::Value::from(steps));
        return;
    }
    let mut rows = show::table(&["ring", "from", "to", "slots"]);
    for step in steps {
        for (to, slots) in &step.moves {
            rows.add_row([&step.ring.to_string(), &args.from, to, &slots.to_string()]);
        }
    }
    let soak = humantime::format_duration(args.rings.soak);
    println!("would do, and watch for {soak} after each step:\n{rows}");
}

fn show_step(Done { step, health, tripped }: &Done) {
    let moved = step.moves.iter().map(|(to, slots)| format!("{slots} slots to {to}"));
    println!("ring {}: {}", step.ring, moved.collect::<Vec<_>>().join(", "));
    println!("{}", health.table());
    if let Some(why) = tripped {
        println!("going back: {why}");
    }
}

fn show_json(all: &[Done]) {
    let steps = all.iter().map(|Done { step, health, tripped }| {
        json!({
            "ring": step.ring, "moves": step.moves, "tripped": tripped, "health": health.json(),
        })
    });
    println!("{:#}", serde_json::Value::from_iter(steps));
}
