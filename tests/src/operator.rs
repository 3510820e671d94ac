//! An operator at the sandbox: the `panko` command, as people use it.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::Sandbox;
use serde_json::Value;
use tokio::process::Command;

/// Runs `panko` with a sandbox's configuration.
#[derive(Debug, Clone)]
pub struct Operator {
    panko: PathBuf,
    config: PathBuf,
}

impl Operator {
    /// The operator of this sandbox.
    pub fn of(sandbox: &Sandbox) -> Result<Self> {
        let panko =
            std::env::var_os("PANKO_BIN").context("PANKO_BIN is not set: run `make e2e`")?;
        let one = sandbox.data_dir().join("panko.yaml");
        let config = if one.exists() { one } else { sandbox.data_dir().join("panko-1.yaml") };
        Ok(Self { panko: panko.into(), config })
    }

    /// Runs a verb: what it writes as JSON. Fails with what it says when it fails.
    pub async fn run(&self, arguments: &[&str]) -> Result<Value> {
        let config = self.config.to_string_lossy();
        self.bare(&[arguments, &["--config", &config]].concat()).await
    }

    /// The same with no configuration but what the arguments name.
    pub async fn bare(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = Command::new(&self.panko);
        command.args(arguments).args(["--output", "json"]);
        let output = command.kill_on_drop(true).output().await?;
        let problem = String::from_utf8_lossy(&output.stderr);
        let told = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "panko {}: {problem}{told}", arguments.join(" "));
        if output.stdout.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Whether the last handover was completed after this moment.
    pub async fn completed_after(&self, moment: SystemTime) -> Result<bool> {
        let history = self.run(&["history"]).await?;
        let entries = history.as_array().context("entries")?;
        let completed = |entry: &&Value| entry["why"] == "every filter agrees";
        let last = entries.iter().filter(completed).max_by_key(|entry| entry["version"].as_u64());
        let at = last.context("no handover was completed")?["at_ms"].as_u64().context("at_ms")?;
        Ok(u128::from(at) > moment.duration_since(UNIX_EPOCH)?.as_millis())
    }

    /// Of each member how many slots it owns, in the members' order.
    pub async fn owned(&self) -> Result<Vec<u64>> {
        let placement = self.run(&["status", "placement"]).await?;
        let members = placement["members"].as_array().context("members")?;
        Ok(members.iter().filter_map(|member| member["owned"].as_u64()).collect())
    }
}
