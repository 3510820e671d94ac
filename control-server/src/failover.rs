//! Members that are given up without an operator, where `panko.yaml` says so; and which ones are fenced, as a metric.
//!
//! Each control server looks at every member ([`crate::identify`]) and notes here whether it answers. The leader gives up one that has not
//! answered for long enough, at most one, and only while all others answer: else it is more likely the control server that is cut off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use panko_placement::{Change, Refused, State};
use panko_store::Lead;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::Metrics;
use crate::placements::{By, Error, PlacementsHolder};
use crate::topology::{Member, Topology, VirtualNamespace};

/// Between two looks at what has been noted.
const INTERVAL: Duration = Duration::from_secs(1);

/// How much later than planned a look at a member that answers may be.
const LATE: Duration = Duration::from_secs(10);

/// What has been noted of a member.
#[derive(Debug, Clone, Copy)]
enum Said {
    /// It answered then.
    Answered(Instant),
    /// It has not answered since then.
    Silent(Instant),
}

/// By virtual namespace and member.
type Noted = HashMap<(Arc<str>, Arc<str>), Said>;

/// Whether members answer.
#[derive(Debug, Default)]
pub struct Health(Mutex<Noted>);

impl Health {
    /// A member has answered, or has not.
    pub fn note(&self, namespace: &str, member: &Member, answers: bool) {
        let mut all = self.lock();
        let key = (namespace.into(), member.name.clone());
        let now = Instant::now();
        let said = all.entry(key).or_insert(Said::Silent(now));
        match (answers, *said) {
            (true, _) => *said = Said::Answered(now),
            (false, Said::Answered(_)) => *said = Said::Silent(now),
            (false, Said::Silent(_)) => {}
        }
    }

    /// Forgets members that are none any more.
    fn keep(&self, topology: &Topology) {
        self.lock().retain(|(namespace, member), _| {
            let of = topology.namespace(namespace);
            of.is_some_and(|of| of.members.iter().any(|own| own.name == *member))
        });
    }

    /// The member that has been silent for `limit`, if it is the only one and all others have answered lately.
    fn gone(&self, namespace: &VirtualNamespace, limit: Duration) -> Option<Arc<Member>> {
        let all = self.lock();
        let lately = interval(namespace) + LATE;
        let mut gone = None;
        for member in &namespace.members {
            match all.get(&(namespace.name.clone(), member.name.clone()))? {
                Said::Answered(last) if last.elapsed() <= lately => {}
                Said::Silent(since) if since.elapsed() >= limit && gone.is_none() => {
                    gone = Some(member.clone());
                }
                Said::Answered(_) | Said::Silent(_) => return None,
            }
        }
        gone
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        // The map is whole whatever panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Between two looks at a member that answers: so often that the silence of one is noticed in its time.
#[must_use]
pub fn interval(namespace: &VirtualNamespace) -> Duration {
    let usual = Duration::from_secs(30);
    let limit = namespace.failover.map(|failover| Duration::from_secs(failover.after_seconds));
    limit.map_or(usual, |limit| usual.min(limit / 3))
}

/// Shows which members are fenced and, while it leads, gives up those that are gone, until dropped.
pub async fn watch(
    placements: Arc<PlacementsHolder>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    leads: watch::Receiver<Option<Lead>>,
) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let lead = leads.borrow().clone();
        let topology = placements.topology();
        health.keep(&topology);
        metrics.members_fenced(&topology);
        for namespace in topology.namespaces() {
            let Some(lead) = &lead else { continue };
            if let Err(error) = give_up(&placements, namespace, &health, lead).await {
                tracing::warn!(namespace = %namespace.name, %error, "a member is silent and not given up");
            }
        }
    }
}

/// Gives up the member of a namespace that is gone, if there is one and none is fenced.
async fn give_up(
    placements: &PlacementsHolder,
    namespace: &VirtualNamespace,
    health: &Health,
    lead: &Lead,
) -> Result<(), Error> {
    let Some(policy) = namespace.failover else { return Ok(()) };
    let limit = Duration::from_secs(policy.after_seconds);
    let Some(member) = health.gone(namespace, limit) else { return Ok(()) };
    let why = format!("it has not answered for {} s, and all others do", policy.after_seconds);
    let by = By { who: "the leader", why: &why, lead: Some(lead), emptied: &[] };
    let what = format!("{} is fenced, and its slots are being taken over", member.name);
    let failover = |state: &State| {
        if state.members.iter().any(|member| member.fenced) {
            return Err(Refused::Nothing.into());
        }
        let at = state.position(member.cluster.name(), &member.namespace);
        Ok(Change::All(state.failover(at.ok_or(Refused::Nothing)?)?))
    };
    match placements.change(&namespace.name, by, &what, failover).await {
        Err(Error::Refused(Refused::Nothing)) => Ok(()),
        done => done.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    const THREE: &str = "
clusters:
  - { name: a, address: 'localhost:1' }
  - { name: b, address: 'localhost:2' }
  - { name: c, address: 'localhost:3' }
namespaces:
  - name: default
    failover: { after_seconds: 60 }
    members: [{ cluster: a }, { cluster: b }, { cluster: c }]
";

    #[tokio::test(start_paused = true)]
    async fn one_that_is_silent_is_gone_when_all_others_answer() {
        let config = Config::parse(THREE, Path::new("panko.yaml")).unwrap();
        let topology = Topology::new(&config.clusters, &config.namespaces, None);
        let namespace = topology.namespace("default").unwrap();
        let health = Health::default();
        let limit = Duration::from_secs(60);
        let say = |answers: [bool; 3]| {
            let said = namespace.members.iter().zip(answers);
            said.for_each(|(member, answers)| health.note(&namespace.name, member, answers));
            health.gone(namespace, limit).map(|member| member.name.to_string())
        };
        assert_eq!(interval(namespace), Duration::from_secs(20));
        assert_eq!(health.gone(namespace, limit).map(|_| ()), None, "nobody has been asked");
        assert_eq!(say([false, true, true]), None, "it has just become silent");
        tokio::time::advance(limit).await;
        assert_eq!(health.gone(namespace, limit).map(|_| ()), None, "of the others nothing is new");
        assert_eq!(say([false, true, true]), Some("a".to_owned()));
        assert_eq!(say([false, false, true]), None, "another one does not answer either");
        tokio::time::advance(limit).await;
        assert_eq!(say([false, false, true]), None, "two at once");
        assert_eq!(say([true, false, true]), Some("b".to_owned()));
        assert_eq!(say([true, true, true]), None);
        assert_eq!(say([true, false, true]), None, "its silence begins anew");
    }

    #[test]
    fn a_silence_that_is_too_short_is_refused() {
        let short = THREE.replace("60", "3");
        let error = Config::parse(&short, Path::new("panko.yaml")).unwrap_err();
        assert!(error.to_string().contains("write 10 or more"), "{error}");
    }
}
