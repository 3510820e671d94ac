//! A complete Envoy configuration for a `panko.yaml`.
//!
//! `envoy/envoy.yaml`, which people read, validate and run, is the template: what it says about its
//! two clusters is said here about the configured ones. So there is one place for every setting.

mod cluster;
mod scalar;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::Value;

use crate::config::{self, Config};

pub use cluster::Endpoint;
pub(crate) use scalar::scalar;

/// The hand-written configuration for the clusters `a` and `b`.
const TEMPLATE: &str = include_str!("../../envoy/envoy.yaml");

/// What stands in the template for an operator's choice. A test sees that each is there.
const FILTER: &str = "filename: panko_filter.wasm";
const LISTENER: &str = "address: 127.0.0.1, port_value: 7233";
const LISTENER_IN_WORDS: &str = "127.0.0.1:7233";
const PLUGIN: &str = r#"'{"control_server": "panko-control-server"}'"#;
const ADMIN: &str = "address: 127.0.0.1, port_value: 9901";

/// The line of Envoy's node id.
const NODE: &str = "  id: envoy-1";

/// Where Envoy gets its clusters. The lines that the template ends with are the control servers'.
const CDS: &str = "\
# The Temporal clusters and their chains come from the control servers (`panko apply`), here and while Envoy runs.
dynamic_resources:
  cds_config:
    resource_api_version: V3
    # A control server that is not there: Envoy starts, refuses calls, and asks again.
    initial_fetch_timeout: 15s
    api_config_source:
      api_type: REST
      transport_api_version: V3
      cluster_names: [panko-control-server]
      # An answer waits for news, 20 s at most; then Envoy asks again.
      refresh_delay: 0.1s
      request_timeout: 30s
";

/// What `panko envoy` takes besides the `panko.yaml`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where Envoy listens for SDKs.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7233")]
    pub listen: SocketAddr,
    /// Where Envoy's admin interface listens. Whoever reaches it controls Envoy.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9901")]
    pub admin: SocketAddr,
    /// The filter, as Envoy finds it: a full path, or relative to where Envoy is started.
    #[arg(long, value_name = "PATH", default_value = "panko_filter.wasm")]
    pub filter: PathBuf,
    /// Where Envoy reaches a control server [default: peers.addresses of the panko.yaml, else its
    /// listen.grpc]. Repeat it for each of several.
    #[arg(long = "control-server", value_name = "HOST:PORT")]
    pub control_servers: Vec<Endpoint>,
    /// What filters show the control servers [default: what peers.token_file of the panko.yaml has].
    #[arg(long, value_name = "TOKEN", env = "PANKO_FILTER_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Write the clusters down, for an Envoy that does not fetch them from the control servers. Then a cluster that
    /// `panko apply` adds gets no slots before this Envoy has been started with it.
    #[arg(long = "static")]
    pub is_static: bool,
}

/// Writes Envoy's whole configuration, comments included. `config` is a checked one.
#[must_use]
pub fn render(config: &Config, options: &Options) -> String {
    let (frame, pattern) = cluster::split(TEMPLATE);
    let mut yaml = frame
        .replace(LISTENER, &Endpoint::from(options.listen).fields())
        .replace(LISTENER_IN_WORDS, &options.listen.to_string())
        .replace(ADMIN, &Endpoint::from(options.admin).fields())
        .replace(FILTER, &format!("filename: {}", scalar(&options.filter.to_string_lossy())));
    if let Some(token) = options.token.as_ref().filter(|_| !options.is_static) {
        let shown = format!(
            "{NODE}\n  # By this control servers know that it may fetch its clusters.\n  metadata: {{ panko_token: {} }}",
            scalar(token)
        );
        yaml = yaml.replace(NODE, &shown);
    }
    if let Some(token) = &options.token {
        let plugin =
            serde_json::json!({ "control_server": "panko-control-server", "token": token });
        // In YAML's single quotes a quote is written twice.
        yaml = yaml.replace(PLUGIN, &format!("'{}'", plugin.to_string().replace('\'', "''")));
    }
    yaml = Endpoint::put_all_into(&control_servers(config, options), &yaml);
    if !options.is_static {
        yaml.push_str(CDS);
        return yaml;
    }
    all(pattern, &config.clusters, &mut yaml);
    yaml
}

/// The clusters and their chains, as Envoy reads them from its configuration.
#[must_use]
pub fn clusters(clusters: &[config::Cluster]) -> Vec<Value> {
    let (frame, pattern) = cluster::split(TEMPLATE);
    let mut yaml = frame.to_owned();
    all(pattern, clusters, &mut yaml);
    // What is made from the template can be read; a test sees to that.
    let mut whole: Value = serde_saphyr::from_str(&yaml).unwrap_or_default();
    let all = whole.pointer_mut("/static_resources/clusters").map(Value::take);
    let Some(Value::Array(mut all)) = all else { return Vec::new() };
    all.drain(1..).collect()
}

fn all(pattern: &str, clusters: &[config::Cluster], yaml: &mut String) {
    for (at, cluster) in clusters.iter().enumerate() {
        if at > 0 {
            yaml.push('\n');
        }
        // How TLS is written need be shown only once.
        yaml.push_str(&cluster::render(pattern, cluster, at == 0));
    }
}

/// Where Envoy reaches the control servers: as told, else as the configuration says.
fn control_servers(config: &Config, options: &Options) -> Vec<Endpoint> {
    if !options.control_servers.is_empty() {
        return options.control_servers.clone();
    }
    // Checked with the rest of the configuration: each can be read.
    let peers = config.peers.addresses.iter().filter_map(|address| address.parse().ok());
    let peers: Vec<_> = peers.collect();
    if peers.is_empty() { vec![reachable(config.listen.grpc).into()] } else { peers }
}

/// Where to reach what listens on `address`: "everywhere" is no place to connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests;
