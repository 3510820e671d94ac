//! The operators' side of placements: `panko drain`, `move`, `history`, `explain` and so on.
//!
//! * [`verbs`] — what is asked for on the command line.
//! * [`apply`] — a whole file.
//! * [`failback`] — a fenced member comes back.
//! * [`client`] — which control server is asked.
//! * [`schedules`] — which there are, and their moves.
//! * [`leftovers`] — what never ends.
//! * [`explain`] — where calls on keys go.
//! * [`rings`] — a move in steps, which goes back by itself.
//! * [`wait`] — until a handover is done.
//! * [`show`] — what is told; [`explained`] — of a key.

pub mod apply;
mod client;
mod explain;
mod explained;
pub mod failback;
pub mod leftovers;
pub mod rings;
pub mod schedules;
mod show;
pub mod verbs;
mod wait;

use panko_proto::v1::change_placement_request::Change;
use panko_proto::v1::{
    ChangePlacementRequest, ForgetFiltersRequest, GetPlacementRequest, ListHistoryRequest,
    VerifyRequest,
};

use crate::cli::Output;
use crate::config::Config;
use client::Client;
pub use explain::explain;
use verbs::{ChangeArgs, FiltersArgs, HistoryArgs, NamespaceArgs, StatusArgs};

/// Changes a placement, or shows what would change.
pub async fn change(args: &ChangeArgs, change: Change, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(&args.of).await?;
    let request = ChangePlacementRequest {
        namespace: namespace.clone(),
        dry_run: args.dry_run,
        who: args.who.clone(),
        why: args.why.clone().unwrap_or_default(),
        change: Some(change),
    };
    let answer = client.admin.change_placement(request).await.map_err(told)?.into_inner();
    show::changed(&answer, args.dry_run, output);
    if args.dry_run || args.no_wait {
        return Ok(());
    }
    wait::until_handed_over(&mut client, &namespace, output).await
}

/// Shows how a placement stands.
pub async fn status(args: &StatusArgs, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(&args.of).await?;
    loop {
        let request = GetPlacementRequest { namespace: namespace.clone() };
        let answer = client.admin.get_placement(request).await.map_err(told)?.into_inner();
        show::placement(&namespace, &answer, output);
        if !args.watch {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

/// Shows what has been changed.
pub async fn history(args: &HistoryArgs, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(&args.of).await?;
    let request = ListHistoryRequest { namespace, limit: args.limit, applied: args.applied };
    let answer = client.admin.list_history(request).await.map_err(told)?.into_inner();
    show::history(&answer.entries, output);
    Ok(())
}

/// Shows the filters, or forgets those of an Envoy.
pub async fn filters(args: &FiltersArgs, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(&args.of).await?;
    if let Some(node) = &args.forget {
        let request = ForgetFiltersRequest { node: node.clone() };
        let answer = client.admin.forget_filters(request).await.map_err(told)?.into_inner();
        anyhow::ensure!(
            answer.known,
            "no Envoy with the node id {node:?} is known: see `panko filters`"
        );
        return Ok(());
    }
    let request = GetPlacementRequest { namespace };
    let answer = client.admin.get_placement(request).await.map_err(told)?.into_inner();
    show::filters(&answer, output);
    Ok(())
}

/// Looks for ids that are open on several members. Fails when there are any.
pub async fn verify(args: &NamespaceArgs, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(args).await?;
    let answer = client.admin.verify(VerifyRequest { namespace }).await.map_err(told)?;
    let answer = answer.into_inner();
    show::verified(&answer, output);
    anyhow::ensure!(answer.duplicates_in_all == 0, "ids are open on several members: see above");
    anyhow::ensure!(answer.incomplete.is_empty(), "not all was looked at: see above");
    Ok(())
}

/// A control server that answers, and the namespace that is meant.
async fn reach(of: &NamespaceArgs) -> anyhow::Result<(Client, String)> {
    let config = Config::load(&of.config.config)?;
    let namespace = namespace(&config, of.namespace.as_deref())?;
    Ok((Client::connect(&config).await?, namespace))
}

/// The namespace that is meant: the only one, if none is named.
fn namespace(config: &Config, named: Option<&str>) -> anyhow::Result<String> {
    match (named, config.namespaces.as_slice()) {
        (Some(name), _) => Ok(name.to_owned()),
        (None, [only]) => Ok(only.name.clone()),
        (None, all) => {
            let names: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
            anyhow::bail!("say which namespace with --namespace: {}", names.join(", "))
        }
    }
}

fn told(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message())
}
