//! Clusters, control servers and Envoy together.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::{join_all, select_all, try_join_all};

use super::addresses::Addresses;
use super::data_dir::DataDir;
use super::error::{Error, While};
use super::guard::Guard;
use super::options::Options;
use super::part::{Part, STAGES};
use super::plan::{Plan, plan};

/// A whole Panko on this machine. Dropping it kills all of it.
#[derive(Debug)]
pub struct Sandbox {
    parts: Vec<Part>,
    addresses: Addresses,
    // After the parts, which write into it.
    data: DataDir,
    guard: Arc<Guard>,
}

impl Sandbox {
    /// Starts a sandbox and waits until it can be used.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        let mut sandbox = Self::prepare(options)?;
        sandbox.start_all().await?;
        Ok(sandbox)
    }

    /// Chooses ports and writes configurations. Nothing runs yet.
    pub fn prepare(options: &Options) -> Result<Self, Error> {
        let data = DataDir::open(options.data_dir.as_deref())?;
        let Plan { parts, addresses } = plan(options, &data)?;
        let guard = Guard::start(data.leftover()).doing(|| "cannot start sh".to_owned())?;
        Ok(Self { parts, addresses, data, guard: Arc::new(guard) })
    }

    /// Starts what does not run, in order, and waits until all of it can be used.
    pub async fn start_all(&mut self) -> Result<(), Error> {
        for stage in STAGES {
            let guard = &self.guard;
            let parts = self.parts.iter_mut().filter(|part| part.stage == stage);
            try_join_all(parts.map(|part| part.start(guard))).await?;
        }
        Ok(())
    }

    /// Stops everything, in order: what still has to say something to another part can.
    pub async fn stop_all(&mut self) {
        // What one part says of another's end is no news now.
        self.parts.iter().for_each(|part| part.log.hush(true));
        for stage in STAGES.into_iter().rev() {
            let parts = self.parts.iter_mut().filter(|part| part.stage == stage);
            join_all(parts.map(Part::stop)).await;
        }
    }

    /// Starts one part, a cluster or a control server by its name or `envoy`, and waits until it can
    /// be used. It has the ports and the data that it had before.
    pub async fn start_part(&mut self, name: &str) -> Result<(), Error> {
        let guard = self.guard.clone();
        self.part(name)?.start(&guard).await
    }

    /// Stops one part as an operator would.
    pub async fn stop_part(&mut self, name: &str) -> Result<(), Error> {
        self.part(name)?.stop().await;
        Ok(())
    }

    /// Kills one part as a crash would.
    pub async fn kill_part(&mut self, name: &str) -> Result<(), Error> {
        self.part(name)?.kill().await;
        Ok(())
    }

    /// Has one part hang, or go on: meanwhile it keeps its connections and says nothing.
    pub fn hang_part(&mut self, name: &str, does: bool) -> Result<(), Error> {
        self.part(name)?.hang(does);
        Ok(())
    }

    /// Stops one part and starts it again.
    pub async fn restart_part(&mut self, name: &str) -> Result<(), Error> {
        self.stop_part(name).await?;
        self.start_part(name).await
    }

    /// Waits until a part ends that nobody stopped, and says which.
    pub async fn ended(&self) -> Error {
        let parts = self.parts.iter().map(|part| Box::pin(part.ended()));
        select_all(parts).await.0
    }

    /// Where everything is.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Where databases, configurations (`panko.yaml` or `panko-1.yaml` and so on, `envoy.yaml`) and logs (`logs/*.log`) are.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.data.path()
    }

    fn part(&mut self, name: &str) -> Result<&mut Part, Error> {
        let known: Vec<_> = self.parts.iter().map(|part| part.name.clone()).collect();
        let part = self.parts.iter_mut().find(|part| part.name == name);
        part.ok_or_else(|| Error::UnknownPart { name: name.to_owned(), known })
    }
}
