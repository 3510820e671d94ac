//! Whether the control servers can find and believe each other.

use std::collections::HashSet;

use crate::config::Config;
use crate::envoy_config::Endpoint;

use super::Problems;

impl Problems<'_> {
    pub(super) fn peers(&mut self, config: &Config) {
        let peers = &config.peers;
        let mut known = HashSet::new();
        for address in &peers.addresses {
            let Ok(endpoint) = address.parse::<Endpoint>() else {
                self.add(
                    address,
                    0,
                    &format!(
                        "peer {address:?} is not host:port; write it like panko-1.example.com:7244"
                    ),
                );
                continue;
            };
            if !known.insert(endpoint.clone()) {
                self.add(address, 1, &format!("peer {address:?} is listed twice; keep one"));
            }
            if peers.token_file.is_none() && !endpoint.is_loopback() {
                self.add(address, 0, &format!("peer {address:?} is not on loopback, where strangers could speak in its name; give all peers the same secret with token_file"));
            }
        }
    }
}
