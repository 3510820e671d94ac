//! What clusters tell of their namespaces: the UUIDs that task tokens begin with. At the first start all members tell theirs at
//! once, so those of one namespace are written down together.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use panko_placement::{Change, Member, Refused, State};
use panko_routing::placement::NamespaceUuid;

use super::{By, Error, PlacementsHolder};

/// What is about to be written down.
#[derive(Debug, Default)]
pub(super) struct Learning {
    /// By virtual namespace.
    waiting: Mutex<BTreeMap<String, Vec<Told>>>,
    /// One change at a time: each would overtake the others.
    turn: tokio::sync::Mutex<()>,
}

/// A physical namespace's UUID.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    cluster: String,
    physical: String,
    uuid: String,
}

impl Told {
    /// The member with its UUID; none where it has it already, or is no member.
    fn news(&self, state: &State) -> Option<Member> {
        let at = state.position(&self.cluster, &self.physical)?;
        let member = state.members.get(usize::from(at.0))?;
        let known = member.uuid.as_ref() == Some(&self.uuid);
        (!known).then(|| Member { uuid: Some(self.uuid.clone()), ..member.clone() })
    }
}

impl Learning {
    fn wait(&self, namespace: &str, told: Told) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(namespace.to_owned()).or_default().push(told);
    }

    fn take(&self, namespace: &str) -> Vec<Told> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(namespace).unwrap_or_default()
    }
}

impl PlacementsHolder {
    /// A cluster has told the UUID of a member's physical namespace. Returns whether that is news.
    pub async fn learned(
        &self,
        namespace: &str,
        cluster: &str,
        physical: &str,
        uuid: NamespaceUuid,
    ) -> Result<bool, Error> {
        let (cluster, physical) = (cluster.to_owned(), physical.to_owned());
        let told = Told { cluster, physical, uuid: uuid.to_string() };
        let is_news = || self.state(namespace).is_some_and(|state| told.news(&state).is_some());
        if !is_news() {
            return Ok(false);
        }
        self.learning.wait(namespace, told.clone());
        let _turn = self.learning.turn.lock().await;
        // Whoever had a turn meanwhile has written it down, too; unless that failed.
        if !is_news() {
            return Ok(true);
        }
        let mut all = self.learning.take(namespace);
        if !all.contains(&told) {
            all.push(told);
        }
        let by =
            By { who: "the control server", why: "the cluster says so", lead: None, emptied: &[] };
        let what = all.iter().map(|Told { cluster, physical, uuid }| {
            format!("{cluster}/{physical} has the UUID {uuid}")
        });
        let what = what.collect::<Vec<_>>().join("; ");
        let learned = |state: &State| {
            let news = all.iter().filter_map(|told| told.news(state)).map(Change::Put);
            match news.collect::<Vec<_>>() {
                news if news.is_empty() => Err(Refused::Nothing.into()),
                news => Ok(Change::All(news)),
            }
        };
        match self.change(namespace, by, &what, learned).await {
            Ok(_) => Ok(true),
            // Another control server was first.
            Err(Error::Refused(Refused::Nothing)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::placements::fixture::Fixture;

    const MEMBERS: usize = 30;

    fn uuid(member: usize) -> String {
        format!("5ca1ab1e-0000-4000-8000-{member:012x}")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn members_that_tell_at_once_are_all_known_after_few_changes() {
        let here = Fixture::of_members(MEMBERS).await;
        let before = here.placements.state("default").unwrap().version;
        let mut clusters = JoinSet::new();
        for n in 0..MEMBERS {
            let placements = here.placements.clone();
            clusters.spawn(async move {
                let uuid = NamespaceUuid::parse(uuid(n).as_bytes()).unwrap();
                placements.learned("default", &format!("c{n}"), "default", uuid).await.unwrap()
            });
        }
        while let Some(news) = clusters.join_next().await {
            assert!(news.unwrap());
        }
        let known = here.placements.store().placement("default").await.unwrap().unwrap();
        let told = known.members.iter().enumerate().filter(|(n, member)| {
            member.cluster == format!("c{n}") && member.uuid == Some(uuid(*n))
        });
        assert_eq!(told.count(), MEMBERS);
        assert!(known.version - before < 10, "{} changes", known.version - before);
    }
}
