//! `panko apply`.

use std::path::PathBuf;

use clap::Args;
use panko_proto::v1::{ApplyRequest, ApplyResponse};
use serde_json::json;

use super::client::Client;
use super::{told, wait};
use crate::cli::Output;
use crate::config::Config;
use crate::desired::Desired;

/// What to apply.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The panko.yaml whose clusters and namespaces are wanted. Its listen or peers say where a control server is.
    #[arg(
        long,
        short,
        visible_alias = "config",
        value_name = "FILE",
        default_value = "panko.yaml",
        env = "PANKO_CONFIG"
    )]
    file: PathBuf,
    /// Only show what would change, and check the clusters behind it.
    #[arg(long)]
    dry_run: bool,
    /// Do not wait until slots have their new owners.
    #[arg(long)]
    no_wait: bool,
    /// A member (NAMESPACE/MEMBER), or a virtual namespace, that may go though it has workflows. They stay on their
    /// cluster, out of reach through Panko, and an id that is open there can be started a second time. May be repeated.
    #[arg(long, value_name = "NAME")]
    abandon: Vec<String>,
    /// Why, for `panko history`.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Who, for `panko history`.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "an operator")]
    who: String,
}

/// Applies a file, or shows what would change.
pub async fn apply(args: &ApplyArgs, output: Output) -> anyhow::Result<()> {
    let config = Config::load(&args.file)?;
    let request = ApplyRequest {
        desired: serde_json::to_string(&Desired::of(&config))?,
        dry_run: args.dry_run,
        abandon: args.abandon.clone(),
        who: args.who.clone(),
        why: args.why.clone().unwrap_or_default(),
    };
    let mut client = Client::connect(&config).await?;
    let mut answer = once(&mut client, &request, args, output).await?;
    let mut begun = false;
    if answer.again && !args.no_wait {
        begun = true;
        // Who was drained by it owns nothing now, and may leave if it is empty.
        let further = once(&mut client, &request, args, output).await?;
        answer.changes.extend(further.changes);
        (answer.notes, answer.problems) = (further.notes, further.problems);
    }
    if output == Output::Json {
        let ApplyResponse { changes, problems, notes, .. } = &answer;
        let shown = json!({
            "dry_run": args.dry_run, "changes": changes, "problems": problems, "notes": notes,
        });
        println!("{shown:#}");
    }
    match (answer.problems.is_empty(), begun) {
        (true, _) => Ok(()),
        (false, false) => anyhow::bail!("nothing is changed: see above"),
        (false, true) => {
            anyhow::bail!("the first part is done, and the rest is not: see above, and apply again")
        }
    }
}

async fn once(
    client: &mut Client,
    request: &ApplyRequest,
    args: &ApplyArgs,
    output: Output,
) -> anyhow::Result<ApplyResponse> {
    let answer = client.admin.apply(request.clone()).await.map_err(told)?.into_inner();
    if output == Output::Text {
        show(&answer, args.dry_run);
    }
    if !args.no_wait {
        for namespace in &answer.handovers {
            wait::until_handed_over(client, namespace, output).await?;
        }
    }
    Ok(answer)
}

fn show(answer: &ApplyResponse, dry_run: bool) {
    let ApplyResponse { changes, problems, notes, .. } = answer;
    if changes.is_empty() {
        println!("all is as it is wanted");
    } else if dry_run {
        println!("would change:");
    }
    changes.iter().for_each(|line| println!("{line}"));
    notes.iter().for_each(|line| println!("note: {line}"));
    problems.iter().for_each(|line| println!("problem: {line}"));
}
