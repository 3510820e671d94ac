//! One Temporal cluster, as Envoy's configuration writes it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use crate::config::{Cluster, Tls};

use super::scalar;

/// What the template says of the control server's and of cluster `a`'s address.
pub(super) const CONTROL_SERVER: &str = "address: 127.0.0.1, port_value: 7244";
const CLUSTER: &str = "address: 127.0.0.1, port_value: 7301";

const TYPE: &str = "type: STATIC";
/// What begins a line of the template that is only meant with TLS.
const TLS_LINE: &str = "      #: ";
/// The name on `a`'s certificate, in the template.
const SERVER: &str = "temporal-a.internal";
/// A file of authorities that the usual distributions have. Envoy has no default.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let parsed = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = parsed.ok_or("write it like panko.example.com:7244")?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        Ok(Self { host: host.to_owned(), port })
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl Endpoint {
    /// The fields of Envoy's `socket_address`.
    pub(super) fn fields(&self) -> String {
        let host = match self.ip() {
            Some(IpAddr::V4(ip)) => ip.to_string(),
            _ => scalar(&self.host),
        };
        format!("address: {host}, port_value: {}", self.port)
    }

    /// Puts it where the template has `a`'s address, in the text of one cluster.
    fn put_into(&self, yaml: &str) -> String {
        let kind = Self::kind(std::slice::from_ref(self));
        yaml.replace(CLUSTER, &self.fields()).replace(TYPE, kind)
    }

    /// Puts `all` where the template has the one control server.
    pub(super) fn put_all_into(all: &[Self], yaml: &str) -> String {
        let Some(line) = yaml.lines().find(|line| line.contains(CONTROL_SERVER)) else {
            return yaml.to_owned();
        };
        let lines: Vec<_> =
            all.iter().map(|one| line.replace(CONTROL_SERVER, &one.fields())).collect();
        yaml.replace(line, &lines.join("\n")).replace(TYPE, Self::kind(all))
    }

    /// Whether it is on this machine and nowhere else.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.ip().is_some_and(|ip| ip.is_loopback())
    }

    /// How Envoy finds them: host names have to be looked up.
    fn kind(all: &[Self]) -> &'static str {
        if all.iter().all(|one| one.ip().is_some()) { TYPE } else { "type: STRICT_DNS" }
    }

    fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// Divides the template into what comes before cluster `a`, and `a` itself.
pub(super) fn split(template: &str) -> (&str, &str) {
    let start = template.find("    - name: a\n").unwrap_or(template.len());
    let (frame, clusters) = template.split_at(start);
    (frame, clusters.split_once("\n    - name: b\n").map_or(clusters, |(a, _)| a))
}

/// Writes `cluster` as `pattern` writes `a`. `hint` keeps the TLS lines as a comment where the
/// cluster has no TLS.
pub(super) fn render(pattern: &str, cluster: &Cluster, hint: bool) -> String {
    // Checked with the rest of the configuration.
    let Ok(endpoint) = cluster.address.parse::<Endpoint>() else { return String::new() };
    let tls = cluster.tls.as_ref().map(|tls| Upstream::new(tls, &endpoint));
    let mut yaml = String::new();
    for line in pattern.lines() {
        match (line.strip_prefix(TLS_LINE), &tls) {
            (None, _) => yaml += line,
            (Some(text), Some(tls)) if tls.has(text) => {
                yaml += "      ";
                yaml += text;
            }
            (Some(_), None) if hint => yaml += line,
            (Some(_), _) => continue,
        }
        yaml.push('\n');
    }
    let yaml = yaml
        .replace("name: a\n", &format!("name: {}\n", scalar(&cluster.name)))
        .replace("{ name: a }", &format!("{{ name: {} }}", scalar(&cluster.name)))
        .replace("`a`", &format!("`{}`", cluster.name))
        .replace("panko-chain-a\n", &format!("panko-chain-{}\n", cluster.name));
    let yaml = match tls {
        Some(tls) => tls.put_into(&yaml),
        None => yaml
            .replace(SERVER, &format!("temporal-{}.internal", cluster.name))
            .replace("/tls/a", &format!("/tls/{}", cluster.name)),
    };
    endpoint.put_into(&yaml)
}

/// A cluster's TLS as Envoy needs it.
struct Upstream<'a> {
    tls: &'a Tls,
    /// What the cluster's certificate is for.
    server: &'a str,
    server_is_ip: bool,
}

impl<'a> Upstream<'a> {
    fn new(tls: &'a Tls, endpoint: &'a Endpoint) -> Self {
        let server = tls.server_name.as_deref().unwrap_or(&endpoint.host);
        Self { tls, server, server_is_ip: server.parse::<IpAddr>().is_ok() }
    }

    /// Whether a line of the template is meant for this cluster.
    fn has(&self, line: &str) -> bool {
        match line.trim_start_matches([' ', '-']).split_once(':').map_or("", |(key, _)| key) {
            "tls_certificates" | "certificate_chain" | "private_key" => self.tls.cert.is_some(),
            // RFC 6066: an address is no server name.
            "sni" => !self.server_is_ip,
            _ => true,
        }
    }

    fn put_into(&self, yaml: &str) -> String {
        let file = |path: &Option<_>, default: &str| {
            let path: &Path = path.as_deref().unwrap_or(Path::new(default));
            format!("filename: {} }}", scalar(&path.to_string_lossy()))
        };
        let yaml = yaml
            .replace(SERVER, &scalar(self.server))
            .replace("filename: /etc/panko/tls/a.pem }", &file(&self.tls.cert, ""))
            .replace("filename: /etc/panko/tls/a.key }", &file(&self.tls.key, ""))
            .replace("filename: /etc/panko/tls/a-ca.pem }", &file(&self.tls.ca, SYSTEM_CA));
        if self.server_is_ip { yaml.replace("san_type: DNS", "san_type: IP_ADDRESS") } else { yaml }
    }
}
