//! From options to parts: ports are chosen, programs found, configurations written.

use std::sync::Arc;

use tokio::process::Command;

use super::addresses::{Addresses, ClusterAddresses};
use super::binaries::{self, ENVOY};
use super::cluster::Cluster;
use super::control_server;
use super::data_dir::DataDir;
use super::envoy;
use super::error::{Error, While};
use super::log::{Log, Style};
use super::options::Options;
use super::part::{Part, Stage};
use super::ports::Ports;
use super::ready::Ready;
use super::severity::Severity;
use crate::config::{self, Config, Listen};

/// What a sandbox consists of.
#[derive(Debug)]
pub struct Plan {
    /// Its parts; none runs.
    pub parts: Vec<Part>,
    /// Where they will be.
    pub addresses: Addresses,
}

/// Makes the plan. Nothing is started.
pub fn plan(options: &Options, data: &DataDir) -> Result<Plan, Error> {
    let all = usize::from(options.clusters) + usize::from(options.spare);
    let names: Vec<_> = ('a'..='z').take(all).map(String::from).collect();
    check_names(options, &names)?;
    let members = names.get(..options.clusters.into()).unwrap_or(&names);
    let panko = binaries::panko(options.programs.panko.as_deref())?;
    let filter = binaries::filter(options.programs.filter.as_deref(), &panko)?;
    let program = binaries::find(&ENVOY, options.programs.envoy.as_deref())?;

    // Held until the end of this function.
    let mut ports = Ports::default();
    let envoys = envoy::addresses(options.envoys, options.port, &mut ports)?;
    let control_servers = control_server::addresses(options.control_servers, &mut ports)?;
    let clusters = names
        .iter()
        .map(|name| Cluster::prepare(name, options, &mut ports, data))
        .collect::<Result<Vec<_>, _>>()?;

    let config = Config {
        // Each control server has its own.
        listen: Listen::default(),
        clusters: members.iter().zip(&clusters).map(|(n, c)| in_config(n, c, options)).collect(),
        namespaces: options.namespaces.iter().map(|n| namespace(n, members, options)).collect(),
        store: options
            .store
            .clone()
            .unwrap_or_else(|| format!("sqlite:{}", data.path().join("panko.db").display())),
        scans: config::Scans {
            every_seconds: options.scan_every_seconds,
            apart_seconds: options.scan_every_seconds.saturating_mul(2),
            verify_seconds: options.verify_seconds,
        },
        limits: config::Limits::default(),
        callers: config::Callers::default(),
        peers: control_server::peers(&control_servers, data)?,
    };
    let panko_yamls = control_server::configs(&control_servers, &config, data)?;
    let endpoints: Vec<_> = control_servers.iter().map(|one| one.grpc.into()).collect();
    let token = config.peers.token().map_err(std::io::Error::other);
    let token = token.doing(|| "the peers' token".to_owned())?;

    // There is one, by its option's range.
    let first = envoys.first().ok_or_else(|| std::io::Error::other("there is no Envoy"));
    let first = first.doing(|| "--envoys".to_owned())?;
    let addresses = Addresses {
        address: first.address,
        namespaces: options.namespaces.clone(),
        clusters: names.iter().zip(&clusters).map(|(n, c)| addresses_of(n, c, options)).collect(),
        control_servers,
        envoy_admin: first.admin,
        envoys,
        pid: std::process::id(),
        data_dir: data.path().to_owned(),
    };
    let servers = addresses.control_servers.iter().zip(panko_yamls);
    let width = addresses.control_servers.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let mut parts = Parts { made: Vec::new(), options, data, width };
    for (name, cluster) in names.iter().zip(clusters) {
        let physical = options.namespaces.iter().flat_map(|n| options.physicals(n, name));
        let namespaces = physical.filter(|_| members.contains(name)).collect();
        let ready = Ready::Cluster { address: cluster.address, namespaces };
        parts.add(name, Stage::Clusters, cluster.command, ready)?;
    }
    for (server, yaml) in servers {
        let ready = Ready::ControlServer { http: server.http };
        let command = control_server::command(&panko, &yaml);
        parts.add(&server.name, Stage::ControlServers, command, ready)?;
    }
    for (number, envoy) in (1..).zip(&addresses.envoys) {
        let namespaces = options.namespaces.clone();
        let ready = Ready::Envoy { admin: envoy.admin, listener: envoy.address, namespaces };
        let control = (endpoints.clone(), token.clone());
        let command = envoy::command(
            &program,
            filter.clone(),
            (number, envoy),
            &config,
            control,
            options.static_envoy,
            data,
        )?;
        parts.add(&envoy.name, Stage::Envoy, command, ready)?;
    }
    Ok(Plan { parts: parts.made, addresses })
}

fn check_names(options: &Options, names: &[String]) -> Result<(), Error> {
    let weights = options.weights.iter().map(|weight| ("--weight", &weight.cluster));
    let rings = options.rings.iter().map(|ring| ("--ring", &ring.cluster));
    let kinds = options.kinds.iter().filter_map(|k| Some(("--kind", k.cluster.as_ref()?)));
    match weights.chain(rings).chain(kinds).find(|(_, cluster)| !names.contains(cluster)) {
        None => Ok(()),
        Some((option, cluster)) => {
            Err(Error::UnknownCluster { option, cluster: cluster.clone(), known: names.to_vec() })
        }
    }
}

fn in_config(name: &str, cluster: &Cluster, options: &Options) -> config::Cluster {
    config::Cluster {
        name: name.to_owned(),
        address: cluster.address.to_string(),
        tls: None,
        api_key_file: None,
        nexus_callback_url: Some(format!("http://{}/nexus/callback", cluster.http)),
        ring: options.ring(name),
    }
}

fn namespace(name: &str, clusters: &[String], options: &Options) -> config::Namespace {
    let members = clusters.iter().flat_map(|cluster| {
        options.physicals(name, cluster).into_iter().map(|physical| config::Member {
            cluster: cluster.clone(),
            namespace: Some(physical).filter(|physical| physical != name),
            weight: options.weight(cluster),
            state: config::MemberState::Active,
        })
    });
    config::Namespace {
        name: name.to_owned(),
        members: members.collect(),
        spread: options.spread.iter().cloned().collect(),
        missing_member: config::MissingMember::default(),
        locate_before_start: options.locate_before_start,
        namespace_changes: config::NamespaceChanges::default(),
        create: false,
        retention_hours: 72,
        failover: options.failover_after.map(|after_seconds| config::Failover { after_seconds }),
    }
}

fn addresses_of(name: &str, cluster: &Cluster, options: &Options) -> ClusterAddresses {
    ClusterAddresses {
        name: name.to_owned(),
        kind: options.kind(name),
        address: cluster.address,
        ui: cluster.ui.map(|ui| format!("http://{ui}")),
        metrics: format!("http://{}/metrics", cluster.metrics),
    }
}

struct Parts<'a> {
    made: Vec<Part>,
    options: &'a Options,
    data: &'a DataDir,
    /// Of the longest name, so that logs stand below each other.
    width: usize,
}

impl Parts<'_> {
    fn add(
        &mut self,
        name: &str,
        stage: Stage,
        command: Command,
        ready: Ready,
    ) -> Result<(), Error> {
        let path = self.data.dir("logs")?.join(format!("{name}.log"));
        let show = match stage {
            _ if self.options.quiet => None,
            _ if self.options.verbose => Some(Severity::Debug),
            Stage::ControlServers => Some(Severity::Info),
            Stage::Clusters | Stage::Envoy => Some(Severity::Warn),
        };
        let style =
            Style { name: name.to_owned(), width: self.width, index: self.made.len(), show };
        let log = Log::create(&path, style).doing(|| path.display().to_string())?;
        let name = name.to_owned();
        self.made.push(Part { name, stage, command, ready, log: Arc::new(log), process: None });
        Ok(())
    }
}
