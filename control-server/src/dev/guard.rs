//! Sees to it that the children end even when `panko dev` is killed.
//!
//! A shell reads, from a pipe that only this process holds, which children there are. The pipe ends
//! when this process does, however that happens; the shell then ends what is left. (Linux's
//! `PR_SET_PDEATHSIG` would do without a shell, but not on other systems, and it follows the thread
//! that started the child.) A shell that is itself killed at the same time can end nothing: that is
//! the limit.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::unistd::Pid;

const SCRIPT: &str = include_str!("guard.sh");

/// The shell, and this process's end of the pipe.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    pipe: Option<Mutex<ChildStdin>>,
}

impl Guard {
    /// Starts the shell. It removes the directory `leftover` once this process is gone.
    pub fn start(leftover: Option<&Path>) -> std::io::Result<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "panko-dev-guard"])
            .arg(leftover.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C goes to the terminal's foreground group.
            .process_group(0)
            .spawn()?;
        let pipe = shell.stdin.take().map(Mutex::new);
        Ok(Self { shell, pipe })
    }

    /// Watches over a child that leads a process group.
    pub fn watch(&self, leader: Pid) {
        self.say(format!("+{leader}\n"));
    }

    /// Forgets a child that has ended: its id may become somebody else's.
    pub fn forget(&self, leader: Pid) {
        self.say(format!("-{leader}\n"));
    }

    fn say(&self, line: String) {
        if let Some(pipe) = &self.pipe {
            let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
            // Without its shell the sandbox works as well; it is only less safe.
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Every child has ended, or was killed as it was dropped: the shell has nothing left to do.
        // Were it already gone, that would be as good.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper() -> (Child, Pid) {
        let child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        (child, pid)
    }

    #[test]
    fn what_is_left_ends_with_the_pipe_and_what_was_forgotten_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut guard = Guard::start(Some(dir.path())).unwrap();
        let (mut left, left_pid) = sleeper();
        let (mut forgotten, forgotten_pid) = sleeper();
        guard.watch(forgotten_pid);
        guard.watch(left_pid);
        guard.forget(forgotten_pid);
        guard.forget(forgotten_pid);

        // As when this process is killed.
        guard.pipe = None;
        assert!(!left.wait().unwrap().success());
        guard.shell.wait().unwrap();
        assert!(!dir.path().exists());
        assert!(forgotten.try_wait().unwrap().is_none());
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }
}
