//! `panko.yaml`: clusters, virtual namespaces with their members, where to listen.

mod own;
mod peers;
mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use own::{Callers, IdentityBy, Limits, Listen, Scans};
pub use peers::{Peers, TokenError};

/// The most parts that a task queue's polls are spread in: more than there are control servers.
pub const MAX_SPREAD: u32 = 64;

/// The whole of `panko.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the control server listens.
    #[serde(default)]
    pub listen: Listen,
    /// The Temporal clusters.
    pub clusters: Vec<Cluster>,
    /// The virtual namespaces.
    pub namespaces: Vec<Namespace>,
    /// Where placements are kept: `sqlite:FILE`, relative to this file's folder, or
    /// `postgres://user:password@host/database`, which several control servers share. The environment variable
    /// `PANKO_STORE` goes before it.
    #[serde(default = "default_store")]
    pub store: String,
    /// How often it is looked whether former owners of slots are empty, and whether ids are open on several members.
    #[serde(default)]
    pub scans: Scans,
    /// Bounds on what is kept in memory.
    #[serde(default)]
    pub limits: Limits,
    /// Who is who among workers.
    #[serde(default)]
    pub callers: Callers,
    /// The control servers that work together.
    #[serde(default, skip_serializing_if = "Peers::is_empty")]
    pub peers: Peers,
}

/// One Temporal cluster: its frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The name under which Envoy and Panko know it.
    pub name: String,
    /// `host:port` of its frontend.
    pub address: String,
    /// How to speak TLS to it. Plaintext without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// A file that holds the API key with which Panko looks at the cluster on its own behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_file: Option<PathBuf>,
    /// Where the other clusters deliver the completions of Nexus operations that this one has
    /// started: `http(s)://host:port/nexus/callback` of its frontend's HTTP port. Their
    /// `callback.allowedAddresses` has to allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nexus_callback_url: Option<String>,
    /// The ring in which `panko move --by-ring` reaches it: 0 goes first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub ring: u32,
}

fn is_first(ring: &u32) -> bool {
    *ring == 0
}

/// TLS to a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the authority that signed the cluster's certificate. The system's without.
    pub ca: Option<PathBuf>,
    /// PEM file of Panko's client certificate, with `key`.
    pub cert: Option<PathBuf>,
    /// PEM file of the client certificate's key.
    pub key: Option<PathBuf>,
    /// The name that the cluster's certificate is for; the address's host without.
    pub server_name: Option<String>,
    /// That all workers may do on the cluster what Panko's client certificate may. Needed with `cert`:
    /// the cluster sees that certificate in every poll, whoever polls.
    pub workers_share_cert: bool,
}

/// One virtual namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// The name that SDKs say.
    pub name: String,
    /// The physical namespaces that serve it.
    pub members: Vec<Member>,
    /// Task queues with more polls than one control server should have: in how many parts, 1 to
    /// [`MAX_SPREAD`], each of which may go to another one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spread: BTreeMap<String, u32>,
    /// What becomes of a list or a count while a member is down.
    #[serde(default, skip_serializing_if = "MissingMember::is_default")]
    pub missing_member: MissingMember,
    /// Whether every start looks on all members first whether its id is open there: children choose ids
    /// that a start does not see otherwise. It costs each start a call to every member.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub locate_before_start: bool,
    /// Whether callers may change the namespace itself, on all members: register, update, deprecate and
    /// delete it.
    #[serde(default, skip_serializing_if = "NamespaceChanges::is_default")]
    pub namespace_changes: NamespaceChanges,
    /// Whether `panko apply` registers physical namespaces that are missing, like those that are there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub create: bool,
    /// For how many hours those that it registers keep closed workflows, if no member is there to be like.
    #[serde(default = "three_days", skip_serializing_if = "is_three_days")]
    pub retention_hours: u32,
    /// When a member is given up without an operator. Never without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
}

/// When a member is given up, as `panko failover` does it, without an operator: `docs/operations.md` says what that risks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failover {
    /// Once it has not answered the leading control server for so long, while all others do.
    pub after_seconds: u64,
}

/// Whether callers may change a namespace itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceChanges {
    /// As far as the clusters let them.
    #[default]
    Allow,
    /// PERMISSION_DENIED.
    Refuse,
}

impl NamespaceChanges {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of a list or a count while a member is down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingMember {
    /// The others' part is answered, and the response metadata `panko-missing-clusters` and
    /// `panko-partial` say whose is missing and why.
    #[default]
    Partial,
    /// UNAVAILABLE.
    Error,
}

impl MissingMember {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A physical namespace's place in a virtual namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The cluster's name.
    pub cluster: String,
    /// The physical namespace's name; the virtual one's without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its share of the new workflows, relative to the other members' weights.
    #[serde(default = "one")]
    pub weight: u32,
    /// Whether it gets new workflows.
    #[serde(default)]
    pub state: MemberState,
}

/// Whether a member gets new workflows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// It does.
    #[default]
    Active,
    /// It keeps what it has and gets nothing new.
    Cordoned,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{path}: {source}; give the path of a panko.yaml with --config")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not YAML, or not of this shape. The text names the line.
    #[error("{path}: {problem}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column, and what to write instead.
        problem: String,
    },
    /// The parts do not fit together. Each line of the text names its line in the file.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let mut config = Self::parse(&text, path)?;
        if let Ok(store) = std::env::var("PANKO_STORE") {
            config.store = store;
        }
        if let Some(file) = config.store.strip_prefix("sqlite:") {
            let folder = path.parent().unwrap_or(Path::new(""));
            config.store = format!("sqlite:{}", folder.join(file).display());
        }
        Ok(config)
    }

    /// Reads and checks YAML. `path` is for messages only.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let problem = |problem: String| Error::Parse { path: path.to_owned(), problem };
        let config: Config = serde_saphyr::from_str(text).map_err(|e| problem(e.to_string()))?;
        let problems = validate::problems(&config, text);
        if problems.is_empty() {
            return Ok(config);
        }
        Err(Error::Invalid(problems.iter().map(|p| format!("{}:{p}", path.display())).collect()))
    }

    /// The cluster of this name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&Cluster> {
        self.clusters.iter().find(|cluster| cluster.name == name)
    }
}

impl Namespace {
    /// Each member's weight, 0 for the cordoned: what slots are given out by.
    #[must_use]
    pub fn weights(&self) -> Vec<u32> {
        let weight = |member: &Member| match member.state {
            MemberState::Active => member.weight,
            MemberState::Cordoned => 0,
        };
        self.members.iter().map(weight).collect()
    }
}

impl Member {
    /// The physical namespace's name, given the virtual one's.
    #[must_use]
    pub fn physical<'a>(&'a self, virtual_name: &'a str) -> &'a str {
        self.namespace.as_deref().unwrap_or(virtual_name)
    }
}

fn one() -> u32 {
    1
}

/// As `temporal operator namespace create` has it.
fn three_days() -> u32 {
    72
}

fn is_three_days(hours: &u32) -> bool {
    *hours == three_days()
}

fn default_store() -> String {
    "sqlite:panko.db".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
clusters:
  - { name: a, address: 127.0.0.1:7301 }
  - { name: b, address: 127.0.0.1:7302 }
namespaces:
  - name: orders
    members:
      - { cluster: a }
      - { cluster: b, weight: 3 }
";

    fn error(yaml: &str) -> String {
        Config::parse(yaml, Path::new("panko.yaml")).unwrap_err().to_string()
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let config = Config::parse(GOOD, Path::new("panko.yaml")).unwrap();
        assert!(config.listen.grpc.ip().is_loopback() && config.listen.http.ip().is_loopback());
        assert_eq!(config.namespaces[0].weights(), [1, 3]);
        assert_eq!(config.namespaces[0].members[0].physical("orders"), "orders");
    }

    #[test]
    fn each_problem_names_its_line_and_what_to_write() {
        let unknown = error(&GOOD.replace("cluster: b", "cluster: c"));
        assert!(
            unknown.starts_with("panko.yaml:8: ") && unknown.contains("add it there"),
            "{unknown}"
        );
        let address = error(&GOOD.replace("127.0.0.1:7302", "localhost"));
        assert!(
            address.starts_with("panko.yaml:3: ") && address.contains("host:port"),
            "{address}"
        );
        let nobody =
            error(&GOOD.replace("cluster: a", "cluster: a, weight: 0").replace("3 }", "0 }"));
        assert!(
            nobody.starts_with("panko.yaml:5: ") && nobody.contains("give one a weight"),
            "{nobody}"
        );
        let twice = error(&GOOD.replace("name: b", "name: a").replace("cluster: b", "cluster: a"));
        assert!(twice.contains("panko.yaml:3: two clusters are named \"a\""), "{twice}");
        let both = GOOD.replace("cluster: b, weight: 3", "cluster: a, namespace: orders");
        let both = error(&both);
        assert!(both.contains("is a member twice"), "{both}");
        let two = GOOD.replace("cluster: b, weight: 3", "cluster: a, namespace: orders-2");
        Config::parse(&two, Path::new("panko.yaml")).unwrap();
    }

    #[test]
    fn peers_can_be_found_and_believed() {
        let with = |peers: &str| format!("{GOOD}peers:\n{peers}");
        let near = with("  addresses: [127.0.0.1:7244, \"[::1]:7246\", localhost:7248]\n");
        let config = Config::parse(&near, Path::new("panko.yaml")).unwrap();
        assert_eq!(config.peers.addresses.len(), 3);
        let far = with("  addresses:\n    - 127.0.0.1:7244\n    - panko-2:7244\n");
        let no_token = error(&far);
        assert!(
            no_token.starts_with("panko.yaml:12: ") && no_token.contains("token_file"),
            "{no_token}"
        );
        Config::parse(&format!("{far}  token_file: t\n"), Path::new("panko.yaml")).unwrap();
        let no_port = error(&near.replace("localhost:7248", "localhost"));
        assert!(
            no_port.starts_with("panko.yaml:10: ") && no_port.contains("host:port"),
            "{no_port}"
        );
        let twice = error(&far.replace("panko-2:7244", "127.0.0.1:7244"));
        assert!(twice.starts_with("panko.yaml:12: ") && twice.contains("keep one"), "{twice}");
    }

    #[test]
    fn a_queue_is_spread_in_a_sensible_number_of_parts() {
        let with = |parts: u32| format!("{GOOD}    spread: {{ hot: {parts} }}\n");
        let config = Config::parse(&with(MAX_SPREAD), Path::new("panko.yaml")).unwrap();
        assert_eq!(config.namespaces[0].spread["hot"], MAX_SPREAD);
        for parts in [0, MAX_SPREAD + 1] {
            let wrong = error(&with(parts));
            assert!(wrong.starts_with("panko.yaml:9: ") && wrong.contains("1 to 64"), "{wrong}");
        }
    }

    #[test]
    fn a_client_certificate_is_lent_to_workers_only_where_that_is_said() {
        let with = |more: &str| {
            let tls = format!("tls: {{ cert: c.pem, key: k.pem{more} }} }}");
            GOOD.replace("127.0.0.1:7302 }", &format!("127.0.0.1:7302, {tls}"))
        };
        let lent = error(&with(""));
        assert!(
            lent.starts_with("panko.yaml:3: ") && lent.contains("workers_share_cert"),
            "{lent}"
        );
        Config::parse(&with(", workers_share_cert: true"), Path::new("panko.yaml")).unwrap();
    }

    #[test]
    fn completions_of_nexus_operations_go_to_an_http_address() {
        let with = |url: &str| {
            let to = format!("127.0.0.1:7302, nexus_callback_url: {url:?} }}");
            GOOD.replace("127.0.0.1:7302 }", &to)
        };
        for wrong in ["temporal-b:7243", "temporal://system", ""] {
            let told = error(&with(wrong));
            assert!(
                told.starts_with("panko.yaml:3: ") && told.contains("/nexus/callback"),
                "{told}"
            );
        }
        Config::parse(&with("http://b:7243/nexus/callback"), Path::new("panko.yaml")).unwrap();
    }

    #[test]
    fn a_field_that_nobody_knows_is_an_error_with_its_line() {
        let typo = error(&GOOD.replace("weight: 3", "wieght: 3"));
        assert!(typo.contains("wieght") && typo.contains('8'), "{typo}");
    }
}
