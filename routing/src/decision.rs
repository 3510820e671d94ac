//! What becomes of a call: one value, worked out once.

use std::sync::Arc;

use crate::dialect::Dialect;
use crate::poll::PollHash;
use crate::wire;

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// To this cluster.
    Cluster(Arc<str>),
    /// To this cluster, and where it does not find what is asked for, to a control server.
    Chain {
        /// The cluster.
        cluster: Arc<str>,
        /// Envoy's name for the two in turn.
        chain: Arc<str>,
    },
    /// To a cluster that names namespaces otherwise than callers do: the request goes there with its names,
    /// and the answer comes back with the callers'.
    Translated {
        /// The cluster.
        cluster: Arc<str>,
        /// Envoy's name for where it goes: the cluster's, or its chain's.
        to: Arc<str>,
        /// The names.
        dialect: Arc<Dialect>,
    },
    /// To the control server.
    ControlServer,
    /// To the control server that has the polls of this hash.
    Poll(PollHash),
    /// To the control server that has the key of this hash: it looks where the key lives before it
    /// starts anything.
    Locate(PollHash),
    /// Nowhere.
    Refuse(Refusal),
}

impl Decision {
    /// Whether a cluster gets the call.
    #[must_use]
    pub fn is_to_a_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_) | Self::Chain { .. } | Self::Translated { .. })
    }
}

/// Why a call goes nowhere. Its text is what the client reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No placement has come yet.
    #[error("Panko has not yet received its placement from the control server; try again shortly")]
    NoPlacement,
    /// Not a gRPC request.
    #[error(
        "Panko serves Temporal's gRPC API, and this request's content type is not application/grpc. The HTTP API is served by each cluster at a port of its own; the Web UI speaks gRPC to this address"
    )]
    NotGrpc,
    /// An RPC that this release of Panko does not know.
    #[error(
        "{path} is not known to this release of Panko; use a newer one, or call the cluster itself"
    )]
    UnknownMethod {
        /// The request's `:path`.
        path: String,
    },
    /// An RPC that makes no sense over several clusters.
    #[error("{method} has no meaning over several clusters: {instead}")]
    Refused {
        /// The RPC's name.
        method: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A `grpc-encoding` other than gzip. Worded as gRPC servers word it: the Go and Java SDKs then
    /// repeat the call uncompressed.
    #[error("grpc: Decompressor is not installed for grpc-encoding {encoding:?}; Panko reads gzip")]
    Encoding {
        /// The encoding that was named.
        encoding: String,
    },
    /// The body ends before its frame does.
    #[error("the request's body ends before its gRPC message does")]
    Truncated,
    /// A body without a message.
    #[error("the request has no gRPC message")]
    Empty,
    /// A request whose names have to be replaced, and which is larger than any that a frontend takes.
    #[error("the request is larger than {max} bytes", max = wire::frame::MAX_READ)]
    TooLarge,
    /// Bytes that are not what they should be.
    #[error("{method}: {error}")]
    Malformed {
        /// The RPC's name.
        method: &'static str,
        /// What is wrong with them.
        error: wire::Error,
    },
    /// No namespace in the request.
    #[error("Namespace not set on request.")]
    NamespaceNotSet,
    /// A virtual namespace that nobody configured.
    #[error("Namespace {namespace} is not found: Panko has no such virtual namespace")]
    UnknownNamespace {
        /// What the request said.
        namespace: String,
    },
    /// No id in the request.
    #[error("{method}: the {kind} id is not set on the request")]
    KeyNotSet {
        /// The RPC's name.
        method: &'static str,
        /// Which kind of id.
        kind: &'static str,
    },
    /// No task queue in a poll.
    #[error("TaskQueue is not set on request.")]
    TaskQueueNotSet,
    /// A token that no member's namespace has made.
    #[error("the task token is not of any cluster behind Panko")]
    UnknownToken,
    /// The token may be of a member that the control server has not reached yet.
    #[error(
        "the task token is not of any cluster that Panko has reached; cluster {cluster} has yet to be"
    )]
    TokenOfUnreached {
        /// A cluster whose UUIDs are not known.
        cluster: String,
    },
}

/// The gRPC status codes that Panko answers with by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Code {
    InvalidArgument = 3,
    NotFound = 5,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
}

impl Refusal {
    /// The gRPC status of the answer. `Unavailable` alone means that the same call may succeed
    /// later; SDKs retry it by themselves.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Refusal::NoPlacement | Refusal::TokenOfUnreached { .. } => Code::Unavailable,
            Refusal::NotGrpc
            | Refusal::UnknownMethod { .. }
            | Refusal::Refused { .. }
            | Refusal::Encoding { .. } => Code::Unimplemented,
            Refusal::Truncated | Refusal::Empty => Code::Internal,
            Refusal::TooLarge | Refusal::Malformed { error: wire::Error::TooFar, .. } => {
                Code::ResourceExhausted
            }
            Refusal::Malformed { .. }
            | Refusal::NamespaceNotSet
            | Refusal::KeyNotSet { .. }
            | Refusal::TaskQueueNotSet => Code::InvalidArgument,
            Refusal::UnknownNamespace { .. } | Refusal::UnknownToken => Code::NotFound,
        }
    }

    /// The reason as metrics write it: one of [`REASONS`].
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Refusal::NoPlacement => "no_placement",
            Refusal::NotGrpc => "not_grpc",
            Refusal::UnknownMethod { .. } => "unknown_method",
            Refusal::Refused { .. } => "refused",
            Refusal::Encoding { .. } => "encoding",
            Refusal::Truncated => "truncated",
            Refusal::Empty => "empty",
            Refusal::TooLarge => "too_large",
            Refusal::Malformed { .. } => "malformed",
            Refusal::NamespaceNotSet => "namespace_not_set",
            Refusal::UnknownNamespace { .. } => "unknown_namespace",
            Refusal::KeyNotSet { .. } => "key_not_set",
            Refusal::TaskQueueNotSet => "task_queue_not_set",
            Refusal::UnknownToken => "unknown_token",
            Refusal::TokenOfUnreached { .. } => "token_of_unreached",
        }
    }
}

/// Every reason that [`Refusal::reason`] gives, so that metrics can be there before the first one.
pub const REASONS: [&str; 15] = [
    "too_large",
    "no_placement",
    "not_grpc",
    "unknown_method",
    "refused",
    "encoding",
    "truncated",
    "empty",
    "malformed",
    "namespace_not_set",
    "unknown_namespace",
    "key_not_set",
    "task_queue_not_set",
    "unknown_token",
    "token_of_unreached",
];
