//! What has to change so that all is as it is wanted, and why it may not. Nobody is asked.

use std::collections::HashMap;

use panko_placement::{Change, Member, State};
use panko_routing::placement::MemberIndex;

use super::left::Left;
use crate::check::Row;
use crate::config::{Cluster, Namespace};
use crate::desired::Desired;
use crate::placements::begin::{first, members};
use crate::topology::{self, member_name};

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// What changes, a line each.
    pub lines: Vec<String>,
    /// Why nothing may be changed.
    pub problems: Vec<String>,
    /// What has to wait.
    pub notes: Vec<String>,
    /// Placements, in this order.
    pub steps: Vec<(String, Step)>,
    /// Clusters and namespaces before.
    pub here: Desired,
    /// Clusters and namespaces while placements change: those that come and those that are still used.
    pub meanwhile: Desired,
    /// Clusters and namespaces afterwards.
    pub after: Desired,
    /// Namespaces that go, with the versions of their placements.
    pub ends: Vec<(String, u64)>,
    /// Whether members that are drained by it leave with the next one.
    pub again: bool,
    known: Vec<(String, String, String)>,
}

/// A change of one placement.
#[derive(Debug)]
pub enum Step {
    /// Its first.
    Begin(State),
    /// From this version.
    Change {
        /// The version.
        from: u64,
        /// The change.
        change: Change,
        /// In words.
        what: String,
    },
}

/// Whether a file names this member.
pub fn has(namespace: &Namespace, member: &topology::Member) -> bool {
    position(namespace, member.cluster.name(), &member.namespace)
}

fn position(namespace: &Namespace, cluster: &str, physical: &str) -> bool {
    let name = &namespace.name;
    namespace.members.iter().any(|m| m.cluster == cluster && m.physical(name) == physical)
}

impl Plan {
    /// From what is here to what is wanted. `left` is what members have that are to leave and own nothing; `abandon`
    /// names those that may leave all the same, and namespaces that may go.
    pub fn new(
        here: &Desired,
        states: &HashMap<String, State>,
        wanted: &Desired,
        left: &HashMap<(String, String), Left>,
        abandon: &[String],
    ) -> Self {
        let mut plan = Self { here: here.clone(), ..Self::default() };
        let mut used: Vec<String> = Vec::new();
        for namespace in &wanted.namespaces {
            let Some(state) = states.get(&namespace.name) else {
                plan.begin(namespace);
                continue;
            };
            let known = state
                .members
                .iter()
                .map(|m| (namespace.name.clone(), m.cluster.clone(), m.namespace.clone()));
            plan.known.extend(known);
            plan.settings(here, namespace);
            let after = plan.members(namespace, state, left, abandon);
            used.extend(after.members.into_iter().map(|member| member.cluster));
        }
        for namespace in &here.namespaces {
            if wanted.namespace(&namespace.name).is_none() {
                plan.end(&namespace.name, abandon);
            }
        }
        // Also those that were given up by an apply that did not come to its end.
        let ends = states.iter().filter(|(name, _)| wanted.namespace(name).is_none());
        plan.ends = ends.map(|(name, state)| (name.clone(), state.version)).collect();
        plan.clusters(here, wanted, &used);
        plan
    }

    /// Whether a member is there already.
    pub fn is_known(&self, row: &Row) -> bool {
        self.known.iter().any(|(namespace, cluster, physical)| {
            (namespace, cluster, physical) == (&row.namespace, &row.cluster, &row.physical)
        })
    }

    fn begin(&mut self, namespace: &Namespace) {
        let name = &namespace.name;
        match first(namespace) {
            Ok(state) => {
                let shares = state.members.iter().zip(state.counts());
                let shares =
                    shares.map(|(m, counts)| format!("{} {} slots", m.cluster, counts.owned));
                let shares: Vec<_> = shares.collect();
                self.lines.push(format!("+ namespace {name}: {}", shares.join(", ")));
                self.steps.push((name.clone(), Step::Begin(state)));
            }
            Err(error) => self.problems.push(error.to_string()),
        }
    }

    fn settings(&mut self, here: &Desired, namespace: &Namespace) {
        let name = &namespace.name;
        let Some(old) = here.namespace(name) else { return };
        let bare = |n: &Namespace| Namespace { members: Vec::new(), ..n.clone() };
        if bare(old) != bare(namespace) {
            self.lines.push(format!("~ namespace {name}: its settings"));
        }
    }

    /// The steps for a namespace's members; its placement after them.
    fn members(
        &mut self,
        namespace: &Namespace,
        state: &State,
        left: &HashMap<(String, String), Left>,
        abandon: &[String],
    ) -> State {
        let mut edit = Edit { now: state.clone(), changes: Vec::new(), what: Vec::new() };
        let (mut moves, counts) = (false, state.counts());
        for wanted in members(namespace) {
            let at = state.position(&wanted.cluster, &wanted.namespace).map(|at| usize::from(at.0));
            let old = at.and_then(|at| state.members.get(at));
            // One that has joined by a start, or by an apply that did not come to its end.
            let has = at.and_then(|at| counts.get(at)).map_or(0, |has| has.owned + has.coming);
            moves |= has == 0 && old.is_some() && wanted.share() > 0;
            let (cluster, weight) = (&wanted.cluster, wanted.weight);
            let what = match old {
                None => format!("+ {cluster} joins with the weight {weight}"),
                Some(old) if old.weight != weight => {
                    format!("~ {cluster}: weight {} → {weight}", old.weight)
                }
                Some(old) if old.cordoned != wanted.cordoned => {
                    format!("~ {cluster}: cordoned {} → {}", old.cordoned, wanted.cordoned)
                }
                Some(_) => continue,
            };
            let share = old.map_or(0, Member::share);
            let new = match old {
                Some(old) => Member { weight, cordoned: wanted.cordoned, ..old.clone() },
                None => wanted,
            };
            moves |= share != new.share();
            self.try_to(namespace, &mut edit, Change::Put(new), what);
        }
        for member in &state.members {
            if position(namespace, &member.cluster, &member.namespace) {
                continue;
            }
            moves |= self.leave(namespace, &mut edit, member, left, abandon);
        }
        if moves {
            match edit.now.balance() {
                Some(slots) if !slots.is_empty() => {
                    let what = format!("~ {} slots are handed over", slots.len());
                    self.try_to(namespace, &mut edit, Change::Begin(slots), what);
                }
                Some(_) => {}
                None => self.problems.push(format!(
                    "{}: no member would have a weight above 0, so new workflows would have no place",
                    namespace.name
                )),
            }
        }
        if !edit.changes.is_empty() {
            let lines = edit.what.iter().map(|what| {
                let (sign, rest) = what.split_once(' ').unwrap_or(("~", what));
                format!("{sign} {}: {rest}", namespace.name)
            });
            self.lines.extend(lines);
            let (from, change, what) =
                (state.version, Change::All(edit.changes), edit.what.join("; "));
            self.steps.push((namespace.name.clone(), Step::Change { from, change, what }));
        }
        edit.now
    }

    /// A member that is not wanted any more: drained first, gone once it is empty. Whether slots move.
    fn leave(
        &mut self,
        namespace: &Namespace,
        edit: &mut Edit,
        member: &Member,
        left: &HashMap<(String, String), Left>,
        abandon: &[String],
    ) -> bool {
        let Some(at) = edit.now.position(&member.cluster, &member.namespace) else { return false };
        let names = edit.now.members.iter().map(|other| other.cluster.as_str());
        let name = member_name(&member.cluster, &member.namespace, names);
        let own = format!("{}/{name}", namespace.name);
        let counts = edit.now.counts().get(usize::from(at.0)).copied().unwrap_or_default();
        let abandoned = abandon.contains(&own);
        let has = left.get(&(namespace.name.clone(), name.clone()));
        let empty = counts.former == 0 && has.is_some_and(Left::is_nothing);
        let stays = counts.owned + counts.coming > 0 || !(empty || abandoned);
        if stays && member.weight > 0 {
            let what = format!("- {name} is drained: it owns {} slots", counts.owned);
            let drained = Member { weight: 0, ..member.clone() };
            self.try_to(namespace, edit, Change::Put(drained), what);
        }
        if counts.owned + counts.coming > 0 {
            self.again = true;
            self.notes.push(format!(
                "{own} leaves by a further `panko apply`, once its slots have new owners and it holds nothing any more"
            ));
            return true;
        }
        let has = has.map_or("what it has is not known".to_owned(), ToString::to_string);
        if !empty && !abandoned {
            self.notes.push(format!(
                "{own} stays: it may hold workflows of {} slots, and has: {has}. Apply again when it is empty, or with --abandon {own}: whatever it has is then out of reach through Panko, and an id that is open there can be started a second time",
                counts.former
            ));
            return false;
        }
        let former = edit.now.slots.iter().enumerate();
        let former = former.filter(|(_, slot)| slot.former.contains(&at));
        let released: Vec<(usize, MemberIndex)> = former.map(|(slot, _)| (slot, at)).collect();
        let what = match empty {
            true => format!("- {name} leaves: it is empty"),
            false => format!("- {name} leaves, and leaves behind: {has}"),
        };
        let change = Change::All(vec![Change::Release(released), Change::Remove(at)]);
        self.try_to(namespace, edit, change, what);
        false
    }

    fn try_to(&mut self, namespace: &Namespace, edit: &mut Edit, change: Change, what: String) {
        match edit.now.after(&change) {
            Ok(next) => {
                edit.now = next;
                edit.changes.push(change);
                edit.what.push(what);
            }
            Err(refused) => self.problems.push(format!("{}: {what}: {refused}", namespace.name)),
        }
    }

    fn end(&mut self, name: &str, abandon: &[String]) {
        if !abandon.iter().any(|one| one == name) {
            self.problems.push(format!(
                "namespace {name} is not in the file: Panko would serve it no more, and its workflows would be reached on their clusters only; add it, or say --abandon {name}"
            ));
            return;
        }
        self.lines.push(format!("- namespace {name} is served no more"));
    }

    fn clusters(&mut self, here: &Desired, wanted: &Desired, used: &[String]) {
        for cluster in &wanted.clusters {
            let (name, address) = (&cluster.name, &cluster.address);
            match here.cluster(name) {
                None => self.lines.push(format!("+ cluster {name} at {address}")),
                Some(old) if old != cluster => self.lines.push(edited(old, cluster)),
                Some(_) => {}
            }
        }
        self.after = wanted.clone();
        for cluster in &here.clusters {
            if wanted.cluster(&cluster.name).is_some() {
                continue;
            }
            if used.contains(&cluster.name) {
                self.notes
                    .push(format!("cluster {} stays as long as a member uses it", cluster.name));
                self.after.clusters.push(cluster.clone());
            } else {
                self.lines.push(format!("- cluster {}", cluster.name));
            }
        }
        // Namespaces that go are gone at once: nobody is to route to what is about to leave.
        self.meanwhile = Desired {
            clusters: here.with(&self.after).clusters,
            namespaces: self.after.namespaces.clone(),
        };
    }
}

fn edited(old: &Cluster, new: &Cluster) -> String {
    let name = &new.name;
    match old.address == new.address {
        true => format!("~ cluster {name}: how it is spoken to"),
        false => format!("~ cluster {name}: {} → {}", old.address, new.address),
    }
}

/// A placement that is being changed.
struct Edit {
    now: State,
    changes: Vec<Change>,
    what: Vec<String>,
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
