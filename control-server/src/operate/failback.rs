//! `panko failback`.

use clap::Args;
use panko_proto::v1::change_placement_request::Change;
use panko_proto::v1::{ChangePlacementRequest, FailbackRequest, FailbackResponse, Nothing};
use serde_json::json;

use super::verbs::NamespaceArgs;
use super::{reach, told, wait};
use crate::cli::Output;

/// Which member comes back, and how.
#[derive(Debug, Args)]
pub struct FailbackArgs {
    /// The member: CLUSTER, or CLUSTER/NAMESPACE where a cluster has several.
    #[arg(value_name = "MEMBER")]
    member: String,
    #[command(flatten)]
    of: NamespaceArgs,
    /// Only scan it, and show what is open there and elsewhere.
    #[arg(long)]
    dry_run: bool,
    /// Bring it back though ids are open there and elsewhere: calls on such an id then reach either of the two.
    #[arg(long)]
    accept_duplicates: bool,
    /// Give it its share of the slots again, too.
    #[arg(long, conflicts_with = "dry_run")]
    rebalance: bool,
    /// Why, for `panko history`.
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Who, for `panko history`.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "an operator")]
    who: String,
}

/// Brings a member back. Fails when it stays fenced.
pub async fn failback(args: &FailbackArgs, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(&args.of).await?;
    let why = args.why.clone().unwrap_or_default();
    let request = FailbackRequest {
        namespace: namespace.clone(),
        member: args.member.clone(),
        accept_duplicates: args.accept_duplicates,
        dry_run: args.dry_run,
        who: args.who.clone(),
        why: why.clone(),
    };
    let answer = client.admin.failback(request).await.map_err(told)?.into_inner();
    show(&args.member, &answer, args.dry_run, output);
    if args.dry_run {
        return Ok(());
    }
    anyhow::ensure!(
        !answer.fenced,
        "{} stays fenced: of each of these ids terminate one on its own cluster (`temporal workflow terminate --address …`), then run this again; or accept them with --accept-duplicates",
        args.member
    );
    if args.rebalance {
        let request = ChangePlacementRequest {
            namespace: namespace.clone(),
            dry_run: false,
            who: args.who.clone(),
            why,
            change: Some(Change::Rebalance(Nothing {})),
        };
        client.admin.change_placement(request).await.map_err(told)?;
        wait::until_handed_over(&mut client, &namespace, output).await?;
    }
    Ok(())
}

fn show(member: &str, answer: &FailbackResponse, dry_run: bool, output: Output) {
    let kind = |kind: &str| if kind.is_empty() { "workflow" } else { kind }.to_owned();
    if output == Output::Json {
        let duplicates = answer
            .duplicates
            .iter()
            .map(|d| json!({ "kind": kind(&d.kind), "id": d.workflow_id, "members": d.members }));
        let all = json!({
            "member": member, "version": answer.version, "dry_run": dry_run, "fenced": answer.fenced,
            "looked_for": answer.looked_for, "duplicates": duplicates.collect::<Vec<_>>(),
            "duplicates_in_all": answer.duplicates_in_all,
        });
        println!("{all:#}");
        return;
    }
    let (looked_for, twice) = (answer.looked_for, answer.duplicates_in_all);
    println!("{looked_for} ids of {member} were looked for; {twice} are open elsewhere, too");
    for d in &answer.duplicates {
        println!("  {}:{}: {}", kind(&d.kind), d.workflow_id, d.members.join(", "));
    }
    if !answer.fenced {
        println!(
            "{member} is not fenced any more. It gets slots by `panko rebalance`; what was told to all clusters meanwhile (search attributes, worker deployments, …) has to be told again"
        );
    }
}
