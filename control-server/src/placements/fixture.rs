//! Placements in a store of their own, for tests.

use std::path::Path;
use std::sync::Arc;

use panko_store::SqlStore;
use tempfile::TempDir;

use super::{PlacementsHolder, begin};
use crate::config::Config;

/// The placement of `default`, on clusters that nobody calls.
pub(super) struct Fixture {
    pub(super) placements: Arc<PlacementsHolder>,
    yaml: String,
    address: String,
    _dir: TempDir,
}

impl Fixture {
    /// With members `c0`, `c1` and so on.
    pub(super) async fn of_members(members: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", dir.path().join("panko.db").display());
        let mut yaml = "clusters:\n".to_owned();
        for n in 0..members {
            yaml += &format!("  - {{ name: c{n}, address: \"127.0.0.1:{}\" }}\n", 9_000 + n);
        }
        yaml += "namespaces:\n  - name: default\n    members:\n";
        for n in 0..members {
            yaml += &format!("      - {{ cluster: c{n} }}\n");
        }
        let placements = open(&yaml, &address).await;
        Self { placements, yaml, address, _dir: dir }
    }

    /// What another control server has, in the same store.
    pub(super) async fn another_control_server(&self) -> Arc<PlacementsHolder> {
        open(&self.yaml, &self.address).await
    }
}

async fn open(yaml: &str, address: &str) -> Arc<PlacementsHolder> {
    let config = Config::parse(yaml, Path::new("panko.yaml")).unwrap();
    let store = Arc::new(SqlStore::open(address).await.unwrap());
    begin::begin(&config, &*store).await.unwrap();
    PlacementsHolder::new(store).await.unwrap()
}
