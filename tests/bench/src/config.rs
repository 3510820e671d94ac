//! Envoy's configuration, without the filter and with it. All else is the same in both.

use std::net::SocketAddr;
use std::path::Path;

use crate::control::CLUSTER;

/// What both sides have in common: one listener, one route, one cluster.
pub struct Ports {
    pub listener: SocketAddr,
    pub backend: SocketAddr,
}

/// A route that the client chooses by header.
pub fn without_filter(ports: &Ports) -> String {
    yaml(ports, "", "")
}

/// A route that the filter chooses.
pub fn with_filter(ports: &Ports, wasm: &Path, control_server: SocketAddr) -> String {
    let filter = format!(
        r#"
          - name: panko
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: panko
                root_id: panko
                allow_on_headers_stop_iteration: true
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: '{{"control_server": "panko-control-server"}}'
                vm_config:
                  vm_id: panko
                  runtime: envoy.wasm.runtime.v8
                  code: {{ local: {{ filename: '{}' }} }}"#,
        wasm.display()
    );
    let chain = format!("{}{CHAIN}", cluster("panko-control-server", control_server));
    yaml(ports, &filter, &chain)
}

fn yaml(ports: &Ports, filter: &str, control_server: &str) -> String {
    let Ports { listener, backend } = ports;
    format!(
        r#"
static_resources:
  listeners:
  - name: temporal
    address: {}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: temporal
          codec_type: HTTP2
          route_config:
            virtual_hosts:
            - name: temporal
              domains: ["*"]
              routes:
              - match: {{ prefix: /, headers: [{{ name: panko-cluster, string_match: {{ prefix: panko-chain- }} }}] }}
                request_body_buffer_limit: 5242880
                route:
                  cluster_header: panko-cluster
                  timeout: 0s
                  retry_policy:
                    retry_on: retriable-headers
                    num_retries: 1
                    retriable_headers: [{{ name: grpc-status, string_match: {{ exact: "5" }} }}]
              - match: {{ prefix: / }}
                route: {{ cluster_header: panko-cluster, timeout: 0s }}
          http_filters:{filter}
          - name: router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:{}{control_server}
"#,
        address(*listener),
        cluster(CLUSTER, *backend),
    )
}

/// The chain of the cluster, as `envoy/envoy.yaml` has it.
const CHAIN: &str = r#"
  - name: panko-chain-a
    connect_timeout: 1s
    lb_policy: CLUSTER_PROVIDED
    cluster_type:
      name: envoy.clusters.composite
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.clusters.composite.v3.ClusterConfig
        clusters: [{ name: a }, { name: panko-control-server }]"#;

/// A gRPC server under a name.
fn cluster(name: &str, server: SocketAddr) -> String {
    format!(
        r#"
  - name: {name}
    connect_timeout: 1s
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {{ http2_protocol_options: {{}} }}
    load_assignment:
      cluster_name: {name}
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {} }} }}] }}]"#,
        address(server)
    )
}

fn address(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!("{{ socket_address: {{ address: \"{ip}\", port_value: {port} }} }}")
}
