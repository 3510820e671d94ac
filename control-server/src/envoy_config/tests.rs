use std::path::Path;

use clap::Parser;
use serde_json::Value;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    options: Options,
}

/// For an Envoy that fetches nothing.
fn options(arguments: &[&str]) -> Options {
    let before = ["envoy", "--static"];
    Command::parse_from(before.iter().chain(arguments).copied()).options
}

/// A `panko.yaml` with these lines under `clusters` and one namespace on all of them.
fn config(clusters: &str) -> Config {
    let names = clusters.split("name: ").skip(1).filter_map(|rest| rest.split([',', '\n']).next());
    let members: Vec<_> = names.map(|name| format!("{{ cluster: {name} }}")).collect();
    let namespaces = format!("[{{ name: default, members: [{}] }}]", members.join(", "));
    let text = format!("clusters:\n{clusters}\nnamespaces: {namespaces}\n");
    Config::parse(&text, Path::new("panko.yaml")).unwrap()
}

const TWO: &str =
    "  - { name: a, address: 127.0.0.1:7301 }\n  - { name: b, address: 127.0.0.1:7302 }";

#[test]
fn for_its_own_two_clusters_it_is_the_template_byte_for_byte() {
    assert_eq!(render(&config(TWO), &options(&[])), TEMPLATE);
}

#[test]
fn the_template_has_one_place_for_each_choice() {
    let (frame, pattern) = cluster::split(TEMPLATE);
    for place in [FILTER, PLUGIN, LISTENER, ADMIN, cluster::CONTROL_SERVER, "type: STATIC"] {
        assert_eq!(frame.matches(place).count(), 1, "{place}");
    }
    for place in ["    - name: a\n", "cluster_name: a\n", "type: STATIC", "port_value: 7301"] {
        assert_eq!(pattern.matches(place).count(), 1, "{place}");
    }
    for place in ["/a.pem }", "/a.key }", "/a-ca.pem }", "sni: temporal-a.internal"] {
        assert_eq!(pattern.matches(place).count(), 1, "{place}");
    }
    assert_eq!(pattern.matches("temporal-a.internal").count(), 2);
}

#[test]
fn addresses_and_the_filter_are_the_operators() {
    let args = ["--listen", "0.0.0.0:80", "--admin", "[::1]:81", "--filter", "/opt/my panko.wasm"];
    let yaml = render(&config(TWO), &options(&args));
    assert!(yaml.contains("{ address: 0.0.0.0, port_value: 80 }"));
    assert!(yaml.contains("SDKs then use 0.0.0.0:80"));
    assert!(yaml.contains("{ address: \"::1\", port_value: 81 }"));
    assert!(yaml.contains("filename: \"/opt/my panko.wasm\" }"));
    assert!(!yaml.contains("7233"));
}

#[test]
fn a_host_name_is_looked_up_and_an_address_is_not() {
    let yaml =
        render(&config("  - { name: a, address: 'temporal.example.com:7233' }"), &options(&[]));
    assert!(yaml.contains("type: STRICT_DNS"));
    assert!(yaml.contains("{ address: temporal.example.com, port_value: 7233 }"));
    let yaml = render(&config(TWO), &options(&["--control-server", "panko.svc:7244"]));
    assert_eq!(yaml.matches("type: STRICT_DNS").count(), 1);
    assert!(yaml.contains("{ address: panko.svc, port_value: 7244 }"));
}

#[test]
fn a_control_server_that_listens_everywhere_is_reached_on_loopback() {
    let mut config = config(TWO);
    config.listen.grpc = "0.0.0.0:7000".parse().unwrap();
    assert!(render(&config, &options(&[])).contains("{ address: 127.0.0.1, port_value: 7000 }"));
}

#[test]
fn every_control_server_is_an_endpoint() {
    let endpoints = |yaml: &str| {
        let control_server = cluster_at(yaml, 0);
        let endpoints = &control_server["load_assignment"]["endpoints"][0]["lb_endpoints"];
        let ports = endpoints.as_array().unwrap().iter().map(|endpoint| {
            endpoint["endpoint"]["address"]["socket_address"]["port_value"].as_u64().unwrap()
        });
        (ports.collect::<Vec<_>>(), control_server["type"].clone())
    };
    let mut config = config(TWO);
    config.peers.addresses = ["10.0.0.1:7001", "10.0.0.2:7002"].map(String::from).to_vec();
    assert_eq!(endpoints(&render(&config, &options(&[]))), (vec![7001, 7002], "STATIC".into()));
    let told = options(&["--control-server", "x:1", "--control-server", "10.0.0.1:2"]);
    assert_eq!(endpoints(&render(&config, &told)), (vec![1, 2], "STRICT_DNS".into()));
}

#[test]
fn tls_is_switched_on_for_the_cluster_that_has_it() {
    let east = "  - name: east\n    address: east.example.com:7233\n    tls: { cert: c.pem, key: /k.pem, workers_share_cert: true }";
    let yaml = render(&config(&format!("{east}\n{TWO}")), &options(&[]));
    assert_eq!(tls_of(&yaml, 0), Value::Null);
    assert_eq!(tls_of(&yaml, 2), Value::Null);
    assert!(!yaml.contains("temporal-"), "no hint for the others: {yaml}");
    let east = tls_of(&yaml, 1);
    assert_eq!(east["sni"], "east.example.com");
    let common = &east["common_tls_context"];
    assert_eq!(common["tls_certificates"][0]["certificate_chain"]["filename"], "c.pem");
    assert_eq!(common["tls_certificates"][0]["private_key"]["filename"], "/k.pem");
    let trust = &common["validation_context"];
    assert_eq!(trust["trusted_ca"]["filename"], "/etc/ssl/certs/ca-certificates.crt");
    let san = &trust["match_typed_subject_alt_names"][0];
    assert_eq!(san["san_type"], "DNS");
    assert_eq!(san["matcher"]["exact"], "east.example.com");
}

#[test]
fn tls_to_an_address_without_a_client_certificate() {
    let cluster = "  - name: x\n    address: 10.0.0.1:7233\n    tls: { ca: ca.pem }";
    let x = tls_of(&render(&config(cluster), &options(&[])), 1);
    assert_eq!(x["sni"], Value::Null);
    let common = &x["common_tls_context"];
    assert_eq!(common["tls_certificates"], Value::Null);
    assert_eq!(common["validation_context"]["trusted_ca"]["filename"], "ca.pem");
    let san = &common["validation_context"]["match_typed_subject_alt_names"][0];
    assert_eq!(san["san_type"], "IP_ADDRESS");
    assert_eq!(san["matcher"]["exact"], "10.0.0.1");
}

#[test]
fn names_that_yaml_misreads_stay_names() {
    let two =
        "  - { name: \"n\", address: 127.0.0.1:1 }\n  - { name: \"1\", address: 127.0.0.1:2 }";
    let yaml = render(&config(two), &options(&[]));
    assert_eq!(cluster_at(&yaml, 1)["name"], "n");
    assert_eq!(cluster_at(&yaml, 3)["name"], "1");
    assert_eq!(cluster_at(&yaml, 3)["load_assignment"]["cluster_name"], "1");
}

#[test]
fn every_cluster_has_a_chain_that_ends_at_the_control_servers() {
    let two =
        "  - { name: \"x-1\", address: 127.0.0.1:1 }\n  - { name: \"1\", address: 127.0.0.1:2 }";
    let yaml = render(&config(two), &options(&[]));
    for (at, name) in [(2, "x-1"), (4, "1")] {
        let chain = cluster_at(&yaml, at);
        assert_eq!(chain["name"], format!("panko-chain-{name}"));
        let clusters = &chain["cluster_type"]["typed_config"]["clusters"];
        assert_eq!(clusters[0]["name"], name);
        assert_eq!(clusters[1]["name"], "panko-control-server");
    }
}

/// A cluster of the configuration as YAML reads it; the first one is the control server, and each other is
/// followed by its chain.
fn cluster_at(yaml: &str, index: usize) -> Value {
    let yaml: Value = serde_saphyr::from_str(yaml).unwrap();
    yaml["static_resources"]["clusters"][index].clone()
}

fn tls_of(yaml: &str, index: usize) -> Value {
    cluster_at(yaml, index)["transport_socket"]["typed_config"].clone()
}

#[test]
fn filters_show_the_token() {
    let mut options = options(&[]);
    options.token = Some("it's \"secret\"".to_owned());
    let yaml: Value = serde_saphyr::from_str(&render(&config(TWO), &options)).unwrap();
    let text = yaml.to_string();
    assert!(text.contains(r#"it's \\\"secret"#), "{text}");
}

#[test]
fn an_envoy_that_fetches_its_clusters_has_only_the_control_servers() {
    let mut options = Options { is_static: false, ..options(&[]) };
    let yaml: Value = serde_saphyr::from_str(&render(&config(TWO), &options)).unwrap();
    assert_eq!(yaml["static_resources"]["clusters"].as_array().unwrap().len(), 1);
    let source = &yaml["dynamic_resources"]["cds_config"]["api_config_source"];
    assert_eq!(source["cluster_names"][0], "panko-control-server");
    assert_eq!(yaml["node"]["metadata"], Value::Null);
    options.token = Some("secret: 'x'".to_owned());
    let yaml: Value = serde_saphyr::from_str(&render(&config(TWO), &options)).unwrap();
    assert_eq!(yaml["node"]["metadata"]["panko_token"], "secret: 'x'");
    assert_eq!(yaml["node"]["id"], "envoy-1");
}

#[test]
fn fetched_clusters_are_the_written_ones() {
    let east = "  - name: east\n    address: east.example.com:7233\n    tls: { ca: ca.pem }";
    let config = config(&format!("{east}\n{TWO}"));
    let whole = render(&config, &options(&[]));
    let fetched = clusters(&config.clusters);
    assert_eq!(fetched.len(), 6);
    assert_eq!(fetched[0]["transport_socket"]["typed_config"]["sni"], "east.example.com");
    for (at, cluster) in fetched.into_iter().enumerate() {
        assert_eq!(cluster, cluster_at(&whole, at + 1));
    }
}
