//! What is each control server's own: where it listens, what bounds it has, and how often it looks.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Where the control server listens. On loopback unless told otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// gRPC: the placement stream, polls, local answers.
    pub grpc: SocketAddr,
    /// HTTP: `/metrics`, `/healthz`, `/readyz`.
    pub http: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            grpc: SocketAddr::from(([127, 0, 0, 1], 7244)),
            http: SocketAddr::from(([127, 0, 0, 1], 7245)),
        }
    }
}

/// Who is who among workers: polls of different callers never share a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Callers {
    /// What tells them apart.
    pub identity: IdentityBy,
    /// All headers that clusters authorize by, in lower case. Callers with equal ones have each other's
    /// tasks: add what your clusters look at (`authHeaderName`, `authExtraHeaderName`).
    pub headers: Vec<String>,
}

impl Default for Callers {
    fn default() -> Self {
        let headers = ["authorization", "authorization-extras"].map(str::to_owned).to_vec();
        Self { identity: IdentityBy::default(), headers }
    }
}

/// What tells callers apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityBy {
    /// Issuer and subject of a JWT, so that a new token is the same caller; of anything else the
    /// whole.
    #[default]
    Claims,
    /// The whole `authorization` header.
    Token,
}

/// How often it is looked whether former owners of slots are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scans {
    /// Seconds between two scans. Each lists all workflows of every former owner, a thousand at a time.
    pub every_seconds: u64,
    /// How many seconds apart two scans are that find a slot empty and release it. Longer than any start takes, and
    /// than a cluster's visibility lags behind; less is for tests.
    pub apart_seconds: u64,
    /// Seconds between two looks through all open workflows for ids that are open on several members; 0 for none.
    pub verify_seconds: u64,
}

impl Default for Scans {
    fn default() -> Self {
        Self { every_seconds: 600, apart_seconds: 120, verify_seconds: 3600 }
    }
}

/// Bounds on what is kept in memory. A full one answers RESOURCE_EXHAUSTED.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Polls of workers that wait at the same time.
    pub parked_polls: usize,
    /// Those of one virtual namespace.
    pub parked_polls_per_namespace: usize,
    /// Those that come over one connection of a client's to Envoy.
    pub parked_polls_per_connection: usize,
    /// Task queues with polls, each once for each kind of polls and each caller.
    pub pools: usize,
    /// Tasks that wait for a worker. At this many no further poll is opened on any cluster.
    pub held_tasks: usize,
    /// Ids that are looked for on all clusters at the same time.
    pub lookups: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            parked_polls: 200_000,
            parked_polls_per_namespace: 200_000,
            parked_polls_per_connection: 50_000,
            pools: 100_000,
            held_tasks: 10_000,
            lookups: 1_000,
        }
    }
}
