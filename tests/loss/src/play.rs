//! A scenario, with whose workers and on which clusters.

use std::fmt;

use clap::ValueEnum;
use panko_control_server::dev::Kind;
use serde::Serialize;

use crate::options::{Options, Sdk};
use crate::scenario::Name;

/// A scenario, with whose workers and on which clusters. Its text is a name for folders and tables.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Play {
    pub scenario: Name,
    pub sdk: Sdk,
    pub kind: Kind,
}

impl Play {
    /// All that the options ask for.
    pub fn all(options: &Options) -> Vec<Self> {
        let mut plays = Vec::new();
        for &scenario in &options.scenarios {
            for &sdk in &options.sdks {
                plays.extend(options.kinds.iter().map(|&kind| Self { scenario, sdk, kind }));
            }
        }
        plays
    }
}

impl fmt::Display for Play {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, sdk, kind } = self;
        write!(f, "{scenario}-{}-{}", written(sdk), written(kind))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self))
    }
}

/// As on the command line.
fn written(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
