//! `panko status leftovers`: what a member has that never ends by itself.

use clap::Args;
use panko_proto::v1::{ListLeftoversRequest, ListLeftoversResponse};
use serde_json::json;

use super::verbs::NamespaceArgs;
use super::{reach, told};
use crate::cli::Output;

/// How many ids are named of each kind; JSON has all.
const NAMED: usize = 10;

/// Whose leftovers to show.
#[derive(Debug, Args)]
pub struct LeftoversArgs {
    /// The member: CLUSTER, or CLUSTER/NAMESPACE where a cluster has several.
    #[arg(value_name = "MEMBER")]
    member: String,
    #[command(flatten)]
    of: NamespaceArgs,
}

/// Shows them.
pub async fn leftovers(args: &LeftoversArgs, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(&args.of).await?;
    let request = ListLeftoversRequest { namespace, member: args.member.clone() };
    let answer = client.admin.list_leftovers(request).await.map_err(told)?.into_inner();
    show(&args.member, &answer, output);
    Ok(())
}

fn show(member: &str, answer: &ListLeftoversResponse, output: Output) {
    if output == Output::Json {
        let value = json!({
            "member": member, "schedules": answer.schedule_ids,
            "cron_workflows": answer.cron_workflow_ids,
            "continued_workflows": answer.continued_workflow_ids,
            "open_workflows": answer.open_workflows, "looked_at": answer.looked_at,
        });
        println!("{value:#}");
        return;
    }
    println!("{member} has");
    for (ids, what, then) in [
        (&answer.schedule_ids, "schedules", "panko schedules move --all --from this member"),
        (
            &answer.cron_workflow_ids,
            "workflows with a cron schedule",
            "terminate each, and start it again: it begins at its slot's owner",
        ),
        (
            &answer.continued_workflow_ids,
            "workflows that have continued as new, or were tried again",
            "end each by its own means, and start it again",
        ),
    ] {
        println!("  {} {what}{}", ids.len(), if ids.is_empty() { "" } else { ":" });
        ids.iter().take(NAMED).for_each(|id| println!("    {id}"));
        if ids.len() > NAMED {
            println!("    … (--output json has all)");
        }
        if !ids.is_empty() {
            println!("    → {then}");
        }
    }
    println!(
        "  {} open workflows in all, of which {} were looked at",
        answer.open_workflows, answer.looked_at
    );
}
