//! The few calls of Temporal's API that a sandbox makes itself.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use crate::raw::RawCodec;

/// How long a namespace of the sandbox keeps its closed workflows: the least that Temporal takes.
const RETENTION_SECONDS: i64 = 24 * 60 * 60;

const REGISTER: &str = "/temporal.api.workflowservice.v1.WorkflowService/RegisterNamespace";
const DESCRIBE: &str = "/temporal.api.workflowservice.v1.WorkflowService/DescribeWorkflowExecution";

/// The fields that are used of `temporal.api.workflowservice.v1.RegisterNamespaceRequest`.
#[derive(Clone, PartialEq, Message)]
struct RegisterNamespaceRequest {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(message, tag = "4")]
    workflow_execution_retention_period: Option<DurationMessage>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct DurationMessage {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

/// The fields that are used of `temporal.api.workflowservice.v1.DescribeWorkflowExecutionRequest`.
#[derive(Clone, PartialEq, Message)]
struct DescribeWorkflowExecutionRequest {
    #[prost(string, tag = "1")]
    namespace: String,
    #[prost(message, tag = "2")]
    execution: Option<WorkflowExecution>,
}

/// `temporal.api.common.v1.WorkflowExecution`, of which the run id stays empty.
#[derive(Clone, PartialEq, Message)]
struct WorkflowExecution {
    #[prost(string, tag = "1")]
    workflow_id: String,
}

/// A connection to a frontend, or to Envoy in front of some.
pub struct Frontend {
    grpc: tonic::client::Grpc<Channel>,
}

impl Frontend {
    /// Connects anew.
    pub async fn connect(address: SocketAddr, timeout: Duration) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let endpoint = endpoint.map_err(|e| e.to_string())?.connect_timeout(timeout);
        let channel = endpoint.timeout(timeout).connect().await;
        // tonic's own text says "transport error" and no more.
        let why = |e: tonic::transport::Error| {
            format!("{address}: {}", anyhow::Error::from(e).root_cause())
        };
        Ok(Self { grpc: tonic::client::Grpc::new(channel.map_err(why)?) })
    }

    /// Registers a namespace, unless it is there.
    pub async fn register(&mut self, namespace: &str) -> Result<(), String> {
        let request = RegisterNamespaceRequest {
            namespace: namespace.to_owned(),
            workflow_execution_retention_period: Some(DurationMessage {
                seconds: RETENTION_SECONDS,
            }),
        };
        match self.call(REGISTER, request).await {
            Ok(()) => Ok(()),
            Err(status) if status.code() == Code::AlreadyExists => Ok(()),
            Err(status) => Err(format!("RegisterNamespace {namespace}: {}", status.message())),
        }
    }

    /// Asks for a workflow that is not there. Only a frontend that knows the namespace and reaches
    /// the part of its cluster that keeps workflows can say that it is not.
    pub async fn looks_into(&mut self, namespace: &str) -> Result<(), String> {
        let execution = WorkflowExecution { workflow_id: "panko-dev-is-it-ready".to_owned() };
        let request = DescribeWorkflowExecutionRequest {
            namespace: namespace.to_owned(),
            execution: Some(execution),
        };
        match self.call(DESCRIBE, request).await {
            Ok(()) => Ok(()),
            // The namespace is not found, says Temporal, and Panko words it likewise.
            Err(status)
                if status.code() == Code::NotFound
                    && !status.message().starts_with("Namespace ") =>
            {
                Ok(())
            }
            Err(status) => Err(format!("namespace {namespace}: {}", status.message())),
        }
    }

    async fn call(&mut self, path: &'static str, request: impl Message) -> Result<(), Status> {
        let ready = self.grpc.ready().await;
        ready.map_err(|e| Status::unavailable(e.to_string()))?;
        let body = Bytes::from(request.encode_to_vec());
        let path = PathAndQuery::from_static(path);
        self.grpc.unary(Request::new(body), path, RawCodec).await.map(drop)
    }
}
