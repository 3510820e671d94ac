//! The keys of `rpcs.txt` against the API's own `request_header` annotations.
//!
//! The descriptors that `temporalio-protos` compiles have lost them (options that prost does not
//! know), so this test compiles that crate's .proto files itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use panko_proto::rpc::{Class, METHODS};
use prost::Message;

/// Number of the extension `temporal.api.protometa.v1.request_header`.
#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(message, repeated, tag = "7234001")]
    request_header: Vec<RequestHeader>,
}

#[derive(Clone, PartialEq, Message)]
struct RequestHeader {
    #[prost(string, tag = "1")]
    header: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct FileSet {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<MethodWithOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct MethodWithOptions {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "4")]
    options: Option<Options>,
}

fn protos() -> PathBuf {
    // Only this platform's packages: those of others have not been downloaded.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version=1"])
        .args(["--filter-platform", host])
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|p| p["name"] == "temporalio-protos").unwrap();
    PathBuf::from(package["manifest_path"].as_str().unwrap()).with_file_name("protos")
}

/// `temporal-resource-id` templates by path.
fn annotations() -> BTreeMap<String, String> {
    let protos = protos();
    let api = protos.join("api_upstream");
    let mut compiler = protox::Compiler::new([&api, &protos]).unwrap();
    for file in ["workflowservice", "operatorservice"] {
        compiler.open_file(api.join(format!("temporal/api/{file}/v1/service.proto"))).unwrap();
    }
    let set =
        FileSet::decode(&*compiler.include_imports(true).encode_file_descriptor_set()).unwrap();
    let mut found = BTreeMap::new();
    for file in set.file {
        for service in file.service {
            for method in service.method {
                let path = format!("/{}.{}/{}", file.package, service.name, method.name);
                let headers = method.options.unwrap_or_default().request_header;
                for header in headers.iter().filter(|h| h.header == "temporal-resource-id") {
                    found.insert(path.clone(), header.value.clone());
                }
            }
        }
    }
    found
}

#[test]
fn every_annotated_key_is_ours() {
    let annotations = annotations();
    assert!(annotations.len() > 60, "only {} annotations were found", annotations.len());
    let rows = include_str!("../rpcs.txt");
    for method in METHODS {
        let Some(annotation) = annotations.get(method.path) else { continue };
        let row = rows.lines().find(|line| line.split_whitespace().next() == Some(method.name));
        let ours = row.and_then(|row| row.split_whitespace().nth(3)).unwrap_or_default();
        let keyed = matches!(method.class, Class::Key { .. });
        // `{resource_id}` repeats what another field says, and no released SDK fills it.
        if keyed && annotation != "{resource_id}" {
            assert_eq!(ours, annotation, "{}", method.path);
        }
        let workflow_or_schedule =
            ["workflow:", "schedule:", "activity:"].iter().any(|kind| annotation.starts_with(kind));
        assert!(keyed || !workflow_or_schedule, "{} is keyed by {annotation}", method.path);
    }
}
