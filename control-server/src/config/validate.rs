//! What the types of a configuration cannot say: that its parts fit together.

mod peers;

use std::collections::HashSet;

use super::{Config, MAX_SPREAD};

/// How long a member has to be silent at the least before it is given up by itself, in seconds.
const LEAST_SILENCE: u64 = 10;

/// Every problem as `line: what is wrong; what to write instead`.
pub fn problems(config: &Config, text: &str) -> Vec<String> {
    let mut problems = Problems { text, found: Vec::new() };
    problems.clusters(config);
    problems.namespaces(config);
    problems.peers(config);
    problems.found
}

struct Problems<'a> {
    text: &'a str,
    found: Vec<String>,
}

impl Problems<'_> {
    fn clusters(&mut self, config: &Config) {
        if config.clusters.is_empty() {
            self.add("clusters", 0, "there is no cluster; add one with a name and an address");
        }
        let mut names = HashSet::new();
        for cluster in &config.clusters {
            let name = &cluster.name;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                self.add(name, 0, &format!("cluster name {name:?} goes into headers and metrics; use letters, digits, - and _"));
            }
            if !names.insert(name) {
                self.add(name, 1, &format!("two clusters are named {name:?}; rename one"));
            }
            let port =
                cluster.address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none() {
                let address = &cluster.address;
                self.add(address, 0, &format!("address {address:?} is not host:port; write it like temporal.example.com:7233"));
            }
            let callback = cluster.nexus_callback_url.as_deref();
            let http = |url: &str| {
                let uri = url.parse::<http::Uri>().ok();
                uri.is_some_and(|u| matches!(u.scheme_str(), Some("http" | "https")))
            };
            if let Some(url) = callback.filter(|url| !http(url)) {
                self.add(name, 0, &format!("nexus_callback_url {url:?} is no http or https URL; write it like http://temporal-a.example.com:7243/nexus/callback"));
            }
            let tls = cluster.tls.as_ref();
            if tls.is_some_and(|tls| tls.cert.is_some() != tls.key.is_some()) {
                self.add(
                    name,
                    0,
                    &format!("cluster {name:?} has one of tls.cert and tls.key; give both or none"),
                );
            }
            if tls.is_some_and(|tls| tls.cert.is_some() && !tls.workers_share_cert) {
                self.add(name, 0, &format!("cluster {name:?} sees Panko's client certificate in every poll, so a cluster that authorizes workers by theirs would lend all of them Panko's rights; let it authorize by token, or set tls.workers_share_cert: true if all workers may do the same there"));
            }
        }
    }

    fn failover(&mut self, namespace: &super::Namespace) {
        let seconds = namespace.failover.map(|failover| failover.after_seconds);
        if let Some(seconds) = seconds.filter(|seconds| *seconds < LEAST_SILENCE) {
            self.add("after_seconds", 0, &format!("after_seconds: {seconds} of namespace {:?} would give up a cluster for a restart of its frontend; write {LEAST_SILENCE} or more", namespace.name));
        }
    }

    fn namespaces(&mut self, config: &Config) {
        if config.namespaces.is_empty() {
            self.add(
                "namespaces",
                0,
                "there is no virtual namespace; add one with a name and members",
            );
        }
        let (mut names, mut physical) = (HashSet::new(), HashSet::new());
        for namespace in &config.namespaces {
            let name = &namespace.name;
            if name.is_empty() {
                self.add(
                    "name:",
                    0,
                    "a virtual namespace has no name; give it the one that SDKs say",
                );
            }
            if !names.insert(name) {
                self.add(
                    name,
                    1,
                    &format!("two virtual namespaces are named {name:?}; merge their members"),
                );
            }
            if namespace.weights().iter().all(|&weight| weight == 0) {
                self.add(name, 0, &format!("no member of {name:?} is active with a weight above 0, so new workflows have no place; give one a weight"));
            }
            if namespace.members.len() > usize::from(u16::MAX) {
                self.add(
                    name,
                    0,
                    &format!("{name:?} has too many members; at most {} are possible", u16::MAX),
                );
            }
            self.failover(namespace);
            for (queue, parts) in &namespace.spread {
                if !(1..=MAX_SPREAD).contains(parts) {
                    self.add(queue, 0, &format!("task queue {queue:?} of {name:?} is spread in {parts} parts; write 1 to {MAX_SPREAD}"));
                }
            }
            for member in &namespace.members {
                let (cluster, here) = (&member.cluster, member.physical(name));
                if config.cluster(cluster).is_none() {
                    self.add(cluster, 0, &format!("member of {name:?} names cluster {cluster:?}, which is not under clusters; add it there"));
                }
                if !physical.insert((cluster, here)) {
                    self.add(
                        cluster,
                        1,
                        &format!(
                            "namespace {here:?} of cluster {cluster:?} is a member twice; keep one"
                        ),
                    );
                }
            }
        }
    }

    /// Adds a problem at the line of the n-th occurrence of `word` (the last one if fewer).
    fn add(&mut self, word: &str, n: usize, problem: &str) {
        let lines = self.text.lines().zip(1usize..).filter(|(line, _)| has_word(line, word));
        let line = lines.clone().nth(n).or_else(|| lines.last()).map_or(1, |(_, line)| line);
        self.found.push(format!("{line}: {problem}"));
    }
}

/// Whether `line` has `word` with no letter or digit around it.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    line.match_indices(word).any(|(at, found)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let after = line.get(at + found.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}
