//! `panko schedules`: which there are, and their moves.

use std::time::Duration;

use clap::{Args, Subcommand};
use panko_proto::v1::{
    ListSchedulesRequest, ListSchedulesResponse, MoveScheduleRequest, MoveScheduleResponse,
    ScheduleStatus,
};
use serde_json::json;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::client::Client;
use super::verbs::NamespaceArgs;
use super::{reach, show, told};
use crate::cli::Output;

/// For how long a move is tried again while its clusters or control servers do not answer. A control server that crashed
/// in the middle of one leaves a lock behind, which ends after some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two tries.
const AGAIN: Duration = Duration::from_millis(500);

/// What to do with schedules.
#[derive(Debug, Subcommand)]
pub enum SchedulesVerb {
    /// Show which member has which schedules, and who owns their slots.
    #[command(after_help = "Example:\n  panko schedules list --away")]
    List(ListArgs),
    /// Move schedules to the owners of their slots: each is paused, copied, compared, set going there, and deleted
    /// here. What it has started stays where it is and is found; its list of recent actions and its counters begin
    /// anew. A move that was broken off goes on.
    #[command(
        after_help = "Example:\n  panko schedules move --schedule-id nightly --dry-run\n  panko schedules move --all --from a --wait"
    )]
    Move(MoveArgs),
}

/// Which schedules to show.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    of: NamespaceArgs,
    /// Only those of this member.
    #[arg(long, value_name = "MEMBER")]
    member: Option<String>,
    /// Only those that do not live with their slot's owner, or are paused in the middle of a move.
    #[arg(long)]
    away: bool,
}

/// Which schedules to move.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["schedule_id", "all"]))]
pub struct MoveArgs {
    #[command(flatten)]
    of: NamespaceArgs,
    /// This one.
    #[arg(long, value_name = "ID")]
    schedule_id: Option<String>,
    /// All of a member that do not live with their slot's owner, or are paused in the middle of a move.
    #[arg(long, requires = "from")]
    all: bool,
    /// The member that gives them.
    #[arg(long, value_name = "MEMBER", requires = "all")]
    from: Option<String>,
    /// Only show what would be moved.
    #[arg(long)]
    dry_run: bool,
    /// Wait for those that cannot be moved at this moment, since an action of theirs still runs.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
}

/// Shows schedules.
pub async fn list(args: &ListArgs, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(&args.of).await?;
    let member = args.member.clone().unwrap_or_default();
    let request = ListSchedulesRequest { namespace, member };
    let mut answer = client.admin.list_schedules(request).await.map_err(told)?.into_inner();
    if args.away {
        answer.schedules.retain(is_to_be_moved);
    }
    listed(&answer, output);
    anyhow::ensure!(answer.incomplete.is_empty(), "not all members were asked: see above");
    Ok(())
}

fn listed(answer: &ListSchedulesResponse, output: Output) {
    if output == Output::Json {
        let schedules = answer.schedules.iter();
        let schedules: Vec<_> = schedules
            .map(|s| json!({ "schedule_id": s.schedule_id, "member": s.member, "owner": s.owner, "moving": s.moving }))
            .collect();
        println!("{:#}", json!({ "schedules": schedules, "incomplete": answer.incomplete }));
        return;
    }
    let mut rows = show::table(&["schedule", "lives at", "owner of its slot", "move"]);
    for schedule in &answer.schedules {
        let moving = if schedule.moving { "paused in the middle of one" } else { "" };
        rows.add_row([&*schedule.schedule_id, &schedule.member, &schedule.owner, moving]);
    }
    println!("{rows}");
    answer.incomplete.iter().for_each(|why| println!("not in this list: {why}"));
}

/// Whether a move would do something.
fn is_to_be_moved(schedule: &ScheduleStatus) -> bool {
    schedule.member != schedule.owner || schedule.moving
}

/// Moves schedules, one after the other. Fails when one was not moved.
pub async fn moved(args: &MoveArgs, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(&args.of).await?;
    let ids = match (&args.schedule_id, &args.from) {
        (Some(id), _) => vec![id.clone()],
        (None, from) => {
            let member = from.clone().unwrap_or_default();
            let request = ListSchedulesRequest { namespace: namespace.clone(), member };
            let all = client.admin.list_schedules(request).await.map_err(told)?.into_inner();
            anyhow::ensure!(all.incomplete.is_empty(), "{}", all.incomplete.join("; "));
            let away = all.schedules.into_iter().filter(is_to_be_moved);
            away.map(|one| one.schedule_id).collect()
        }
    };
    let (mut results, mut failed) = (Vec::new(), 0);
    for id in ids {
        let result = move_one(args, &mut client, &namespace, &id).await;
        failed += usize::from(!result.as_ref().is_ok_and(|answer| answer.waits.is_empty()));
        match output {
            Output::Text => println!("{id}: {}", in_words(&result, args.dry_run)),
            Output::Json => results.push(in_json(&id, &result, args.dry_run)),
        }
    }
    if output == Output::Json {
        println!("{:#}", serde_json::Value::from(results));
    }
    anyhow::ensure!(
        failed == 0 || args.dry_run,
        "{failed} schedules were not moved: see above. Those that wait go on where they are; one with an error may be paused in the middle of its move: `panko schedules list --away` shows it, and `panko schedules move` goes on with it"
    );
    Ok(())
}

/// Tries until it is moved, or cannot be.
async fn move_one(
    args: &MoveArgs,
    client: &mut Client,
    namespace: &str,
    id: &str,
) -> Result<MoveScheduleResponse, Status> {
    let mut give_up = Instant::now() + PATIENCE;
    loop {
        let request = MoveScheduleRequest {
            namespace: namespace.to_owned(),
            schedule_id: id.to_owned(),
            dry_run: args.dry_run,
        };
        match client.admin.move_schedule(request).await.map(tonic::Response::into_inner) {
            Ok(answer) if args.wait && !answer.waits.is_empty() => {
                give_up = Instant::now() + PATIENCE;
            }
            Err(status) if may_pass(&status) && Instant::now() < give_up => {
                if let Ok((other, _)) = reach(&args.of).await {
                    *client = other;
                }
            }
            answer => return answer,
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether the same may succeed later.
fn may_pass(status: &Status) -> bool {
    use Code::{Cancelled, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown};
    [Cancelled, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown]
        .contains(&status.code())
}

fn in_words(result: &Result<MoveScheduleResponse, Status>, dry_run: bool) -> String {
    let answer = match result {
        Ok(answer) => answer,
        Err(status) => return format!("not moved: {}", status.message()),
    };
    let MoveScheduleResponse { from, to, waits, told } = answer;
    if !waits.is_empty() {
        return format!("not moved yet: {waits}");
    }
    if from.is_empty() {
        return format!("lives with its slot's owner, {to}");
    }
    if from == to {
        return format!("is paused in the middle of a move, and would go on at {to}");
    }
    let verb = if dry_run { "would move" } else { "moved" };
    let told: String = told.iter().map(|what| format!("; {what}")).collect();
    format!("{verb} from {from} to {to}{told}")
}

fn in_json(
    id: &str,
    result: &Result<MoveScheduleResponse, Status>,
    dry_run: bool,
) -> serde_json::Value {
    match result {
        Ok(MoveScheduleResponse { from, to, waits, told }) => json!({
            "schedule_id": id, "from": from, "to": to, "waits": waits, "told": told, "dry_run": dry_run,
        }),
        Err(status) => json!({ "schedule_id": id, "error": status.message() }),
    }
}
