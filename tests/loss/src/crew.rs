//! The workers of one turn, which come and go.

use anyhow::Result;

use crate::disturbance::How;
use crate::options::Options;
use crate::worker::{Job, Worker};

/// All workers of one turn.
#[derive(Debug)]
pub struct Crew<'a> {
    options: &'a Options,
    job: Job,
    /// Each place has a worker, or none while it is away.
    places: Vec<Option<Worker>>,
    /// How many there have been: a worker that is started again has a new name in histories.
    started: usize,
}

impl<'a> Crew<'a> {
    /// Starts so many workers.
    pub async fn start(options: &'a Options, job: Job, workers: usize) -> Result<Self> {
        let places = (0..workers).map(|_| None).collect();
        let mut crew = Self { options, job, places, started: 0 };
        crew.come().await?;
        Ok(crew)
    }

    /// Starts those that are away.
    pub async fn come(&mut self) -> Result<()> {
        for (number, place) in self.places.iter_mut().enumerate() {
            if place.is_none() {
                let name = format!("worker-{number}-{}", self.started);
                self.started += 1;
                *place = Some(Worker::start(self.options, &self.job, &name).await?);
            }
        }
        Ok(())
    }

    /// Ends one, and starts another in its place.
    pub async fn restart(&mut self, turn: usize, how: How) -> Result<()> {
        let workers = self.places.len().max(1);
        if let Some(worker) = self.places.get_mut(turn % workers).and_then(Option::take) {
            match how {
                How::Told => worker.tell().await?,
                How::Killed => worker.kill().await?,
            }
        }
        self.come().await
    }

    /// Ends all of them, as operators do.
    pub async fn leave(&mut self) -> Result<()> {
        for worker in self.places.iter_mut().filter_map(Option::take) {
            worker.tell().await?;
        }
        Ok(())
    }

    /// Fails when one has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        self.places.iter_mut().flatten().try_for_each(Worker::check)
    }
}
