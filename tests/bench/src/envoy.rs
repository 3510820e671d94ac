//! An Envoy process with one worker, and the CPU that it has used.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Ends with the value.
pub struct Envoy {
    process: Child,
    pid: u32,
    _directory: TempDir,
}

impl Envoy {
    /// Starts Envoy with a configuration; it may not listen yet.
    pub fn start(binary: &Path, config: &str) -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let file = directory.path().join("envoy.yaml");
        std::fs::write(&file, config)?;
        let process = Command::new(binary)
            .args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"])
            .arg("--config-path")
            .arg(&file)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start Envoy, {}: see --envoy", binary.display()))?;
        let pid = process.id().context("Envoy ended at once")?;
        Ok(Self { process, pid, _directory: directory })
    }

    /// Fails when the process has ended; its log on stderr says why.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let ended = self.process.try_wait()?;
        ensure!(ended.is_none(), "Envoy ended; see its log above");
        Ok(())
    }

    /// The CPU time of the whole process since its start, all threads, user and system.
    ///
    /// Linux counts it to the nanosecond and shows it here in ticks of 10 ms.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let ticks = ticks(&stat).with_context(|| format!("cannot read CPU ticks in: {stat}"))?;
        let rate = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(ticks as f64 / rate as f64))
    }
}

/// utime + stime: fields 14 and 15 of proc_pid_stat(5), counted after the name, which may have
/// spaces and is in parentheses.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// A port that nobody listens on now.
pub fn free_port() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_past_a_name_with_spaces_and_parentheses() {
        let stat = "7 (en) voy) S 1 7 7 0 -1 4194560 5 0 0 0 120 34 9 9 20 0 1 0 2 3";
        assert_eq!(ticks(stat), Some(154));
    }
}
