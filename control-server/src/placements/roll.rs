//! What filters say is written down for many of them at a time: a store that waits for its disk, or is some way off,
//! does so once for all that came meanwhile.

use std::sync::Arc;

use panko_placement::Participant;
use panko_store::Heard;
use tokio::sync::{mpsc, oneshot};

use super::{PlacementsHolder, SETTLED, now};

/// How many filters are written down at a time.
const TOGETHER: usize = 128;

/// How many acknowledgements are: well within the time that a store has, also for those who wait for their turn.
const VERSIONS: usize = 4_096;

/// How many wait before others wait to be able to wait.
const QUEUE: usize = 1024;

/// Why something was not written down.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store did not do its part.
    #[error("{0}")]
    Store(String),
    /// It ends.
    #[error("the control server stops")]
    Stopping,
}

/// Writes down what filters say. Clones share it; it ends with the last one.
#[derive(Debug, Clone)]
pub struct Roll(mpsc::Sender<Said>);

#[derive(Debug)]
struct Said {
    what: What,
    /// Whether the filter counted as gone.
    written: oneshot::Sender<Result<bool, Error>>,
}

#[derive(Debug)]
enum What {
    Came(Participant),
    Heard(Heard),
}

impl Roll {
    /// Begins to write into the store of these placements.
    #[must_use]
    pub fn new(placements: Arc<PlacementsHolder>) -> Self {
        let (sender, said) = mpsc::channel(QUEUE);
        tokio::spawn(write(placements, said));
        Self(sender)
    }

    /// A filter is about to get placements. Those that are here have been read after that was written, so they have every
    /// change that did not ask it.
    pub async fn came(&self, filter: &Participant) -> Result<(), Error> {
        self.say(What::Came(filter.clone())).await.map(drop)
    }

    /// A filter is connected, and acknowledges versions of placements. Returns whether it counted as gone.
    pub async fn heard(
        &self,
        filter: &Participant,
        acknowledged: Vec<(String, u64)>,
    ) -> Result<bool, Error> {
        self.say(What::Heard(Heard { filter: filter.clone(), acknowledged })).await
    }

    async fn say(&self, what: What) -> Result<bool, Error> {
        let (written, answer) = oneshot::channel();
        self.0.send(Said { what, written }).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }
}

async fn write(placements: Arc<PlacementsHolder>, mut said: mpsc::Receiver<Said>) {
    let mut together = Vec::new();
    while said.recv_many(&mut together, TOGETHER).await > 0 {
        let (mut came, mut of_came, mut heard) = (Vec::new(), Vec::new(), Vec::new());
        for Said { what, written } in together.drain(..) {
            match what {
                What::Came(filter) => {
                    came.push(filter);
                    of_came.push(written);
                }
                What::Heard(what) => heard.push((what, written)),
            }
        }
        // Of one node they stay in their order; of two, other control servers have them in the same.
        came.sort_by(|a, b| a.node.cmp(&b.node));
        if !came.is_empty() {
            let done = write_came(&placements, &came).await;
            for written in of_came {
                // Who asked may be gone.
                let _ = written.send(done.clone().map(|()| false));
            }
        }
        while !heard.is_empty() {
            let mut versions = 0;
            let fits = heard.iter().take_while(|(what, _)| {
                versions += what.acknowledged.len();
                versions <= VERSIONS
            });
            let fit = fits.count().max(1);
            let (said, all_written): (Vec<_>, Vec<_>) = heard.drain(..fit).unzip();
            let done = placements.store().heard(&said, now()).await.map_err(of_store);
            for (what, written) in said.iter().zip(all_written) {
                let returned = done.as_ref().map(|all| all.contains(&what.filter));
                let _ = written.send(returned.map_err(Clone::clone));
            }
        }
    }
}

async fn write_came(placements: &PlacementsHolder, filters: &[Participant]) -> Result<(), Error> {
    let now = now();
    placements.store().came(filters, now, now + SETTLED).await.map_err(of_store)?;
    placements.refresh().await.map_err(of_store)
}

fn of_store(error: impl std::fmt::Display) -> Error {
    Error::Store(error.to_string())
}

#[cfg(test)]
mod tests {
    use panko_placement::Change;
    use tokio::task::JoinSet;

    use super::*;
    use crate::placements::fixture::Fixture;
    use crate::placements::{By, Error as Changed};

    #[tokio::test(flavor = "multi_thread")]
    async fn each_of_many_is_written_down_before_it_is_told_so() {
        let here = Fixture::of_members(2).await;
        let store = here.placements.store().clone();
        let (roll, mut filters) = (Roll::new(here.placements.clone()), JoinSet::new());
        for number in 0..300 {
            let (roll, store) = (roll.clone(), store.clone());
            filters.spawn(async move {
                let node = format!("envoy-{}", number / 4);
                let filter = Participant { node, process: 1, vm: number };
                let knows = async |version| {
                    let all = store.participants("default").await.unwrap();
                    all.iter().any(|(other, said)| *other == filter && said.version == version)
                };
                // Of every tenth nobody knows that it came.
                if number % 10 > 0 {
                    roll.came(&filter).await.unwrap();
                    assert!(knows(0).await);
                }
                let version = u64::from(number) + 1;
                let said = vec![("default".to_owned(), version); 40];
                let returned = roll.heard(&filter, said).await.unwrap();
                assert_eq!(returned, number % 10 == 0, "{filter:?}");
                assert!(knows(version).await);
            });
        }
        while let Some(filter) = filters.join_next().await {
            filter.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_filter_is_sent_first_was_read_after_it_came() {
        let here = Fixture::of_members(2).await;
        let other = here.another_control_server().await;
        let roll = Roll::new(here.placements.clone());
        for vm in 0..20 {
            let by = By { who: "a test", why: "", lead: None, emptied: &[] };
            let weight = |state: &panko_placement::State| {
                let mut member = state.members[0].clone();
                member.weight += 1;
                Ok::<_, Changed>(Change::Put(member))
            };
            let there = other.change("default", by, "a weight", weight).await.unwrap();
            roll.came(&Participant { node: "envoy".to_owned(), process: 1, vm }).await.unwrap();
            assert_eq!(here.placements.state("default").unwrap().version, there.version);
        }
    }
}
