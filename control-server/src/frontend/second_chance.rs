//! Class `key`, where the slot's owner does not find anything.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use panko_proto::rpc::{Class, Method};
use panko_routing::placement::Starts;
use panko_routing::wire::fields::first_at;
use panko_routing::{Dialect, Key};
use tonic::{Code, Status};

use super::{Call, Frontend, deadline, malformed};
use crate::locate::{Place, Target};
use crate::topology::{Member, VirtualNamespace};

/// How long a cluster has for a call without a deadline: longer than the longest long poll.
const DEADLINE: Duration = Duration::from_secs(70);

impl Frontend {
    /// A call that the owner answered with NOT_FOUND, replayed by Envoy. It goes where its key lives; if
    /// that is nowhere, to the owner again, whose NOT_FOUND the caller then gets as it is.
    ///
    /// `owner` is the owner's cluster.
    pub(super) async fn second_chance(
        self: &Arc<Self>,
        call: Call,
        owner: &str,
    ) -> Result<Bytes, Status> {
        let (namespace, owner) = self.asked(&call, owner)?;
        let dialect = member(namespace, owner)?.dialect.clone();
        let call = back(call, dialect.as_ref())?;
        if call.method.start_type {
            // What it reopens may be open elsewhere.
            let method = call.method;
            let answer = self.locate_and_start(call).await?;
            return answer_back(dialect.as_ref(), method, answer);
        }
        let (_, target) = self.target(&call)?;
        if target.kind == "schedule" {
            let method = call.method;
            let (index, answer) = self.read_schedule(call).await?;
            let nowhere = answer.as_ref().is_err_and(|status| status.code() == Code::NotFound);
            let found = if index == owner { "owner" } else { "elsewhere" };
            self.metrics.second_chance(if nowhere { "nowhere" } else { found });
            return answer_back(dialect.as_ref(), method, answer?);
        }
        // What is remembered, and what others look for at this moment, holds while nothing moves.
        let place = match self.is_settled(namespace, &target, owner) {
            true => self.locator.locate(namespace, &target, owner).await?,
            false => self.locator.locate_now(namespace, &target, owner).await?,
        };
        let (found, to) = match place {
            Place::Member { index, .. } if index == owner => ("owner", index),
            Place::Member { index, .. } => ("elsewhere", index),
            Place::Nowhere => ("nowhere", owner),
            Place::Unknown(status) => {
                self.metrics.second_chance("unknown");
                return Err(status);
            }
        };
        self.metrics.second_chance(found);
        let answer = forward(&call, member(namespace, to)?).await?;
        answer_back(dialect.as_ref(), call.method, answer)
    }

    /// Whether a key's slot has this owner and no other has had it.
    fn is_settled(&self, namespace: &VirtualNamespace, target: &Target, owner: usize) -> bool {
        let number = Key { kind: target.kind, id: &target.id }.slot().index();
        let state = self.placements.state(&namespace.name).filter(|state| namespace.fits(state));
        let slot = state.as_ref().and_then(|state| state.slots.get(number));
        slot.is_some_and(|slot| {
            usize::from(slot.owner.0) == owner && slot.starts() == Starts::Direct
        })
    }

    /// A call that a closed run answers, too, on a slot that has moved: it goes to the open run, wherever that is, else to
    /// the latest.
    pub(super) async fn find_run(self: &Arc<Self>, call: Call) -> Result<Bytes, Status> {
        let (namespace, target) = self.target(&call)?;
        if target.kind == "schedule" {
            return self.read_schedule(call).await?.1;
        }
        let to = self.home(namespace, &target).await?;
        forward(&call, member(namespace, to)?).await
    }

    /// The member that has a key; if none has, its slot's owner, who then says so.
    pub(super) async fn home(
        &self,
        namespace: &VirtualNamespace,
        target: &Target,
    ) -> Result<usize, Status> {
        let key = Key { kind: target.kind, id: &target.id };
        let owner = self.placements.owner(namespace, &key);
        let owner = owner.ok_or_else(|| {
            Status::unavailable(
                "the namespace has no placement yet, or its members change; try again",
            )
        })?;
        match self.locator.locate_among_all(namespace, target, owner).await? {
            Place::Member { index, .. } => Ok(index),
            Place::Nowhere => Ok(owner),
            Place::Unknown(status) => Err(status),
        }
    }

    /// The namespace that a call was sent to on a cluster, and the position of that member. The request names
    /// the physical namespace.
    fn asked(&self, call: &Call, cluster: &str) -> Result<(&Arc<VirtualNamespace>, usize), Status> {
        let Class::Key { namespace, .. } = call.method.class else {
            return Err(Status::internal(format!("{} has no key", call.method.name)));
        };
        let named = first_at(&call.body, namespace).map_err(|e| malformed(call.method, e))?;
        let named = named.unwrap_or_default();
        let is = |m: &Arc<Member>| {
            m.cluster.name().as_ref() == cluster && m.namespace.as_bytes() == named
        };
        let mut all = self.topology.namespaces();
        let found = all.find_map(|n| Some((n, n.members.iter().position(is)?)));
        found.ok_or_else(|| {
            Status::unavailable(format!(
                "{} of cluster {cluster} is no member of any namespace of Panko's any more; try again when Envoy has the new placement",
                String::from_utf8_lossy(named)
            ))
        })
    }

    /// The key that a call acts on, found as the filter finds it.
    pub(super) fn target(&self, call: &Call) -> Result<(&Arc<VirtualNamespace>, Target), Status> {
        let Class::Key { namespace, keys, run } = call.method.class else {
            return Err(Status::internal(format!("{} has no key", call.method.name)));
        };
        let at = |path| first_at(&call.body, path).map_err(|e| malformed(call.method, e));
        let namespace = self.namespace(at(namespace)?.unwrap_or_default())?;
        for key in keys {
            if let Some(id) = at(key.path)? {
                let run = if run.is_empty() { None } else { at(run)? };
                let (id, run) = (id.into(), run.unwrap_or_default().into());
                let target = Target { namespace: namespace.name.clone(), kind: key.kind, id, run };
                return Ok((namespace, target));
            }
        }
        Err(Status::invalid_argument(format!("{}: the id is not set", call.method.name)))
    }
}

/// The answer as the owner would have given it: the filter gives it the callers' names.
fn answer_back(
    dialect: Option<&Arc<Dialect>>,
    method: &'static Method,
    answer: Bytes,
) -> Result<Bytes, Status> {
    let edited = match dialect {
        Some(dialect) => dialect.answer_back(method, &answer),
        None => Ok(None),
    };
    Ok(edited.map_err(|e| malformed(method, e))?.map_or(answer, Bytes::from))
}

/// The call as its caller made it: the filter has put the owner's names into it.
fn back(mut call: Call, dialect: Option<&Arc<Dialect>>) -> Result<Call, Status> {
    if let Some(dialect) = dialect {
        let original = dialect.request_back(call.method, &call.body);
        let original = original.map_err(|e| malformed(call.method, e))?;
        call.body = original.map_or(call.body, Bytes::from);
    }
    Ok(call)
}

pub(super) fn member(namespace: &VirtualNamespace, index: usize) -> Result<&Arc<Member>, Status> {
    namespace.members.get(index).ok_or_else(|| Status::internal("no such member"))
}

pub(super) async fn forward(call: &Call, member: &Member) -> Result<Bytes, Status> {
    let asked = call.timeout.as_deref().and_then(deadline::parse).unwrap_or(DEADLINE);
    member.call(call.method, &call.caller, call.body.clone(), asked).await
}
