//! Which errors say that a member has done already what it is told to do.

use tonic::{Code, Status};

/// By RPC: what a server answers to a repetition, in code and in words (empty: any), as its source has
/// it (1.29 and 1.32). What is not listed is idempotent: the repetition succeeds.
const DONE: [(&str, Code, &str); 15] = [
    ("RegisterNamespace", Code::AlreadyExists, ""),
    ("DeleteNamespace", Code::NotFound, ""),
    ("AddSearchAttributes", Code::AlreadyExists, ""),
    // `errSearchAttributeAlreadyExistsMessage`.
    ("AddSearchAttributes", Code::InvalidArgument, "already exists"),
    ("RemoveSearchAttributes", Code::NotFound, ""),
    // `errSearchAttributeDoesntExistMessage`.
    ("RemoveSearchAttributes", Code::InvalidArgument, "doesn't exist"),
    ("StartBatchOperation", Code::AlreadyExists, ""),
    ("StopBatchOperation", Code::NotFound, ""),
    ("CreateWorkerDeployment", Code::AlreadyExists, ""),
    ("CreateWorkerDeploymentVersion", Code::AlreadyExists, ""),
    ("DeleteWorkerDeployment", Code::NotFound, ""),
    ("DeleteWorkerDeploymentVersion", Code::NotFound, ""),
    ("CreateNexusEndpoint", Code::AlreadyExists, ""),
    ("CreateWorkflowRule", Code::InvalidArgument, "already exists"),
    ("DeleteWorkflowRule", Code::InvalidArgument, "not found"),
];

/// Whether this error means that the member has done it before.
pub(in super::super) fn done_before(method: &str, status: &Status) -> bool {
    DONE.iter().any(|(name, code, words)| {
        *name == method && *code == status.code() && status.message().contains(words)
    })
}
