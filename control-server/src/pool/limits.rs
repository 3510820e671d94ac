//! How many polls may be parked: in all, for a namespace, and over one connection of a client's.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tonic::Status;

use crate::config::Limits;

/// The limits and what is counted for them.
#[derive(Debug)]
pub struct ParkedLimits {
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    namespaces: HashMap<Arc<str>, usize>,
    connections: HashMap<Box<str>, usize>,
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// `limits.parked_polls`.
    All,
    /// `limits.parked_polls_per_namespace`.
    Namespace,
    /// `limits.parked_polls_per_connection`.
    Connection,
}

impl Full {
    /// All of them.
    pub const ALL: [Full; 3] = [Full::All, Full::Namespace, Full::Connection];

    /// The limit's name in `panko.yaml` and in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Full::All => "parked_polls",
            Full::Namespace => "parked_polls_per_namespace",
            Full::Connection => "parked_polls_per_connection",
        }
    }

    /// What the worker is told.
    #[must_use]
    pub fn status(self) -> Status {
        Status::resource_exhausted(match self {
            Full::All => {
                "as many polls wait here as may; raise limits.parked_polls or add a control server"
            }
            Full::Namespace => {
                "as many polls of this namespace wait here as may; raise limits.parked_polls_per_namespace or add a control server"
            }
            Full::Connection => {
                "as many polls of this connection wait here as may; use fewer pollers in one process, or raise limits.parked_polls_per_connection"
            }
        })
    }
}

impl ParkedLimits {
    /// Nothing is parked yet.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// Lets a poll in, if no limit is reached. An empty `connection` is one that nobody told of.
    pub fn enter(
        self: &Arc<Self>,
        namespace: &Arc<str>,
        connection: &str,
    ) -> Result<ParkedPoll, Full> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = &self.limits;
        if counts.all >= limits.parked_polls {
            return Err(Full::All);
        }
        let of_namespace = counts.namespaces.get(namespace).copied().unwrap_or(0);
        if of_namespace >= limits.parked_polls_per_namespace {
            return Err(Full::Namespace);
        }
        let of_connection = counts.connections.get(connection).copied().unwrap_or(0);
        if !connection.is_empty() && of_connection >= limits.parked_polls_per_connection {
            return Err(Full::Connection);
        }
        counts.all += 1;
        *counts.namespaces.entry(namespace.clone()).or_default() += 1;
        if !connection.is_empty() {
            *counts.connections.entry(connection.into()).or_default() += 1;
        }
        let (limits, namespace) = (self.clone(), namespace.clone());
        Ok(ParkedPoll { limits, namespace, connection: connection.into() })
    }
}

/// A poll that was let in. It is counted as long as this lives.
#[derive(Debug)]
pub struct ParkedPoll {
    limits: Arc<ParkedLimits>,
    namespace: Arc<str>,
    connection: Box<str>,
}

impl Drop for ParkedPoll {
    fn drop(&mut self) {
        let mut counts = self.limits.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        less(&mut counts.namespaces, &self.namespace);
        less(&mut counts.connections, &self.connection);
    }
}

/// Counts one less, and forgets what is at zero.
fn less<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_kept_and_freed() {
        let limits = Limits {
            parked_polls: 3,
            parked_polls_per_namespace: 2,
            parked_polls_per_connection: 1,
            ..Limits::default()
        };
        let limits = ParkedLimits::new(limits);
        let (orders, bills): (Arc<str>, Arc<str>) = ("orders".into(), "bills".into());
        let first = limits.enter(&orders, "envoy/1").unwrap();
        assert_eq!(limits.enter(&orders, "envoy/1").unwrap_err(), Full::Connection);
        let second = limits.enter(&orders, "").unwrap();
        assert_eq!(limits.enter(&orders, "envoy/2").unwrap_err(), Full::Namespace);
        let third = limits.enter(&bills, "").unwrap();
        assert_eq!(limits.enter(&bills, "envoy/3").unwrap_err(), Full::All);
        drop((first, second, third));
        let counts = limits.counts.lock().unwrap();
        assert!(counts.all == 0 && counts.namespaces.is_empty() && counts.connections.is_empty());
    }
}
