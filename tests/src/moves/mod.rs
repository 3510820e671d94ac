//! What goes on while slots move, and what is left of it.
//!
//! * [`load`] — gRPC clients that try again as SDKs do, whose every try is counted.
//! * [`sdk`] — clients and workers of the Python SDK, with its defaults.
//! * [`table`] — what both have seen.
//! * [`records`] — what the clusters say afterwards.

pub mod load;
pub mod records;
pub mod sdk;
pub mod table;

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use load::Load;
use sdk::Sdk;
use table::{Phase, table};

/// Both kinds of clients at work.
pub struct Clients {
    load: Load,
    others: Vec<(&'static str, Load)>,
    sdk: Sdk,
}

impl Clients {
    /// Begins, at one Envoy's address.
    pub async fn start(address: SocketAddr) -> Result<Self> {
        // The SDK takes its time until it is ready.
        let (sdk, load) = (Sdk::start(address, "moves").await?, Load::start(address)?);
        Ok(Self { load, others: Vec::new(), sdk })
    }

    /// Has others work at another address, on the same ids and on some of their own.
    pub fn and_at(mut self, address: SocketAddr, name: &'static str) -> Result<Self> {
        self.others.push((name, Load::start_as(address, name)?));
        Ok(self)
    }

    /// What follows happens during this.
    pub async fn during(&mut self, what: &str) -> Result<()> {
        self.load.during(what);
        self.others.iter().for_each(|(_, load)| load.during(what));
        self.sdk.during(what).await
    }

    /// Ends, shows the table, and fails if anything went wrong. Returns all ids that exist for sure.
    pub async fn stop(self) -> Result<Vec<String>> {
        let (own, seen) = tokio::join!(self.load.finish(), self.sdk.stop());
        let seen = seen?;
        let sdk = seen.phases.into_iter().map(Phase::from);
        let mut all = vec![("gRPC", own.phases), ("Python SDK", sdk.collect())];
        let (mut wrong, mut ids) = (own.wrong, own.ids);
        wrong.extend(seen.wrong);
        for (name, load) in self.others {
            let seen = load.finish().await;
            all.push((name, seen.phases));
            wrong.extend(seen.wrong);
            ids.extend(seen.ids);
        }
        println!("{}", table(&all));
        nothing(&wrong)?;
        Ok(ids)
    }
}

/// Nothing went wrong.
pub fn nothing(wrong: &[String]) -> Result<()> {
    let some = wrong.get(..20.min(wrong.len()));
    ensure!(wrong.is_empty(), "{} things went wrong: {some:#?}", wrong.len());
    Ok(())
}
