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
    pipe: Mutex<Option<ChildStdin>>,
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
        let pipe = Mutex::new(shell.stdin.take());
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
        if let Some(pipe) = &mut *self.pipe.lock().unwrap_or_else(PoisonError::into_inner) {
            // Without its shell the sandbox works as well; it is only less safe.
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Nothing to be done about a shell that is lost.
        let _ = self.shell.wait();
    }
}
