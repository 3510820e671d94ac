//! The plugin's configuration, as it stands in Envoy's YAML.

use serde::Deserialize;

/// `configuration` of the filter, JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Envoy's name of the control server's cluster.
    pub control_server: String,
    /// What shows the control server that this is a filter of its own: what peers.token_file of panko.yaml has. None
    /// where the control server is on this machine.
    pub token: Option<String>,
}

impl Config {
    /// Reads the configuration. The error says what to write instead.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        const EXAMPLE: &str = r#"{"control_server": "panko-control-server"}"#;
        let config: Config = serde_json::from_slice(json)
            .map_err(|e| format!("the filter's configuration is not like {EXAMPLE}: {e}"))?;
        if config.control_server.is_empty() {
            return Err(format!("control_server is empty; name Envoy's cluster, as in {EXAMPLE}"));
        }
        Ok(config)
    }
}
