//! Every RPC that the descriptors have, on a single cluster and on two behind Panko.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use comfy_table::Table;
use panko_control_server::dev::Kind;
use panko_tests::api::play::Player;
use panko_tests::api::{Row, page, rows};
use panko_tests::sandbox::{options, start_with};
use prost::Message;
use prost_types::FileDescriptorSet;

/// What servers have and do not do by default, and a rate that a test passes.
const SWITCHES: [(&str, &str); 13] = [
    ("frontend.workerVersioningDataAPIs", "true"),
    ("frontend.workerVersioningRuleAPIs", "true"),
    ("frontend.workerVersioningWorkflowAPIs", "true"),
    ("frontend.workflowRulesAPIsEnabled", "true"),
    ("frontend.WorkerHeartbeatsEnabled", "true"),
    ("frontend.ListWorkersEnabled", "true"),
    ("frontend.WorkerCommandsEnabled", "true"),
    ("frontend.WorkflowPauseEnabled", "true"),
    ("frontend.namespaceRPS.visibility", "1000"),
    ("history.enableChasm", "true"),
    ("activity.enableStandalone", "true"),
    ("history.enableStandaloneActivityOperatorCommands", "true"),
    ("nexusoperation.enableStandalone", "true"),
];

/// The RPCs of both services, as the descriptors have them.
fn described() -> Result<BTreeSet<String>> {
    let set = FileDescriptorSet::decode(panko_descriptors::FILE_DESCRIPTOR_SET)?;
    let services = set.file.iter().flat_map(|file| &file.service);
    let ours = services.filter(|s| ["WorkflowService", "OperatorService"].contains(&s.name()));
    Ok(ours.flat_map(|service| &service.method).map(|method| method.name().to_owned()).collect())
}

#[test]
fn every_rpc_has_one_row() -> Result<()> {
    let (described, rows) = (described()?, rows()?);
    let named: BTreeSet<_> = rows.iter().map(|row| row.rpc.clone()).collect();
    ensure!(described.len() == 135, "{} RPCs", described.len());
    ensure!(named.len() == rows.len(), "an RPC has two rows");
    let missing: Vec<_> = described.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&described).collect();
    ensure!(missing.is_empty() && unknown.is_empty(), "missing {missing:?}, unknown {unknown:?}");
    Ok(())
}

#[test]
fn the_page_is_what_the_rows_say() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
    let page = page::page(&rows()?);
    if std::env::var_os("PANKO_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page)?;
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    ensure!(there == page, "docs/api.md is old: run `make docs`");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_answers_what_its_row_says_on_server_1_29() -> Result<()> {
    every_rpc(Kind::Cli, false, |row| &row.on_1_29).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_answers_what_its_row_says_on_server_1_32() -> Result<()> {
    every_rpc(Kind::Server, false, |row| &row.on_1_32).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_answers_what_its_row_says_where_names_differ() -> Result<()> {
    every_rpc(Kind::Server, true, |row| &row.on_1_32).await
}

/// A single cluster is the measure: it has to answer what the row says, and Panko the same.
async fn every_rpc(kind: Kind, rename: bool, expected: fn(&Row) -> &String) -> Result<()> {
    let mut one = options(kind, &[("a", 1)])?;
    let mut two = options(kind, &[("a", 1), ("b", 1)])?;
    two.rename = rename;
    for options in [&mut one, &mut two] {
        let value = |text: &str| serde_json::from_str(text).expect("JSON");
        let switch = |(key, text): &(&str, &str)| ((*key).to_owned(), value(text));
        options.dynamic_config = SWITCHES.iter().map(switch).collect();
    }
    let (mut alone, mut sandbox) = (start_with(&one).await?, start_with(&two).await?);
    let cluster = Player::new(alone.addresses().clusters[0].address, "x")?;
    let panko = Player::new(sandbox.addresses().address, "x")?;
    let rows = rows()?;
    let through = |row: &Row| row.panko.clone().unwrap_or_else(|| expected(row).clone());
    let (direct, through) = tokio::try_join!(
        play(cluster, &rows, |row| expected(row).clone()),
        play(panko, &rows, through)
    )?;

    let mut table = Table::new();
    table.set_header(["RPC", "row says", "one cluster", "Panko", "message"]);
    let mut wrong = 0;
    for ((row, direct), through) in rows.iter().zip(&direct).zip(&through) {
        let should = expected(row);
        let panko = row.panko.as_ref().unwrap_or(should);
        // A refused call need not be one that a cluster takes.
        let right = through.code == *panko && (direct.code == *should || row.panko.is_some());
        if !right {
            wrong += 1;
            let message = format!("{} | {}", direct.message, through.message);
            table.add_row([&row.rpc, panko, &direct.code, &through.code, &message]);
        }
    }
    let ok = through.iter().filter(|outcome| outcome.code == "OK").count();
    println!("{} RPCs: {ok} OK, {wrong} other than their row says", rows.len());
    if wrong > 0 {
        println!("{table}");
    }
    alone.stop_all().await;
    sandbox.stop_all().await;
    ensure!(wrong == 0, "{wrong} RPCs answer something other than their row says");
    Ok(())
}

async fn play(
    mut player: Player,
    rows: &[Row],
    expected: impl Fn(&Row) -> String,
) -> Result<Vec<panko_tests::api::play::Outcome>> {
    let mut outcomes = Vec::new();
    for row in rows {
        outcomes.push(player.play(row, &expected(row)).await?);
    }
    Ok(outcomes)
}
