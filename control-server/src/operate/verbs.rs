//! What operators write on the command line.

use std::path::{Path, PathBuf};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use clap::{Args, Subcommand};
use panko_proto::v1::change_placement_request::Change;
use panko_proto::v1::{Move, Nothing, Weight};
use panko_routing::SLOTS;

use super::rings::RingArgs;
use crate::cli::ConfigArgs;

/// Which namespace.
#[derive(Debug, Args)]
pub struct NamespaceArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The virtual namespace; needed where there are several.
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
}

/// Which placement to change, who does so, and why.
#[derive(Debug, Args)]
pub struct ChangeArgs {
    #[command(flatten)]
    pub of: NamespaceArgs,
    /// Only show what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not wait until the slots have their new owners.
    #[arg(long)]
    pub no_wait: bool,
    /// Why, for `panko history`.
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// Who, for `panko history`.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "an operator")]
    pub who: String,
}

/// The verbs that change a placement.
#[derive(Debug, Subcommand)]
pub enum ChangeVerb {
    /// Give a member no further slots; it keeps those that it has.
    #[command(after_help = "Example:\n  panko cordon a")]
    Cordon(MemberArgs),
    /// Let a cordoned member get slots again.
    Uncordon(MemberArgs),
    /// Change a member's share of the new workflows, and move slots accordingly.
    #[command(after_help = "Example:\n  panko weight b 2 --dry-run")]
    Weight(WeightArgs),
    /// Give all of a member's slots to the others: new workflows start elsewhere, running ones go on.
    #[command(
        after_help = "Example:\n  panko drain a --why \"its database is full\"\n  panko reverse"
    )]
    Drain(MemberArgs),
    /// Give up a member whose cluster is gone: its slots go to the others at once, and new workflows of them start there.
    ///
    /// What this risks: nobody can ask the cluster what is open on it. An id that is open there can be started anew elsewhere, and
    /// what it has not told anybody else is out of reach until it is back. Calls on workflows that only it has answer UNAVAILABLE. When
    /// the cluster returns, nothing is sent to it before `panko failback`.
    #[command(
        after_help = "Example:\n  panko failover a --dry-run\n  panko failover a --why \"its region is down\"\n  panko failback a --rebalance   (once it is up again)"
    )]
    Failover(MemberArgs),
    /// Move slots to where the weights say.
    Rebalance(ChangeArgs),
    /// Move some slots from one member to another.
    #[command(
        after_help = "Example:\n  panko move --from a --to b --share 10%\n  panko move --from a --to b --slots 16\n  panko move --by-ring --from a --to b,c --share 50% --soak 60s"
    )]
    Move(MoveArgs),
    /// End the handover under way: everything stays as it was.
    Cancel(ChangeArgs),
    /// Go back to the owners and weights of before the last handover.
    Reverse(ChangeArgs),
    /// Complete the handover under way though filters have not agreed to it. A filter that still runs and
    /// has not agreed may start a workflow on the old owner while the same id is started on the new one: be sure
    /// that those which `panko status placement` waits for are gone.
    Force(ChangeArgs),
}

/// A member.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// The member: CLUSTER, or CLUSTER/NAMESPACE where a cluster has several.
    #[arg(value_name = "MEMBER")]
    member: String,
    #[command(flatten)]
    change: ChangeArgs,
}

/// A member and its weight.
#[derive(Debug, Args)]
pub struct WeightArgs {
    /// The member: CLUSTER, or CLUSTER/NAMESPACE where a cluster has several.
    #[arg(value_name = "MEMBER")]
    member: String,
    /// Its share relative to the others'.
    #[arg(value_name = "WEIGHT")]
    weight: u32,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Which slots to move.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("how many").required(true).args(["slots", "share"]))]
pub struct MoveArgs {
    /// The member that gives them.
    #[arg(long, value_name = "MEMBER")]
    pub from: String,
    /// The member that gets them; with --by-ring there may be several, with commas between them.
    #[arg(long, value_name = "MEMBER", value_delimiter = ',', required = true)]
    pub to: Vec<String>,
    /// How many of the 4096.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=SLOTS as i64))]
    slots: Option<u32>,
    /// How much of all: 5%.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    share: Option<f64>,
    #[command(flatten)]
    pub rings: RingArgs,
    #[command(flatten)]
    pub change: ChangeArgs,
}

impl MoveArgs {
    /// How many slots are to be moved.
    #[must_use]
    pub fn slots(&self) -> u32 {
        let share = self.share.map(|percent| (percent / 100.0 * SLOTS as f64).round() as u32);
        self.slots.or(share).unwrap_or(0).max(1)
    }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
    number
        .ok()
        .filter(|percent| *percent > 0.0 && *percent <= 100.0)
        .ok_or_else(|| "write it like 5%".to_owned())
}

impl ChangeVerb {
    /// What is asked for, and of whom.
    #[must_use]
    pub fn read(self) -> (ChangeArgs, Change) {
        match self {
            Self::Cordon(args) => (args.change, Change::Cordon(args.member)),
            Self::Uncordon(args) => (args.change, Change::Uncordon(args.member)),
            Self::Weight(WeightArgs { member, weight, change }) => {
                (change, Change::Weight(Weight { member, weight }))
            }
            Self::Drain(args) => (args.change, Change::Drain(args.member)),
            Self::Failover(args) => (args.change, Change::Failover(args.member)),
            Self::Rebalance(args) => (args, Change::Rebalance(Nothing {})),
            Self::Move(args) => {
                let slots = args.slots();
                let MoveArgs { from, to, change, .. } = args;
                (change, Change::Move(Move { from, to: to.join(","), slots }))
            }
            Self::Cancel(args) => (args, Change::Cancel(Nothing {})),
            Self::Reverse(args) => (args, Change::Reverse(Nothing {})),
            Self::Force(args) => (args, Change::Force(Nothing {})),
        }
    }
}

/// Which placement to show.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub of: NamespaceArgs,
    /// Show it again every second.
    #[arg(long)]
    pub watch: bool,
}

/// Whose history to show.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    #[command(flatten)]
    pub of: NamespaceArgs,
    /// Show instead when which clusters and namespaces were applied.
    #[arg(long)]
    pub applied: bool,
    /// How many changes.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
}

/// Which filters to show, or to forget.
#[derive(Debug, Args)]
pub struct FiltersArgs {
    #[command(flatten)]
    pub of: NamespaceArgs,
    /// The Envoy with this node id is gone for good: changes no longer wait for it. One that still runs may then
    /// start a workflow on a slot's old owner while the same id is started on its new one.
    #[arg(long, value_name = "NODE")]
    pub forget: Option<String>,
}

/// Which keys to explain.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub of: NamespaceArgs,
    #[command(flatten)]
    pub key: KeyArgs,
    /// Ask no cluster: only what the placement says, which for 10,000 ids takes a second.
    #[arg(long)]
    pub no_look: bool,
}

/// Keys of one kind, or a token.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct KeyArgs {
    /// A workflow's id. May be repeated.
    #[arg(long, value_name = "ID")]
    workflow_id: Vec<String>,
    /// A file with workflows' ids, one a line; - is the standard input.
    #[arg(long, value_name = "FILE")]
    workflow_id_file: Option<PathBuf>,
    /// A schedule's id. May be repeated.
    #[arg(long, value_name = "ID")]
    schedule_id: Vec<String>,
    /// A standalone activity's id. May be repeated.
    #[arg(long, value_name = "ID")]
    activity_id: Vec<String>,
    /// A standalone Nexus operation's id. May be repeated.
    #[arg(long, value_name = "ID")]
    nexus_operation_id: Vec<String>,
    /// A task's token: of which member it is, and where calls on its workflow go.
    #[arg(long, value_name = "BASE64", value_parser = token)]
    task_token: Option<TaskToken>,
}

/// A task's token.
#[derive(Debug, Clone)]
pub struct TaskToken(Bytes);

fn token(text: &str) -> Result<TaskToken, String> {
    let token = STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text));
    token
        .map(|token| TaskToken(token.into()))
        .map_err(|_| "write it as base64, as `task_token` has it in JSON".to_owned())
}

impl KeyArgs {
    /// The token, if that is what was named.
    #[must_use]
    pub fn task_token(&self) -> Option<Bytes> {
        self.task_token.as_ref().map(|token| token.0.clone())
    }

    /// The kind of the keys that were named, and their ids. `read` reads those of a file.
    pub fn kind_and_ids(
        &self,
        read: impl FnOnce(&Path) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<(&'static str, Vec<String>)> {
        if let Some(file) = &self.workflow_id_file {
            return Ok(("workflow", read(file)?));
        }
        let named = [
            ("workflow", &self.workflow_id),
            ("schedule", &self.schedule_id),
            ("activity", &self.activity_id),
            ("nexus_operation", &self.nexus_operation_id),
        ];
        let named = named.into_iter().find(|(_, ids)| !ids.is_empty());
        named.map(|(kind, ids)| (kind, ids.clone())).context("say which id")
    }

    /// Whether there may be any number of them.
    #[must_use]
    pub fn is_a_list(&self) -> bool {
        self.workflow_id_file.is_some()
    }
}
