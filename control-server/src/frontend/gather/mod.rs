//! Class `gather`: every member is asked, and their answers are merged.
//!
//! * [`partial`] — when an answer may lack a member's part.
//! * [`lists`] — pages of rows: each member's [`pages`], their [`row`]s merged
//!   ([`merge_rows`]).
//! * [`catalog`] — lists of what all members have under the same id.
//! * [`counts`] — sums, whole or in groups.
//! * [`rules`] — how each other answer is merged, field by field.

mod catalog;
mod counts;
mod lists;
mod merge_rows;
mod pages;
#[cfg(test)]
mod paging_tests;
mod partial;
mod row;
mod rules;

use std::time::Duration;

use bytes::Bytes;
use panko_routing::wire::Error;
use tonic::Status;

use super::fan_out::{self, Said};
use super::reply::Reply;
use super::{Call, Frontend, conflict_token, malformed};
use crate::merge::{self, Rules};
use crate::topology::VirtualNamespace;
use catalog::Catalog;
pub(super) use merge_rows::number_of;
use partial::Answers;
pub(super) use row::RowKey;
pub(super) use rules::TASK_QUEUE_CONFIG;

/// How long the members have where the caller says nothing.
const DEADLINE: Duration = Duration::from_secs(10);

/// How much of the caller's time is kept for the way back, as a part of it.
const FOR_THE_WAY: u32 = 10;

/// How long the members have: less than the caller waits, so that those that answer are heard.
fn deadline(call: &Call) -> Duration {
    let asked = call.timeout.as_deref().and_then(super::deadline::parse).unwrap_or(DEADLINE);
    asked.min(DEADLINE) - asked.min(DEADLINE) / FOR_THE_WAY
}

/// What is listed whole and merged by id.
const WORKERS: Catalog = Catalog {
    page_size: 2,
    page_token: 3,
    // `WorkerInfo.worker_heartbeat.worker_instance_key`, `WorkerListInfo.worker_instance_key`.
    rows: &[(1, &[&[1, 1]]), (3, &[&[1]])],
    next_page_token: 2,
    rules: rules::SAME,
};
const WORKER_DEPLOYMENTS: Catalog = Catalog {
    page_size: 2,
    page_token: 3,
    rows: &[(2, &[&[1]])],
    next_page_token: 1,
    rules: rules::WORKER_DEPLOYMENT_SUMMARY,
};
const DEPLOYMENTS: Catalog = Catalog {
    page_size: 2,
    page_token: 3,
    rows: &[(2, &[&[1]])],
    next_page_token: 1,
    rules: rules::DEPLOYMENT_ROW,
};
const BATCH_OPERATIONS: Catalog = Catalog {
    page_size: 2,
    page_token: 3,
    rows: &[(1, &[&[1]])],
    next_page_token: 2,
    rules: rules::BATCH_ROW,
};
const WORKFLOW_RULES: Catalog = Catalog {
    page_size: 0,
    page_token: 2,
    // `WorkflowRule.spec.id`.
    rows: &[(1, &[&[2, 1]])],
    next_page_token: 2,
    rules: rules::WORKFLOW_RULE_ROW,
};

impl Frontend {
    pub(super) async fn gather(&self, call: Call) -> Result<Reply, Status> {
        match call.method.name {
            "ListOpenWorkflowExecutions"
            | "ListClosedWorkflowExecutions"
            | "ListWorkflowExecutions"
            | "ListArchivedWorkflowExecutions"
            | "ScanWorkflowExecutions" => self.list(&call, lists::WORKFLOWS).await,
            "ListActivityExecutions" => self.list(&call, lists::ACTIVITIES).await,
            "ListNexusOperationExecutions" => self.list(&call, lists::NEXUS_OPERATIONS).await,
            "ListSchedules" => self.list(&call, lists::SCHEDULES).await,
            "CountWorkflowExecutions"
            | "CountActivityExecutions"
            | "CountNexusOperationExecutions"
            | "CountSchedules" => self.merged(&call, counts::sum).await,

            "DescribeTaskQueue" => self.all(&call, rules::DESCRIBE_TASK_QUEUE).await,
            "ListTaskQueuePartitions" => self.all(&call, rules::TASK_QUEUE_PARTITIONS).await,
            "GetWorkerTaskReachability" => self.all(&call, rules::WORKER_TASK_REACHABILITY).await,
            "GetSearchAttributes" => self.clusters(&call, rules::SEARCH_ATTRIBUTES).await,
            "ListSearchAttributes" => self.all(&call, rules::LIST_SEARCH_ATTRIBUTES).await,
            "GetWorkerBuildIdCompatibility" => self.all(&call, rules::SAME).await,
            "GetWorkerVersioningRules" => self.with_token(&call, rules::SAME).await,
            "ValidateWorkerDeploymentVersionComputeConfig" => self.all(&call, rules::SAME).await,

            "ListWorkers" => self.catalog(&call, WORKERS).await,
            "CountWorkers" => self.all(&call, rules::COUNT_WORKERS).await,
            "DescribeWorker" | "FetchWorkerConfig" => self.found(&call, rules::SAME).await,

            "ListWorkerDeployments" => self.catalog(&call, WORKER_DEPLOYMENTS).await,
            "DescribeWorkerDeployment" => self.with_token(&call, rules::WORKER_DEPLOYMENT).await,
            "DescribeWorkerDeploymentVersion" => {
                self.found(&call, rules::WORKER_DEPLOYMENT_VERSION).await
            }
            "ListDeployments" => self.catalog(&call, DEPLOYMENTS).await,
            "DescribeDeployment" => self.found(&call, rules::DEPLOYMENT).await,
            "GetCurrentDeployment" => self.found(&call, rules::DEPLOYMENT).await,
            "GetDeploymentReachability" => self.found(&call, rules::DEPLOYMENT_REACHABILITY).await,

            "ListBatchOperations" => self.catalog(&call, BATCH_OPERATIONS).await,
            "DescribeBatchOperation" => self.found(&call, rules::BATCH_OPERATION).await,
            "ListWorkflowRules" => self.catalog(&call, WORKFLOW_RULES).await,
            "DescribeWorkflowRule" => self.found(&call, rules::WORKFLOW_RULE).await,

            "ListNexusEndpoints" => self.list_nexus_endpoints(&call).await,
            "GetNexusEndpoint" => self.get_nexus_endpoint(&call).await,
            name => Err(Status::internal(format!("{name} has no way to be merged"))),
        }
    }

    /// Merges what all members answer.
    async fn all(&self, call: &Call, rules: Rules) -> Result<Reply, Status> {
        self.merged(call, |answers| merge::answers(answers, rules)).await
    }

    /// Merges what the members answer that have what is asked for.
    async fn found(&self, call: &Call, rules: Rules) -> Result<Reply, Status> {
        let namespace = self.namespace_of(call)?;
        let said = self.ask(namespace, call).await;
        finish(call, Answers::of_found(namespace, said)?, |a| merge::answers(a, rules))
    }

    /// The same, with one conflict token in the place of the members'.
    async fn with_token(&self, call: &Call, rules: Rules) -> Result<Reply, Status> {
        let namespace = self.namespace_of(call)?;
        let said = self.ask(namespace, call).await;
        let answers = Answers::of_found(namespace, said)?;
        let tokens = conflict_token::of_answers(call.method, namespace, &answers.there)
            .map_err(|e| malformed(call.method, e))?;
        let mut reply = finish(call, answers, |a| merge::answers(a, rules))?;
        reply.body = conflict_token::put(call.method, &reply.body, &tokens).into();
        Ok(reply)
    }

    /// Merges what all clusters answer to a question that names no namespace.
    async fn clusters(&self, call: &Call, rules: Rules) -> Result<Reply, Status> {
        let mut answers = Vec::new();
        for cluster in self.topology.clusters() {
            let body = call.body.clone();
            let answer = cluster.call(call.method, &call.caller, body, deadline(call)).await;
            answers.push(answer.map_err(|status| fan_out::told_by_cluster(cluster, &status))?);
        }
        let body = merge::answers(&answers, rules).map_err(|e| malformed(call.method, e))?;
        Ok(body.into())
    }

    /// Sends the request to every member as it came, and merges what they answer.
    async fn merged(
        &self,
        call: &Call,
        merge: impl Fn(&[Bytes]) -> Result<Bytes, Error>,
    ) -> Result<Reply, Status> {
        let namespace = self.namespace_of(call)?;
        let said = self.ask(namespace, call).await;
        finish(call, Answers::of(namespace, said)?, merge)
    }

    async fn ask<'a>(&self, namespace: &'a VirtualNamespace, call: &Call) -> Vec<Said<'a>> {
        fan_out::members(namespace, call, deadline(call), |_| Some(call.body.clone())).await
    }
}

fn finish(
    call: &Call,
    answers: Answers<'_>,
    merge: impl Fn(&[Bytes]) -> Result<Bytes, Error>,
) -> Result<Reply, Status> {
    let bodies: Vec<_> = answers.there.into_iter().map(|(_, _, body)| body).collect();
    let body = merge(&bodies).map_err(|error| {
        Status::internal(format!("{}: a cluster's answer: {error}", call.method.name))
    })?;
    Ok(Reply { body, receipt: None, missing: answers.missing })
}
