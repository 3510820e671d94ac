//! What every cluster is told, and what a call says when one could not be.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::Kind;
use panko_tests::bare::{Client, until};
use panko_tests::sandbox::{homes, options, start_with};
use temporalio_protos::temporal::api::batch::v1::BatchOperationTermination;
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::enums::v1::{
    BatchOperationState, IndexedValueType, WorkerVersioningMode, WorkflowExecutionStatus,
};
use temporalio_protos::temporal::api::nexus::v1::{EndpointSpec, EndpointTarget, endpoint_target};
use temporalio_protos::temporal::api::operatorservice::v1 as operator;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tonic::{Code, Status};

const WEIGHTS: [(&str, u32); 2] = [("a", 1), ("b", 1)];
const DEADLINE: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn every_cluster_is_told_on_server_1_29() -> Result<()> {
    every_cluster_is_told(Kind::Cli).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cluster_is_told_on_server_1_32() -> Result<()> {
    every_cluster_is_told(Kind::Server).await
}

async fn every_cluster_is_told(kind: Kind) -> Result<()> {
    let mut sandbox = start_with(&options(kind, &WEIGHTS)?).await?;
    let addresses = sandbox.addresses().clone();
    let panko = Client::new(addresses.address)?;
    let clusters =
        [Client::new(addresses.clusters[0].address)?, Client::new(addresses.clusters[1].address)?];
    batches(&panko, &clusters).await?;
    deployments(&panko, &clusters).await?;
    endpoints(&panko, &clusters).await?;

    // One is down: the others have it, the error says so, and a repetition finishes it.
    sandbox.stop_part("b").await?;
    let failed = add(&panko, "Later").await.expect_err("b is down");
    ensure!(failed.code() == Code::Unavailable, "{failed:?}");
    for said in ["cluster b", "done on a", "repeat the call"] {
        ensure!(failed.message().contains(said), "{said:?} is not in {failed:?}");
    }
    sandbox.start_part("b").await?;
    until("the repetition", Duration::from_secs(60), async || add(&panko, "Later").await.is_ok())
        .await?;
    for cluster in &clusters {
        ensure!(attributes(cluster).await?.contains(&"Later".to_owned()), "an attribute");
    }
    let (again, direct) = (add(&panko, "Later").await, add(&clusters[0], "Later").await);
    let (again, direct) = (again.map_err(|e| e.code()), direct.map_err(|e| e.code()));
    ensure!(again == direct, "all have it, so it is as on one cluster: {again:?}, not {direct:?}");
    sandbox.stop_all().await;
    Ok(())
}

async fn add(panko: &Client, name: &str) -> Result<(), Status> {
    let request = operator::AddSearchAttributesRequest {
        namespace: "default".to_owned(),
        search_attributes: [(name.to_owned(), IndexedValueType::Keyword.into())].into(),
    };
    let _: operator::AddSearchAttributesResponse =
        panko.operate("AddSearchAttributes", &request, DEADLINE).await?;
    Ok(())
}

async fn attributes(cluster: &Client) -> Result<Vec<String>> {
    let request = operator::ListSearchAttributesRequest { namespace: "default".to_owned() };
    let answer: operator::ListSearchAttributesResponse =
        cluster.operate("ListSearchAttributes", &request, DEADLINE).await?;
    Ok(answer.custom_attributes.into_keys().collect())
}

/// By query on both clusters, and by executions where each lives: also away from its id's owner.
async fn batches(panko: &Client, clusters: &[Client; 2]) -> Result<()> {
    let ids = homes("batched", 40, &WEIGHTS);
    let (of_a, of_b) = (&ids["a"], &ids["b"]);
    for id in of_a[..3].iter().chain(&of_b[..3]) {
        panko.start(id, "batch-by-query").await?;
    }
    let by_query = "TaskQueue = 'batch-by-query' AND ExecutionStatus = 'Running'";
    until("all are visible", DEADLINE, async || panko.count(by_query).await.unwrap_or(0) == 6)
        .await?;
    run_batch(panko, "by-query", by_query, Vec::new(), 6).await?;
    for id in of_a[..3].iter().chain(&of_b[..3]) {
        ensure!(panko.status(id).await? == WorkflowExecutionStatus::Terminated, "{id}");
    }

    panko.start(&of_a[3], "batch-by-id").await?;
    panko.start(&of_b[3], "batch-by-id").await?;
    // On b, under an id of a's.
    clusters[1].start(&of_a[4], "batch-by-id").await?;
    let named = [&of_a[3], &of_b[3], &of_a[4]];
    let executions = named
        .iter()
        .map(|id| WorkflowExecution { workflow_id: (*id).clone(), ..Default::default() })
        .collect();
    run_batch(panko, "by-id", "", executions, 3).await?;
    for id in named {
        ensure!(panko.status(id).await? == WorkflowExecutionStatus::Terminated, "{id}");
    }

    let request = api::ListBatchOperationsRequest {
        namespace: "default".to_owned(),
        page_size: 1,
        ..Default::default()
    };
    let page: api::ListBatchOperationsResponse =
        panko.call("ListBatchOperations", &request, DEADLINE).await?;
    ensure!(page.operation_info.len() == 1 && !page.next_page_token.is_empty(), "{page:?}");
    let request =
        api::ListBatchOperationsRequest { next_page_token: page.next_page_token, ..request };
    let rest: api::ListBatchOperationsResponse =
        panko.call("ListBatchOperations", &request, DEADLINE).await?;
    ensure!(rest.operation_info.len() == 1 && rest.next_page_token.is_empty(), "{rest:?}");
    Ok(())
}

async fn run_batch(
    panko: &Client,
    job: &str,
    query: &str,
    executions: Vec<WorkflowExecution>,
    count: i64,
) -> Result<()> {
    #[allow(deprecated)]
    let request = api::StartBatchOperationRequest {
        namespace: "default".to_owned(),
        visibility_query: query.to_owned(),
        job_id: job.to_owned(),
        reason: "a test".to_owned(),
        executions,
        operation: Some(api::start_batch_operation_request::Operation::TerminationOperation(
            BatchOperationTermination::default(),
        )),
        ..Default::default()
    };
    let _: api::StartBatchOperationResponse =
        panko.call("StartBatchOperation", &request, DEADLINE).await?;
    let mut last = None;
    until("the batch", Duration::from_secs(60), async || {
        let request = api::DescribeBatchOperationRequest {
            namespace: "default".to_owned(),
            job_id: job.to_owned(),
        };
        let answer: Result<api::DescribeBatchOperationResponse, Status> =
            panko.call("DescribeBatchOperation", &request, DEADLINE).await;
        last = answer.ok();
        last.as_ref().is_some_and(|a| a.state() == BatchOperationState::Completed)
    })
    .await
    .with_context(|| format!("{last:?}"))?;
    let last = last.context("an answer")?;
    ensure!(last.complete_operation_count == count, "{last:?}");
    ensure!(last.close_time.is_some(), "{last:?}");
    Ok(())
}

/// A version that polls through Panko is there on both clusters; one conflict token holds both's.
async fn deployments(panko: &Client, clusters: &[Client; 2]) -> Result<()> {
    use temporalio_protos::temporal::api::deployment::v1::WorkerDeploymentOptions;
    let poll = api::PollWorkflowTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(TaskQueue { name: "versioned".to_owned(), ..Default::default() }),
        identity: "versioned".to_owned(),
        deployment_options: Some(WorkerDeploymentOptions {
            deployment_name: "shop".to_owned(),
            build_id: "one".to_owned(),
            worker_versioning_mode: WorkerVersioningMode::Versioned.into(),
        }),
        ..Default::default()
    };
    let worker = panko.clone();
    let polling = tokio::spawn(async move {
        loop {
            let _: Result<api::PollWorkflowTaskQueueResponse, Status> =
                worker.call("PollWorkflowTaskQueue", &poll, DEADLINE).await;
        }
    });
    for cluster in clusters {
        until("the version is there", Duration::from_secs(40), async || {
            describe(cluster).await.is_ok_and(|d| d.1 == 1)
        })
        .await?;
    }
    let (token, versions, _) = describe(panko).await?;
    ensure!(versions == 1 && !token.is_empty(), "one version, one token");
    let fresh = set_current(panko, "one", token.clone()).await?;
    ensure!(!fresh.is_empty() && fresh != token, "a new token");
    for cluster in clusters {
        let (_, _, current) = describe(cluster).await?;
        ensure!(current == "one", "{current:?} is current");
    }
    let stale = set_current(panko, "", token).await.expect_err("an old token");
    ensure!(stale.code() == Code::FailedPrecondition, "{stale:?}");
    let foreign = set_current(panko, "", b"of nobody".to_vec()).await.expect_err("a foreign token");
    ensure!(foreign.code() == Code::FailedPrecondition, "{foreign:?}");
    set_current(panko, "", fresh).await?;
    polling.abort();
    Ok(())
}

/// Conflict token, number of versions, build id of the current one.
async fn describe(client: &Client) -> Result<(Vec<u8>, usize, String), Status> {
    let request = api::DescribeWorkerDeploymentRequest {
        namespace: "default".to_owned(),
        deployment_name: "shop".to_owned(),
    };
    let answer: api::DescribeWorkerDeploymentResponse =
        client.call("DescribeWorkerDeployment", &request, DEADLINE).await?;
    let info = answer.worker_deployment_info.unwrap_or_default();
    let routing = info.routing_config.unwrap_or_default();
    let current = routing.current_deployment_version.unwrap_or_default().build_id;
    Ok((answer.conflict_token, info.version_summaries.len(), current))
}

async fn set_current(panko: &Client, build: &str, token: Vec<u8>) -> Result<Vec<u8>, Status> {
    let request = api::SetWorkerDeploymentCurrentVersionRequest {
        namespace: "default".to_owned(),
        deployment_name: "shop".to_owned(),
        build_id: build.to_owned(),
        conflict_token: token,
        identity: "a test".to_owned(),
        ignore_missing_task_queues: true,
        ..Default::default()
    };
    let answer: api::SetWorkerDeploymentCurrentVersionResponse =
        panko.call("SetWorkerDeploymentCurrentVersion", &request, DEADLINE).await?;
    Ok(answer.conflict_token)
}

/// One id and version for what each cluster gives its own.
async fn endpoints(panko: &Client, clusters: &[Client; 2]) -> Result<()> {
    let spec = |queue: &str| EndpointSpec {
        name: "shop".to_owned(),
        target: Some(EndpointTarget {
            variant: Some(endpoint_target::Variant::Worker(endpoint_target::Worker {
                namespace: "default".to_owned(),
                task_queue: queue.to_owned(),
            })),
        }),
        ..Default::default()
    };
    let create = operator::CreateNexusEndpointRequest { spec: Some(spec("one")) };
    let made: operator::CreateNexusEndpointResponse =
        panko.operate("CreateNexusEndpoint", &create, DEADLINE).await?;
    let made = made.endpoint.context("an endpoint")?;
    let twice: Result<operator::CreateNexusEndpointResponse, Status> =
        panko.operate("CreateNexusEndpoint", &create, DEADLINE).await;
    ensure!(twice.err().map(|s| s.code()) == Some(Code::AlreadyExists), "it is there on both");
    let update = operator::UpdateNexusEndpointRequest {
        id: made.id.clone(),
        version: made.version,
        spec: Some(spec("two")),
    };
    let updated: operator::UpdateNexusEndpointResponse =
        panko.operate("UpdateNexusEndpoint", &update, DEADLINE).await?;
    let updated = updated.endpoint.context("an endpoint")?;
    ensure!(updated.id == made.id && updated.version > made.version, "{updated:?}");
    let mut ids = Vec::new();
    for client in clusters.iter().chain([panko]) {
        let list = operator::ListNexusEndpointsRequest::default();
        let list: operator::ListNexusEndpointsResponse =
            client.operate("ListNexusEndpoints", &list, DEADLINE).await?;
        ensure!(list.endpoints.len() == 1, "{list:?}");
        let endpoint = &list.endpoints[0];
        let target = endpoint.spec.clone().and_then(|spec| spec.target);
        ensure!(target == spec("two").target, "{endpoint:?}");
        ids.push(endpoint.id.clone());
    }
    ensure!(ids[0] != ids[1] && ids[2] == made.id, "{ids:?}");
    let stale: Result<operator::UpdateNexusEndpointResponse, Status> =
        panko.operate("UpdateNexusEndpoint", &update, DEADLINE).await;
    ensure!(stale.err().map(|s| s.code()) == Some(Code::FailedPrecondition), "an old version");
    let delete = operator::DeleteNexusEndpointRequest { id: made.id, version: updated.version };
    let _: operator::DeleteNexusEndpointResponse =
        panko.operate("DeleteNexusEndpoint", &delete, DEADLINE).await?;
    for client in clusters {
        let list = operator::ListNexusEndpointsRequest::default();
        let list: operator::ListNexusEndpointsResponse =
            client.operate("ListNexusEndpoints", &list, DEADLINE).await?;
        ensure!(list.endpoints.is_empty(), "{list:?}");
    }
    Ok(())
}
