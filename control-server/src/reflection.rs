//! gRPC reflection: what `grpcurl` and its like ask before they call.
//!
//! It describes the API that this release knows. Clusters may know more.

use anyhow::{Context, Result};
use tonic_reflection::server::Builder;
use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tonic_reflection::server::v1alpha::{
    ServerReflection as ServerReflectionAlpha,
    ServerReflectionServer as ServerReflectionServerAlpha,
};

/// The services that can be called through Panko.
const SERVICES: [&str; 3] = [
    "temporal.api.workflowservice.v1.WorkflowService",
    "temporal.api.operatorservice.v1.OperatorService",
    "grpc.health.v1.Health",
];

fn builder() -> Builder<'static> {
    let builder = Builder::configure()
        .register_encoded_file_descriptor_set(panko_descriptors::FILE_DESCRIPTOR_SET);
    SERVICES.iter().fold(builder, |builder, service| builder.with_service_name(*service))
}

/// `grpc.reflection.v1`.
pub fn v1() -> Result<ServerReflectionServer<impl ServerReflection>> {
    builder().build_v1().context("the API's descriptors cannot be served")
}

/// `grpc.reflection.v1alpha`, which older tools ask for.
pub fn v1alpha() -> Result<ServerReflectionServerAlpha<impl ServerReflectionAlpha>> {
    builder().build_v1alpha().context("the API's descriptors cannot be served")
}
