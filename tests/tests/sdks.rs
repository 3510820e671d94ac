//! The same checklist in the other SDKs, unchanged and with their defaults, on two real clusters behind one
//! address. (The Rust and the Python one are in `checklists.rs`.)
//!
//! Each is one server and one way of naming here; `make test-all` plays all of them.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::Kind;
use panko_tests::sandbox::{homes, options, start_with};
use tokio::process::Command;

const WEIGHTS: [(&str, u32); 2] = [("a", 1), ("b", 1)];

/// A checklist's program, as the Makefile has built it.
fn program(sdk: &str) -> Result<Command> {
    let built = |variable: &str| {
        std::env::var(variable).with_context(|| format!("{variable} is not set; run `make e2e`"))
    };
    Ok(match sdk {
        "go" => Command::new(built("PANKO_CHECKLIST_GO")?),
        "typescript" => {
            let mut node = Command::new("node");
            node.arg(built("PANKO_CHECKLIST_TYPESCRIPT")?);
            node
        }
        "java" => {
            let mut java = Command::new("java");
            java.arg("-jar").arg(built("PANKO_CHECKLIST_JAVA")?);
            java
        }
        other => anyhow::bail!("there is no checklist for {other}"),
    })
}

async fn finds_one_cluster(sdk: &str, kind: Kind, rename: bool) -> Result<()> {
    let mut options = options(kind, &WEIGHTS)?;
    options.rename = rename;
    // Checks look again and again for what takes a moment.
    options.dynamic_config.push(("frontend.namespaceRPS.visibility".to_owned(), 1000.into()));
    let mut sandbox = start_with(&options).await?;
    let ids = tempfile::NamedTempFile::new()?;
    serde_json::to_writer(&ids, &homes(&format!("{sdk}-sdk"), 800, &WEIGHTS))?;
    let mut command = program(sdk)?;
    command.arg("--address").arg(sandbox.addresses().address.to_string());
    command.arg("--ids").arg(ids.path()).stdin(Stdio::null()).kill_on_drop(true);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    let output = command.output().await?;
    let text = String::from_utf8_lossy(&output.stdout);
    let logs = String::from_utf8_lossy(&output.stderr);
    println!("{sdk}, {kind:?}, other names: {rename}\n{text}");
    sandbox.stop_all().await;
    ensure!(output.status.success(), "the checklist failed:\n{logs}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn go_finds_one_cluster_where_names_differ_on_server_1_32() -> Result<()> {
    finds_one_cluster("go", Kind::Server, true).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: make test-all"]
async fn every_sdk_finds_one_cluster() -> Result<()> {
    // One of them alone, for whoever works on it.
    let wanted = std::env::var("PANKO_SDK").ok();
    for sdk in ["go", "typescript", "java"] {
        if wanted.as_ref().is_some_and(|wanted| wanted != sdk) {
            continue;
        }
        for kind in [Kind::Cli, Kind::Server] {
            for rename in [false, true] {
                finds_one_cluster(sdk, kind, rename).await?;
            }
        }
    }
    Ok(())
}
