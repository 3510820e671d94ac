//! Single calls as any gRPC client makes them: no retries, no hidden state.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures::future::join_all;
use http::uri::PathAndQuery;
use panko_control_server::raw::RawCodec;
use prost::Message;
use temporalio_protos::temporal::api::command::v1::command::Attributes;
use temporalio_protos::temporal::api::command::v1::{
    Command, CompleteWorkflowExecutionCommandAttributes,
};
use temporalio_protos::temporal::api::common::v1::{WorkflowExecution, WorkflowType};
use temporalio_protos::temporal::api::enums::v1::{
    CommandType, EventType, UpdateWorkflowExecutionLifecycleStage, WorkflowExecutionStatus,
    WorkflowIdConflictPolicy,
};
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::update;
use temporalio_protos::temporal::api::update::v1::{Input, Meta, WaitPolicy};
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// A connection to one address.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    namespace: String,
}

impl Client {
    /// Connects with the first call.
    pub fn new(address: impl std::fmt::Display) -> Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
        Ok(Self { channel, namespace: "default".to_owned() })
    }

    /// The same connection, where the namespace has another name.
    #[must_use]
    pub fn with_namespace(mut self, namespace: &str) -> Self {
        self.namespace = namespace.to_owned();
        self
    }

    /// One call of WorkflowService.
    pub async fn call<Q: Message, A: Message + Default>(
        &self,
        method: &str,
        request: &Q,
        deadline: Duration,
    ) -> Result<A, Status> {
        let answer =
            self.ask("workflowservice.v1.WorkflowService", method, request, deadline).await?;
        A::decode(answer.into_inner()).map_err(|e| Status::internal(e.to_string()))
    }

    /// One call of OperatorService.
    pub async fn operate<Q: Message, A: Message + Default>(
        &self,
        method: &str,
        request: &Q,
        deadline: Duration,
    ) -> Result<A, Status> {
        let answer =
            self.ask("operatorservice.v1.OperatorService", method, request, deadline).await?;
        A::decode(answer.into_inner()).map_err(|e| Status::internal(e.to_string()))
    }

    /// One call of WorkflowService: the message as it came, and the metadata beside it.
    pub async fn call_with_metadata<Q: Message>(
        &self,
        method: &str,
        request: &Q,
    ) -> Result<(Bytes, MetadataMap), Status> {
        let deadline = Duration::from_secs(10);
        let answer =
            self.ask("workflowservice.v1.WorkflowService", method, request, deadline).await?;
        let (metadata, message, _) = answer.into_parts();
        Ok((message, metadata))
    }

    async fn ask<Q: Message>(
        &self,
        service: &str,
        method: &str,
        request: &Q,
        deadline: Duration,
    ) -> Result<Response<Bytes>, Status> {
        let path = format!("/temporal.api.{service}/{method}");
        let path: PathAndQuery = path.parse().map_err(|_| Status::internal("no path"))?;
        let mut call = Request::new(Bytes::from(request.encode_to_vec()));
        call.set_timeout(deadline);
        // As SDKs have it.
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(128 << 20);
        grpc.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
        grpc.unary(call, path, RawCodec).await
    }

    /// Starts a workflow that ends with its first task.
    pub async fn start(&self, id: &str, task_queue: &str) -> Result<String, Status> {
        self.start_as(id, task_queue, &format!("start {id}")).await
    }

    /// The same by another request: not one that a server takes for a repetition.
    pub async fn start_as(
        &self,
        id: &str,
        task_queue: &str,
        request_id: &str,
    ) -> Result<String, Status> {
        let request = api::StartWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_id: id.to_owned(),
            workflow_type: Some(WorkflowType { name: "bare".to_owned() }),
            task_queue: Some(TaskQueue { name: task_queue.to_owned(), ..Default::default() }),
            request_id: request_id.to_owned(),
            ..Default::default()
        };
        let answer: api::StartWorkflowExecutionResponse =
            self.call("StartWorkflowExecution", &request, Duration::from_secs(10)).await?;
        Ok(answer.run_id)
    }

    /// Updates a workflow, which is started if it is not open; answered when the update is done.
    pub async fn update_with_start(
        &self,
        id: &str,
        task_queue: &str,
        request_id: &str,
        deadline: Duration,
    ) -> Result<api::ExecuteMultiOperationResponse, Status> {
        use api::execute_multi_operation_request::{Operation, operation::Operation as Kind};
        let start = api::StartWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_id: id.to_owned(),
            workflow_type: Some(WorkflowType { name: "bare".to_owned() }),
            task_queue: Some(TaskQueue { name: task_queue.to_owned(), ..Default::default() }),
            request_id: request_id.to_owned(),
            workflow_id_conflict_policy: WorkflowIdConflictPolicy::UseExisting.into(),
            ..Default::default()
        };
        let update = api::UpdateWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: id.to_owned(),
                ..Default::default()
            }),
            wait_policy: Some(WaitPolicy {
                lifecycle_stage: UpdateWorkflowExecutionLifecycleStage::Completed.into(),
            }),
            request: Some(update::v1::Request {
                meta: Some(Meta { update_id: request_id.to_owned(), ..Default::default() }),
                input: Some(Input { name: "bare".to_owned(), ..Default::default() }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let operation = |kind| Operation { operation: Some(kind) };
        let request = api::ExecuteMultiOperationRequest {
            namespace: self.namespace.clone(),
            operations: vec![
                operation(Kind::StartWorkflow(start)),
                operation(Kind::UpdateWorkflow(update)),
            ],
            ..Default::default()
        };
        self.call("ExecuteMultiOperation", &request, deadline).await
    }

    /// Deletes a workflow: its open run ends.
    pub async fn delete(&self, id: &str) -> Result<(), Status> {
        let request = api::DeleteWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: id.to_owned(),
                ..Default::default()
            }),
        };
        let deadline = Duration::from_secs(10);
        let _: api::DeleteWorkflowExecutionResponse =
            self.call("DeleteWorkflowExecution", &request, deadline).await?;
        Ok(())
    }

    /// A workflow's status.
    pub async fn status(&self, id: &str) -> Result<WorkflowExecutionStatus, Status> {
        let request = api::DescribeWorkflowExecutionRequest {
            namespace: self.namespace.clone(),
            execution: Some(WorkflowExecution { workflow_id: id.to_owned(), ..Default::default() }),
        };
        let answer: api::DescribeWorkflowExecutionResponse =
            self.call("DescribeWorkflowExecution", &request, Duration::from_secs(10)).await?;
        Ok(answer.workflow_execution_info.unwrap_or_default().status())
    }

    /// The types of a workflow's events.
    pub async fn events(&self, id: &str) -> Result<Vec<EventType>, Status> {
        let request = api::GetWorkflowExecutionHistoryRequest {
            namespace: self.namespace.clone(),
            execution: Some(WorkflowExecution { workflow_id: id.to_owned(), ..Default::default() }),
            ..Default::default()
        };
        let answer: api::GetWorkflowExecutionHistoryResponse =
            self.call("GetWorkflowExecutionHistory", &request, Duration::from_secs(10)).await?;
        let events = answer.history.unwrap_or_default().events;
        Ok(events.iter().map(|event| event.event_type()).collect())
    }

    /// The events that say that a workflow's task came to nothing.
    pub async fn lost_tasks(&self, id: &str) -> Result<Vec<EventType>, Status> {
        let mut events = self.events(id).await?;
        events.retain(|event| {
            [EventType::WorkflowTaskTimedOut, EventType::WorkflowTaskFailed].contains(event)
        });
        Ok(events)
    }

    /// How many workflows a cluster's visibility knows by this query.
    pub async fn count(&self, query: &str) -> Result<i64, Status> {
        let request = api::CountWorkflowExecutionsRequest {
            namespace: self.namespace.clone(),
            query: query.to_owned(),
        };
        let answer: api::CountWorkflowExecutionsResponse =
            self.call("CountWorkflowExecutions", &request, Duration::from_secs(10)).await?;
        Ok(answer.count)
    }

    /// One poll for a workflow task. `None` when there is none.
    pub async fn poll(
        &self,
        task_queue: &str,
        deadline: Duration,
    ) -> Result<Option<api::PollWorkflowTaskQueueResponse>, Status> {
        let request = api::PollWorkflowTaskQueueRequest {
            namespace: self.namespace.clone(),
            task_queue: Some(TaskQueue { name: task_queue.to_owned(), ..Default::default() }),
            identity: "bare".to_owned(),
            ..Default::default()
        };
        let answer: api::PollWorkflowTaskQueueResponse =
            self.call("PollWorkflowTaskQueue", &request, deadline).await?;
        Ok(Some(answer).filter(|answer| !answer.task_token.is_empty()))
    }

    /// Completes the workflow that a task is of.
    pub async fn complete(&self, task: api::PollWorkflowTaskQueueResponse) -> Result<(), Status> {
        let complete = CompleteWorkflowExecutionCommandAttributes::default();
        let command = Command {
            command_type: CommandType::CompleteWorkflowExecution.into(),
            attributes: Some(Attributes::CompleteWorkflowExecutionCommandAttributes(complete)),
            ..Default::default()
        };
        let request = api::RespondWorkflowTaskCompletedRequest {
            task_token: task.task_token,
            commands: vec![command],
            namespace: self.namespace.clone(),
            ..Default::default()
        };
        let deadline = Duration::from_secs(10);
        let _: api::RespondWorkflowTaskCompletedResponse =
            self.call("RespondWorkflowTaskCompleted", &request, deadline).await?;
        Ok(())
    }

    /// A worker with `pollers` polls at a time, for as long as the future is polled. Errors make it
    /// poll again, after a moment.
    pub async fn work(&self, task_queue: &str, pollers: usize) {
        let pollers = (0..pollers).map(|_| async {
            loop {
                let result = match self.poll(task_queue, Duration::from_secs(70)).await {
                    Ok(Some(task)) => self.complete(task).await,
                    Ok(None) => Ok(()),
                    Err(status) => Err(status),
                };
                if result.is_err() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        join_all(pollers).await;
    }
}

/// Tries again every 50 ms until `done` is true.
pub async fn until(what: &str, limit: Duration, mut done: impl AsyncFnMut() -> bool) -> Result<()> {
    let waiting = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(limit, waiting)
        .await
        .map_err(|_| anyhow::anyhow!("{what}: not within {limit:?}"))
}
