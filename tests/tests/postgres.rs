//! Two control servers on PostgreSQL: either is killed, and the database fails, while slots move.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Options, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::moves::load::Load;
use panko_tests::moves::{Clients, records};
use panko_tests::operator::Operator;
use panko_tests::sandbox::{options, start_with};
use tokio::process::Command;
use tonic::Code;

const SECOND: Duration = Duration::from_secs(1);

/// How long the database is away.
const AWAY: Duration = Duration::from_secs(10);

/// Three members and two control servers.
async fn sandbox() -> Result<Sandbox> {
    let postgres =
        std::env::var("PANKO_POSTGRES").context("PANKO_POSTGRES: see `make postgres`")?;
    let three = options(Kind::Cli, &[("a", 1), ("b", 1), ("c", 0)])?;
    start_with(&Options { clusters: 3, control_servers: 2, store: Some(postgres), ..three }).await
}

/// Has the database `stop`, `start`, `hang` or `go-on`.
async fn postgres(verb: &str) -> Result<()> {
    let program =
        std::env::var("PANKO_POSTGRES_CTL").context("PANKO_POSTGRES_CTL: see `make postgres`")?;
    let status = Command::new(program).arg(verb).status().await?;
    ensure!(status.success(), "{verb}: {status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: make postgres"]
async fn either_of_two_control_servers_is_killed_in_the_middle_of_a_move() -> Result<()> {
    let mut sandbox = sandbox().await?;
    let operator = Operator::of(&sandbox)?;
    let mut clients = Clients::start(sandbox.addresses().address).await?;
    tokio::time::sleep(4 * SECOND).await;
    let mut owned = operator.owned().await?;
    // Either is the leader; each is killed between the two steps, and right after the second.
    for round in 0..8 {
        let victim = format!("control-server-{}", round % 2 + 1);
        let [from, to] = [["a", "c"], ["b", "c"], ["c", "a"], ["c", "b"]][round % 4];
        let mut begin = vec!["move", "--from", from, "--to", to, "--slots", "300"];
        if round < 4 {
            begin.push("--no-wait");
        }
        let step = if round < 4 { "first" } else { "second" };
        clients.during(&format!("{victim} is killed right after the {step} step")).await?;
        operator.run(&begin).await?;
        sandbox.kill_part(&victim).await?;
        let at = |name: &str| ["a", "b", "c"].iter().position(|member| *member == name);
        for (name, by) in [(from, -300), (to, 300)] {
            let owned = owned.get_mut(at(name).context("a member")?).context("a member")?;
            *owned = owned.saturating_add_signed(by);
        }
        until("the other one completes it", 60 * SECOND, async || {
            operator.owned().await.is_ok_and(|now| now == owned)
        })
        .await?;
        tokio::time::sleep(2 * SECOND).await;
        sandbox.start_part(&victim).await?;
    }
    let ids = clients.stop().await?;
    records::check(sandbox.addresses(), &ids).await?;
    let history = operator.run(&["history"]).await?;
    let moves = history.as_array().context("a list")?;
    let begun =
        moves.iter().filter(|entry| entry["what"].to_string().contains("300 slots are being"));
    ensure!(begun.count() == 8, "what was acknowledged is in the history: {history}");
    sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: make postgres"]
async fn while_the_database_is_away_only_starts_on_moved_slots_wait() -> Result<()> {
    let mut sandbox = sandbox().await?;
    let operator = Operator::of(&sandbox)?;
    operator.run(&["move", "--from", "a", "--to", "c", "--slots", "300"]).await?;
    let client = Client::new(sandbox.addresses().address)?;
    let load = Load::start(sandbox.addresses().address)?;
    tokio::time::sleep(2 * SECOND).await;
    for (fails, returns) in [("hang", "go-on"), ("stop", "start")] {
        let ids = Ids::of(&operator, fails).await?;
        load.during(&format!("the database does `{fails}` for {AWAY:?}"));
        postgres(fails).await?;
        let began = Instant::now();
        let mut refused = false;
        for id in &ids.direct {
            if began.elapsed() > AWAY {
                break;
            }
            // Once: these go straight to their clusters.
            client
                .start(id, "nobody-polls")
                .await
                .context("a start on a slot that did not move")?;
            if !refused && began.elapsed() > SECOND {
                let moved = client.start(&ids.moved[0], "nobody-polls").await;
                let status = moved.err().context("a start that needs the store")?;
                ensure!(status.code() == Code::Unavailable, "{status}");
                refused = true;
            }
            tokio::time::sleep(SECOND / 10).await;
        }
        load.during(&format!("after `{returns}`"));
        postgres(returns).await?;
        until("starts on slots that moved go on", 20 * SECOND, async || {
            client.start(&ids.moved[0], "nobody-polls").await.is_ok()
        })
        .await?;
        operator.run(&["move", "--from", "b", "--to", "c", "--slots", "900"]).await?;
        tokio::time::sleep(2 * SECOND).await;
    }
    records::check(sandbox.addresses(), &load.stop().await?).await?;
    sandbox.stop_all().await;
    Ok(())
}

/// Ids by what becomes of their starts.
struct Ids {
    direct: Vec<String>,
    moved: Vec<String>,
}

impl Ids {
    async fn of(operator: &Operator, prefix: &str) -> Result<Self> {
        let file = tempfile::NamedTempFile::new()?;
        let ids: Vec<String> = (0..4000).map(|n| format!("{prefix}-{n}")).collect();
        std::fs::write(file.path(), ids.join("\n"))?;
        let file = file.path().to_str().context("a path")?;
        let told = operator.run(&["explain", "--workflow-id-file", file, "--no-look"]).await?;
        let told = told.as_array().context("a list")?.iter();
        let (direct, moved): (Vec<_>, Vec<_>) = told
            .map(|told| (told["id"].as_str().unwrap_or_default().to_owned(), told))
            .partition(|(_, told)| told["starts"].to_string().contains("straight"));
        let ids = |all: Vec<(String, _)>| all.into_iter().map(|(id, _)| id).collect();
        Ok(Self { direct: ids(direct), moved: ids(moved) })
    }
}
