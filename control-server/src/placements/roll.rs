//! What filters say is written down for many of them at a time: a store that waits for its disk, or is some way off,
//! does so once for all that came meanwhile.

use std::sync::Arc;

use panko_placement::Participant;
use panko_store::{Heard, Store};
use tokio::sync::{mpsc, oneshot};

use super::{SETTLED, now};

/// How many filters are written down at a time: with what each says of a thousand namespaces well within the time that
/// a store has.
const TOGETHER: usize = 128;

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
    /// Begins to write into `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        let (sender, said) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, said));
        Self(sender)
    }

    /// A filter is about to get placements. What is read after that has every change that did not ask it.
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

async fn write(store: Arc<dyn Store>, mut said: mpsc::Receiver<Said>) {
    let mut together = Vec::new();
    while said.recv_many(&mut together, TOGETHER).await > 0 {
        let (mut came, mut heard) = (Vec::new(), Vec::new());
        let (mut of_came, mut of_heard) = (Vec::new(), Vec::new());
        for Said { what, written } in together.drain(..) {
            match what {
                What::Came(filter) => {
                    came.push(filter);
                    of_came.push(written);
                }
                What::Heard(what) => {
                    of_heard.push((what.filter.clone(), written));
                    heard.push(what);
                }
            }
        }
        // Of one node they stay in their order; of two, other control servers have them in the same.
        came.sort_by(|a, b| a.node.cmp(&b.node));
        if !came.is_empty() {
            let now = now();
            let done = store.came(&came, now, now + SETTLED).await.map_err(of_store);
            for written in of_came {
                // Who asked may be gone.
                let _ = written.send(done.clone().map(|()| false));
            }
        }
        if !heard.is_empty() {
            let done = store.heard(&heard, now()).await.map_err(of_store);
            for (filter, written) in of_heard {
                let returned = done.as_ref().map(|all| all.contains(&filter));
                let _ = written.send(returned.map_err(Clone::clone));
            }
        }
    }
}

fn of_store(error: panko_store::Error) -> Error {
    Error::Store(error.to_string())
}

#[cfg(test)]
mod tests {
    use panko_store::SqlStore;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn each_of_many_is_written_down_before_it_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let address = format!("sqlite:{}", dir.path().join("panko.db").display());
        let store: Arc<dyn Store> = Arc::new(SqlStore::open(&address).await.unwrap());
        let (roll, mut filters) = (Roll::new(store.clone()), JoinSet::new());
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
                let said = vec![("default".to_owned(), version)];
                let returned = roll.heard(&filter, said).await.unwrap();
                assert_eq!(returned, number % 10 == 0, "{filter:?}");
                assert!(knows(version).await);
            });
        }
        while let Some(filter) = filters.join_next().await {
            filter.unwrap();
        }
    }
}
