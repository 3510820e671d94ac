//! What a control server does with `panko.yaml` and the store when it starts.

use panko_placement::{Change, Member, State};
use panko_routing::placement::{MemberIndex, assign};
use panko_store::{Entry, Store, Write};

use super::now;
use crate::config::{self, Config};

/// Why a control server cannot start with this `panko.yaml` and this store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store does not do its part.
    #[error(transparent)]
    Store(#[from] panko_store::Error),
    /// The change makes no sense.
    #[error(transparent)]
    Refused(#[from] panko_placement::Refused),
    /// A member of the store is not in the file.
    #[error(
        "{namespace:?} has the member {member} in the store, and not in panko.yaml: {refused}. Add it there again until `panko status placement` shows it empty"
    )]
    Missing {
        /// The virtual namespace.
        namespace: String,
        /// Cluster and physical namespace.
        member: String,
        /// Why it cannot go.
        refused: panko_placement::Refused,
    },
    /// No member has a weight. Such a file is refused before.
    #[error("{0:?} has no member with a weight above 0")]
    NoWeight(String),
}

/// Gives every namespace that is new its first placement. To the others it adds members that are new, which own
/// nothing before an operator says so, and from them it takes those that are empty. The configuration comes back with the members in the placements' order.
pub async fn begin(mut config: Config, store: &dyn Store) -> Result<Config, Error> {
    for namespace in &mut config.namespaces {
        let state = loop {
            match reconcile(namespace, store).await {
                // Another control server starts, too.
                Err(Error::Store(panko_store::Error::Conflict(_))) => {}
                result => break result?,
            }
        };
        let name = namespace.name.clone();
        let place = |member: &config::Member| {
            state.position(&member.cluster, member.physical(&name)).map(|at| at.0)
        };
        namespace.members.sort_by_key(|member| place(member));
    }
    Ok(config)
}

async fn reconcile(namespace: &config::Namespace, store: &dyn Store) -> Result<State, Error> {
    let name = &namespace.name;
    let members = namespace.members.iter().map(|member| Member {
        cluster: member.cluster.clone(),
        namespace: member.physical(name).to_owned(),
        weight: member.weight,
        cordoned: member.state == config::MemberState::Cordoned,
        fenced: false,
        looked_at: None,
        uuid: None,
    });
    let members: Vec<_> = members.collect();
    let Some(mut state) = store.placement(name).await? else {
        let owners = assign::assign(&namespace.weights(), None);
        let owners = owners.ok_or_else(|| Error::NoWeight(name.clone()))?;
        let mut first = State::new(members, owners.iter().copied());
        // A store that is new where another one was before is newer than that.
        first.version = now();
        write(store, name, 0, &first, "the first placement").await?;
        return Ok(first);
    };
    while let Some((at, gone)) = superfluous(&state, &members) {
        let next = state.after(&Change::Remove(at)).map_err(|refused| Error::Missing {
            namespace: name.clone(),
            member: gone.clone(),
            refused,
        })?;
        write(store, name, state.version, &next, &format!("{gone} leaves: it is empty")).await?;
        state = next;
    }
    for member in members {
        if state.position(&member.cluster, &member.namespace).is_some() {
            continue;
        }
        let what = format!("{}/{} joins, and owns nothing yet", member.cluster, member.namespace);
        let (from, next) = (state.version, state.after(&Change::Put(member))?);
        write(store, name, from, &next, &what).await?;
        tracing::info!(namespace = name, what, "`panko rebalance` gives it its share");
        state = next;
    }
    Ok(state)
}

/// A member that the configuration does not have, and its name.
fn superfluous(state: &State, configured: &[Member]) -> Option<(MemberIndex, String)> {
    let is = |a: &Member, b: &Member| (&a.cluster, &a.namespace) == (&b.cluster, &b.namespace);
    let gone =
        state.members.iter().find(|member| !configured.iter().any(|other| is(member, other)))?;
    let at = state.position(&gone.cluster, &gone.namespace)?;
    Some((at, format!("{}/{}", gone.cluster, gone.namespace)))
}

async fn write(
    store: &dyn Store,
    namespace: &str,
    from: u64,
    state: &State,
    what: &str,
) -> Result<(), panko_store::Error> {
    let entry = Entry {
        version: state.version,
        at: now(),
        who: "the control server".to_owned(),
        what: what.to_owned(),
        why: "panko.yaml says so".to_owned(),
    };
    store
        .write(Write {
            namespace,
            from,
            state,
            entry: &entry,
            lead: None,
            hands_over: false,
            emptied: &[],
        })
        .await
}
