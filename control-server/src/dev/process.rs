//! A child process: its log, its end.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::timeout;

use super::guard::Guard;
use super::log::Log;
use super::severity::Severity;

/// How long a child's last lines may take to arrive. Only a process that it left behind with its
/// outputs makes them take longer.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A running child, in a process group of its own. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    ended: watch::Receiver<Option<ExitStatus>>,
    log: Arc<Log>,
    guard: Arc<Guard>,
}

impl Process {
    /// Starts a child, with its output going to `log`. The command can be used again afterwards.
    pub fn spawn(
        command: &mut Command,
        log: &Arc<Log>,
        guard: &Arc<Guard>,
    ) -> std::io::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the terminal is for the parent, which then ends its children in order.
            .process_group(0)
            .spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = Pid::from_raw(id.ok_or_else(|| std::io::Error::other("it ended at once"))?);
        guard.watch(pid);
        log.hush(false);

        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (tell, ended) = watch::channel(None);
        let (out, watching) = (log.clone(), guard.clone());
        tokio::spawn(async move {
            let lines = async {
                let read_out = async {
                    if let Some(stdout) = stdout {
                        out.read(stdout, Severity::Info).await;
                    }
                };
                let read_err = async {
                    if let Some(stderr) = stderr {
                        out.read(stderr, Severity::Warn).await;
                    }
                };
                tokio::join!(read_out, read_err)
            };
            tokio::pin!(lines);
            let mut all_read = false;
            let status = loop {
                tokio::select! {
                    _ = &mut lines, if !all_read => all_read = true,
                    status = child.wait() => break status,
                }
            };
            watching.forget(pid);
            if !all_read {
                // However it ends, there is nothing more to read.
                let _ = timeout(LAST_LINES, lines).await;
            }
            // `wait` fails only for what is not a child of ours.
            tell.send_replace(Some(status.unwrap_or_default()));
        });
        Ok(Self { pid, ended, log: log.clone(), guard: guard.clone() })
    }

    /// Waits for the child's end.
    pub async fn ended(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let status = ended.wait_for(Option::is_some).await;
        status.ok().and_then(|status| *status).unwrap_or_default()
    }

    /// Asks the child to end, and kills it when it has not within `grace`.
    pub async fn stop(&self, grace: Duration) -> ExitStatus {
        self.log.hush(true);
        self.signal(Signal::SIGTERM);
        match timeout(grace, self.ended()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// Has the child hang, as one whose machine is too busy: it keeps its connections and says nothing.
    pub fn hang(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Has a child that hangs go on.
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills the child, as a crash would.
    pub async fn kill(&self) -> ExitStatus {
        self.log.hush(true);
        self.signal(Signal::SIGKILL);
        self.ended().await
    }

    fn signal(&self, signal: Signal) {
        if self.ended.borrow().is_none() {
            // It fails when the child has ended in this moment, which is what is wanted.
            let _ = killpg(self.pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.borrow().is_none() {
            self.signal(Signal::SIGKILL);
            self.guard.forget(self.pid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::log::Style;

    fn spawn(script: &str, dir: &std::path::Path) -> (Process, Arc<Log>) {
        let style = Style { name: "x".to_owned(), width: 1, index: 0, show: None };
        let log = Arc::new(Log::create(&dir.join("x.log"), style).unwrap());
        let guard = Arc::new(Guard::start(None).unwrap());
        let mut command = Command::new("sh");
        (Process::spawn(command.args(["-c", script]), &log, &guard).unwrap(), log)
    }

    async fn is_up(log: &Log) {
        while !log.tail().contains("up") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn an_end_comes_with_the_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let (process, log) = spawn("echo complaint >&2; seq 30; exit 3", dir.path());
        assert_eq!(process.ended().await.code(), Some(3));
        let file = std::fs::read_to_string(dir.path().join("x.log")).unwrap();
        assert_eq!(file.lines().count(), 31);
        assert!(file.contains("complaint"));
        assert_eq!(log.tail().lines().count(), 20);
        assert!(log.tail().contains("  30"));
    }

    #[tokio::test]
    async fn a_child_is_asked_to_end_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye; exit 7' TERM; echo up; sleep 60 & wait";
        let (process, log) = spawn(script, dir.path());
        is_up(&log).await;
        // The sleeper holds the output open: only its end too lets this be quick.
        let began = std::time::Instant::now();
        assert_eq!(process.stop(Duration::from_secs(60)).await.code(), Some(7));
        assert!(began.elapsed() < LAST_LINES, "{:?}", began.elapsed());
        assert!(log.tail().contains("bye"));
    }

    #[tokio::test]
    async fn a_child_that_cannot_hear_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let (process, log) = spawn("trap '' TERM; echo up; sleep 60", dir.path());
        is_up(&log).await;
        let status = process.stop(Duration::from_millis(100)).await;
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }
}
