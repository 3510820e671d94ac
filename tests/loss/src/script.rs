//! Running the Python parts: load, audit, workers.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::options::Options;

/// How many of a log's last lines are told when its program fails.
const TAIL: usize = 20;

/// A script of this crate's folder `python`, ready to be given arguments.
#[must_use]
pub fn command(options: &Options, name: &str) -> Command {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(&options.python);
    command.arg(crate_folder.join("python").join(name));
    // For `demo.process`.
    if let Some(root) = crate_folder.ancestors().nth(2) {
        command.env("PYTHONPATH", root);
    }
    command.kill_on_drop(true);
    command
}

/// Lets all that a program says go to the end of a file.
pub fn log_to(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::options().create(true).append(true).open(log);
    let file = file.with_context(|| log.display().to_string())?;
    command.stderr(file.try_clone()?).stdout(file);
    Ok(())
}

/// The end of a log, for an error message.
#[must_use]
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}

/// Runs a script to its end.
pub async fn run(mut command: Command, log: &Path) -> Result<()> {
    log_to(&mut command, log)?;
    let program = command.as_std().get_program().to_owned();
    let status = command.stdin(Stdio::null()).status().await;
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    if !status.success() {
        bail!("{} ended with {status}:\n{}", log.display(), tail(log));
    }
    Ok(())
}
