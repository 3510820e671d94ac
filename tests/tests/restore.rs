//! A backup of the store, taken while everything runs, brings back the placement that it has.

use std::path::Path;

use anyhow::{Result, ensure};
use panko_control_server::dev::Kind;
use panko_tests::bare::Client;
use panko_tests::operator::Operator;
use panko_tests::sandbox::{homes, options, start_with};
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus::Running;
use tokio::process::Command;

/// What `sqlite3 FROM ".backup TO"` does, by Python's own copy of SQLite.
async fn back_up(from: &Path, to: &Path) -> Result<()> {
    let program = "import sqlite3, sys\nto = sqlite3.connect(sys.argv[2])\nsqlite3.connect(sys.argv[1]).backup(to)\nto.close()";
    let mut python = Command::new("python3");
    python.arg("-c").arg(program).arg(from).arg(to).kill_on_drop(true);
    let output = python.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_brings_back_its_placement_and_nothing_that_runs_is_lost() -> Result<()> {
    let mut sandbox = start_with(&options(Kind::Cli, &[("a", 1), ("b", 1)])?).await?;
    let operator = Operator::of(&sandbox)?;
    let client = Client::new(sandbox.addresses().address)?;
    let ids = homes("restored", 20, &[("a", 1), ("b", 1)]);
    let (before, after) = (&ids["a"][0], &ids["a"][1]);
    client.start(before, "nobody").await?;
    operator.run(&["weight", "b", "3"]).await?;
    let (store, backup) =
        (sandbox.data_dir().join("panko.db"), sandbox.data_dir().join("backup.db"));
    let placement = operator.run(&["status", "placement"]).await?;
    let history = operator.run(&["history"]).await?;
    back_up(&store, &backup).await?;
    operator.run(&["drain", "a"]).await?;
    client.start(after, "nobody").await?;

    // As docs/operations.md says: with all control servers and Envoys stopped.
    for part in ["envoy", "control-server"] {
        sandbox.kill_part(part).await?;
    }
    for old in ["panko.db-wal", "panko.db-shm"] {
        // They belong to what is replaced, and may not be there.
        let _ = std::fs::remove_file(sandbox.data_dir().join(old));
    }
    std::fs::copy(&backup, &store)?;
    sandbox.start_all().await?;
    let restored = operator.run(&["status", "placement"]).await?;
    ensure!(restored["members"] == placement["members"], "{placement:#}\n{restored:#}");
    ensure!(operator.run(&["history"]).await? == history, "{history:#}");
    for id in [before, after] {
        ensure!(client.status(id).await? == Running, "{id} is found wherever it began");
    }
    // What was moved is moved again before clients start anything.
    operator.run(&["drain", "a"]).await?;
    for id in [before, after] {
        ensure!(client.start_as(id, "nobody", "again").await.is_err(), "{id} is open");
    }
    let verified = operator.run(&["verify"]).await?;
    ensure!(verified["duplicates_in_all"] == 0, "{verified:#}");
    sandbox.stop_all().await;
    Ok(())
}
