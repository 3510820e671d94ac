//! Why a sandbox cannot start, or has ended.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a sandbox cannot start, or has ended. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program, or the filter, is nowhere.
    #[error("{what} is not there. Looked for it in: {}. {advice}", .looked.join(", "))]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// Where.
        looked: Vec<String>,
        /// How to get it.
        advice: &'static str,
    },
    /// Somebody else listens on a port that was asked for.
    #[error(
        "port {0} is taken; `ss -ltnp 'sport = :{0}'` or `lsof -iTCP:{0} -sTCP:LISTEN` says by whom. End that, name another port, or leave --port out for a free one"
    )]
    PortTaken(u16),
    /// Every port that was tried is taken.
    #[error("no free port between {0} and {1}; end something that listens")]
    NoPort(u16, u16),
    /// Another sandbox uses the data directory.
    #[error("{} is in use by another panko dev; end it, or give another --data-dir", .0.display())]
    InUse(PathBuf),
    /// An option names a cluster that the sandbox does not have.
    #[error("{option} names cluster {cluster:?}, but the sandbox has {}; see --clusters", .known.join(", "))]
    UnknownCluster {
        /// The option.
        option: &'static str,
        /// What it names.
        cluster: String,
        /// The clusters.
        known: Vec<String>,
    },
    /// There is no part of this name.
    #[error("the sandbox has no part {name:?}; it has {}", .known.join(", "))]
    UnknownPart {
        /// What was asked for.
        name: String,
        /// The parts.
        known: Vec<String>,
    },
    /// A part ended by itself.
    #[error("{part} ended by itself ({status}). Its last lines:\n{log}")]
    Ended {
        /// Which.
        part: String,
        /// How.
        status: ExitStatus,
        /// Its last lines.
        log: String,
    },
    /// A part runs and does not answer as it should.
    #[error("{part} is not ready after {} s: {problem}. Its last lines:\n{log}", .after.as_secs())]
    NotReady {
        /// Which.
        part: String,
        /// How long it had.
        after: Duration,
        /// What the last look at it said.
        problem: String,
        /// Its last lines.
        log: String,
    },
    /// The operating system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What it said.
        source: std::io::Error,
    },
}

/// Says what was being done when the operating system said no.
pub(super) trait While<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> While<T> for std::io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what: what(), source })
    }
}
