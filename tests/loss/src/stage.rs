//! One scenario on its sandbox: both sides in turn, round after round.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use panko_control_server::dev::{self, KindFor, Sandbox};
use serde::Serialize;
use tokio::sync::watch;

use crate::crew::Crew;
use crate::disturbance::{Disturbance, Victims};
use crate::load::To;
use crate::options::Options;
use crate::play::Play;
use crate::scenario::Scenario;
use crate::script;
use crate::worker::Job;
use crate::workflow::{self, Workflow};

/// Through Panko or past it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Workers and client use one cluster's own address.
    Direct,
    /// They use Panko's.
    Panko,
}

/// What one turn of one side gave.
#[derive(Debug)]
pub struct Turn {
    pub side: Side,
    /// The cluster that was used directly, or is stopped by [`Disturbance::Cluster`].
    pub cluster: String,
    pub workflows: Vec<Workflow>,
}

/// One scenario's sandbox.
pub struct Stage<'a> {
    options: &'a Options,
    play: &'a Play,
    scenario: &'a Scenario,
    sandbox: Sandbox,
    folder: PathBuf,
}

impl<'a> Stage<'a> {
    /// Starts the sandbox. Everything is written below `folder`.
    pub async fn start(
        options: &'a Options,
        play: &'a Play,
        scenario: &'a Scenario,
        folder: &Path,
    ) -> Result<Self> {
        let folder = folder.join(play.to_string());
        let sandbox = dev::Options {
            clusters: scenario.clusters,
            control_servers: scenario.control_servers,
            kinds: vec![KindFor { cluster: None, kind: play.kind }],
            headless: true,
            quiet: true,
            data_dir: Some(folder.join("sandbox")),
            ..dev::Options::default()
        };
        let sandbox = Sandbox::start(&sandbox).await.context("the sandbox did not start")?;
        Ok(Self { options, play, scenario, sandbox, folder })
    }

    /// All rounds.
    pub async fn play(mut self) -> Result<Vec<Turn>> {
        let mut turns = Vec::new();
        for round in 0..self.options.rounds {
            for side in [Side::Direct, Side::Panko] {
                turns.push(self.turn(side, round).await?);
            }
        }
        self.sandbox.stop_all().await;
        Ok(turns)
    }

    /// Workers come, the load runs while something goes wrong, workers go, histories are read.
    async fn turn(&mut self, side: Side, round: u32) -> Result<Turn> {
        let folder = self.folder.join(format!("{side:?}-{round}").to_lowercase());
        std::fs::create_dir_all(&folder)?;
        let addresses = self.sandbox.addresses().clone();
        let clusters = addresses.clusters;
        // Each has its turns, so that no database grows more than the others.
        let direct = clusters.iter().cycle().nth(round as usize).context("no cluster")?;
        let (address, forget) = match side {
            Side::Direct => (direct.address, 0.0),
            Side::Panko => (addresses.address, self.options.forget),
        };
        // Neither a round nor a run finds what another left.
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let task_queue = format!("{}-{side:?}-{round}-{now}", self.play.scenario).to_lowercase();
        let job = Job {
            sdk: self.play.sdk,
            address: address.to_string(),
            task_queue: task_queue.clone(),
            shape: self.scenario.shape,
            forget,
            folder: folder.clone(),
        };

        let mut crew = Crew::start(self.options, job, self.scenario.workers).await?;
        let started = folder.join("load.jsonl");
        let to = To { address: &address.to_string(), task_queue: &task_queue };
        let load = self.load(side);
        let load = load.run(self.options, &self.scenario.work, to, &folder, &started);
        let (tell, over) = watch::channel(false);
        let load = async {
            let result = load.await;
            tell.send_replace(true);
            result
        };
        let victims =
            Victims { crew: &mut crew, sandbox: &mut self.sandbox, cluster: &direct.name };
        tokio::try_join!(load, self.scenario.disturbance.run(victims, over))?;
        crew.check()?;
        crew.leave().await?;

        let examined = folder.join("audit.jsonl");
        let mut audit = script::command(self.options, "audit.py");
        for cluster in &clusters {
            audit.arg("--cluster").arg(format!("{}={}", cluster.name, cluster.address));
        }
        audit.arg("--load").arg(&started).arg("--out").arg(&examined);
        script::run(audit, &folder.join("audit.log")).await?;
        let workflows = workflow::read(&started, &examined)?;
        Ok(Turn { side, cluster: direct.name.clone(), workflows })
    }

    /// A cluster that is stopped has the same load behind Panko as it has alone.
    fn load(&self, side: Side) -> crate::load::Load {
        match (side, self.scenario.disturbance) {
            (Side::Direct, Disturbance::Cluster { .. }) => {
                self.scenario.load.divided(self.scenario.clusters)
            }
            _ => self.scenario.load,
        }
    }
}
