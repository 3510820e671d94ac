//! A program that the bench starts, and what it uses of the machine.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::process::{Child, Command};

/// Waits for the end of its input, which is the end of the bench however that comes, and then ends
/// the process that it was told.
const GUARD: &str = "trap '' HUP INT TERM; cat > /dev/null; kill -s KILL \"$1\"";

/// A running program. It ends with the value, and also when the bench is killed.
pub struct Process {
    name: &'static str,
    child: Child,
    pid: u32,
    /// Ended first, so that it never ends a stranger with the child's number.
    guard: std::process::Child,
}

impl Process {
    /// Starts `command`. What it says on its standard error is shown.
    pub fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}: {:?}", command.as_std()))?;
        let pid = child.id().with_context(|| format!("{name} ended at once"))?;
        let guard = std::process::Command::new("sh")
            .args(["-c", GUARD, "bench-guard", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start sh")?;
        Ok(Self { name, child, pid, guard })
    }

    /// Fails when the process has ended; its log on stderr says why.
    pub fn check(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "{} ended; see its log above", self.name);
        Ok(())
    }

    /// The CPU time of the whole process since its start.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(self.pid)
    }

    /// Bytes of memory that it has in RAM (`VmRSS` of proc_pid_status(5)).
    pub fn resident(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        kib(&status, "VmRSS:").with_context(|| format!("no VmRSS in the status of {}", self.name))
    }

    /// The most that it ever had (`VmHWM`).
    pub fn most_resident(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        kib(&status, "VmHWM:").with_context(|| format!("no VmHWM in the status of {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for what has ended already.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = self.child.start_kill();
    }
}

/// The CPU time of a process since its start, all threads, user and system.
///
/// Linux counts it to the nanosecond and shows it here in ticks of 10 ms.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks(&stat).with_context(|| format!("cannot read CPU ticks in: {stat}"))?;
    let rate = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / rate as f64))
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

/// A line of proc_pid_status(5), in bytes.
fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_past_a_name_with_spaces_and_parentheses() {
        let stat = "7 (en) voy) S 1 7 7 0 -1 4194560 5 0 0 0 120 34 9 9 20 0 1 0 2 3";
        assert_eq!(ticks(stat), Some(154));
    }

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(kib("VmHWM:\t  90 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12 * 1024));
    }
}
