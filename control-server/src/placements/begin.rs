//! What a control server does with its `panko.yaml` and the store when it starts.

use panko_placement::{Change, Member, State};
use panko_routing::placement::assign;
use panko_store::{Store, Write};

use super::{By, now};
use crate::config::{self, Config};
use crate::desired::Desired;

/// What the history says of a namespace's first placement.
pub const FIRST: &str = "the first placement";

/// Who writes what a start adds.
const BY: By<'_> =
    By { who: "the control server", why: "panko.yaml says so", lead: None, emptied: &[] };

/// Why a control server cannot start with this `panko.yaml` and this store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store does not do its part.
    #[error(transparent)]
    Store(#[from] panko_store::Error),
    /// What was applied cannot be read.
    #[error("what was applied cannot be read: {0}; was it by a newer release? Then start that one")]
    Applied(#[from] serde_json::Error),
    /// The change makes no sense.
    #[error(transparent)]
    Refused(#[from] panko_placement::Refused),
    /// No member has a weight. Such a file is refused before.
    #[error("{0:?} has no member with a weight above 0")]
    NoWeight(String),
}

/// With an empty store, what the file says counts from now on. Later the store is what counts: only what the file adds, and
/// what it says otherwise of a cluster or of a namespace's settings, is taken over, and only from a file that nobody has started
/// with or applied before; so a control server with an old file undoes nothing. Members that join own nothing yet.
pub async fn begin(config: &Config, store: &dyn Store) -> Result<(), Error> {
    loop {
        match once(config, store).await {
            // Another control server starts, too.
            Err(Error::Store(panko_store::Error::Conflict(_) | panko_store::Error::Overtaken)) => {}
            result => return result,
        }
    }
}

async fn once(config: &Config, store: &dyn Store) -> Result<(), Error> {
    let file = Desired::of(config);
    let source = serde_json::to_string(&file)?;
    let applied = store.applied().await?;
    let before: Option<Desired> =
        applied.as_ref().map(|applied| serde_json::from_str(&applied.body)).transpose()?;
    let known = store.was_applied(&source).await?;
    let desired = match before.clone() {
        None => file.clone(),
        Some(before) if known => before,
        Some(before) => before.with(&file),
    };
    if before.as_ref() != Some(&desired) {
        let version = applied.map_or(0, |applied| applied.version) + 1;
        let entry = BY.entry(version, "clusters and namespaces are taken over at a start");
        let body = serde_json::to_string(&desired)?;
        store.apply(version - 1, &source, &body, &entry).await?;
    }
    if !same(&desired, &file) {
        tracing::warn!(
            "panko.yaml is not what counts; see `panko apply --dry-run`, and make it so with `panko apply`"
        );
    }
    for namespace in &desired.namespaces {
        reconcile(namespace, store).await?;
    }
    Ok(())
}

/// Whether they say the same, in whatever order.
fn same(a: &Desired, b: &Desired) -> bool {
    a.clusters.len() == b.clusters.len()
        && a.namespaces.len() == b.namespaces.len()
        && a.clusters.iter().all(|cluster| b.clusters.contains(cluster))
        && a.namespaces.iter().all(|namespace| b.namespaces.contains(namespace))
}

/// The first placement of a namespace; later, its members that are new join.
async fn reconcile(namespace: &config::Namespace, store: &dyn Store) -> Result<(), Error> {
    let name = &namespace.name;
    let Some(mut state) = store.placement(name).await? else {
        let first = first(namespace)?;
        return Ok(write(store, name, 0, &first, FIRST, BY).await?);
    };
    for member in members(namespace) {
        if state.position(&member.cluster, &member.namespace).is_some() {
            continue;
        }
        let what = format!("{}/{} joins, and owns nothing yet", member.cluster, member.namespace);
        let (from, next) = (state.version, state.after(&Change::Put(member))?);
        write(store, name, from, &next, &what, BY).await?;
        tracing::info!(namespace = name, what, "`panko rebalance` gives it its share");
        state = next;
    }
    Ok(())
}

/// The placement with which a namespace begins: slots by weight.
pub fn first(namespace: &config::Namespace) -> Result<State, Error> {
    let owners = assign::assign(&namespace.weights(), None);
    let owners = owners.ok_or_else(|| Error::NoWeight(namespace.name.clone()))?;
    let mut first = State::new(members(namespace).collect(), owners.iter().copied());
    // A store that is new where another one was before is newer than that.
    first.version = now();
    Ok(first)
}

/// The members that a file names.
pub fn members(namespace: &config::Namespace) -> impl Iterator<Item = Member> + '_ {
    namespace.members.iter().map(|member| Member {
        cluster: member.cluster.clone(),
        namespace: member.physical(&namespace.name).to_owned(),
        weight: member.weight,
        cordoned: member.state == config::MemberState::Cordoned,
        fenced: false,
        looked_at: None,
        uuid: None,
    })
}

/// Writes a placement from the version that counted, 0 for none.
pub async fn write(
    store: &dyn Store,
    namespace: &str,
    from: u64,
    state: &State,
    what: &str,
    by: By<'_>,
) -> Result<(), panko_store::Error> {
    let entry = by.entry(state.version, what);
    let write = Write {
        namespace,
        from,
        state,
        entry: &entry,
        lead: None,
        hands_over: false,
        emptied: &[],
    };
    store.write(write).await
}
