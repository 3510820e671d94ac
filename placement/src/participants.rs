//! Who sends start-type calls to owners by itself, and has to agree before a slot gets another one: the filters,
//! one for each of Envoy's VMs. Control servers lock the key and read the placement with each such call.

use std::collections::BTreeMap;

use panko_routing::in_flight::Millis;
use serde::{Deserialize, Serialize};

/// A filter: one of Envoy's VMs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Participant {
    /// Which Envoy.
    pub node: String,
    /// Which start of it: a new one ends what ran before under the same node.
    pub process: u64,
    /// Which of its VMs.
    pub vm: u32,
}

/// Everybody who sends start-type calls by a placement, and what each has said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Participants {
    all: BTreeMap<Participant, Said>,
}

/// What a participant has said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Said {
    /// It routes by this version, and none of its start-type calls is on its way to the owner of a slot whose
    /// starts are not direct in it.
    pub version: u64,
    /// It routes by this version, whatever is on its way: `version`, or a later one.
    pub routes: u64,
    /// It is gone, and what it had sent may take effect until then.
    pub gone_until: Option<Millis>,
}

/// The proof that since a version no filter sends start-type calls to the owners of the slots whose starts are
/// not direct in it, and that none is on its way to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet(u64);

impl Quiet {
    /// The version.
    #[must_use]
    pub fn since(self) -> u64 {
        self.0
    }

    /// No proof: an operator takes the risk that a participant which does not answer starts, at a slot's old owner,
    /// what is then started at its new one, too.
    #[must_use]
    pub fn forced(version: u64) -> Self {
        Self(version)
    }
}

/// The proof that since a version every filter routes by it, whatever they had sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routed(u64);

impl Routed {
    /// The version.
    #[must_use]
    pub fn since(self) -> u64 {
        self.0
    }

    /// No proof ([`Quiet::forced`]).
    #[must_use]
    pub fn forced(version: u64) -> Self {
        Self(version)
    }
}

impl Participants {
    /// A participant is about to get the placement. What its node ran before is gone: whatever that had sent
    /// may take effect until `settled`.
    pub fn came(&mut self, participant: Participant, settled: Millis) {
        for (other, said) in &mut self.all {
            if other.node == participant.node && other.process != participant.process {
                said.gone_until.get_or_insert(settled);
            }
        }
        self.all.entry(participant).or_default().gone_until = None;
    }

    /// Puts back what has been remembered of a participant.
    pub fn restore(&mut self, participant: Participant, said: Said) {
        self.all.insert(participant, Said { routes: said.routes.max(said.version), ..said });
    }

    /// What a participant says of `version` ([`Said::version`]). One that nobody knows is not believed. Returns
    /// whether it is news.
    pub fn acknowledged(&mut self, participant: &Participant, version: u64) -> bool {
        match self.all.get_mut(participant) {
            Some(said) if said.version < version => {
                said.version = version;
                said.routes = said.routes.max(version);
                true
            }
            _ => false,
        }
    }

    /// A participant routes by `version`, and what it sent before may still be on its way. One that nobody knows is
    /// not believed.
    pub fn routes(&mut self, participant: &Participant, version: u64) {
        if let Some(said) = self.all.get_mut(participant) {
            said.routes = said.routes.max(version);
        }
    }

    /// Everybody, and what they have said.
    pub fn iter(&self) -> impl Iterator<Item = (&Participant, &Said)> {
        self.all.iter()
    }

    /// Those of whom it is not certain that they are quiet since `version`.
    pub fn missing(&self, version: u64, now: Millis) -> impl Iterator<Item = &Participant> {
        let is_quiet = move |said: &Said| match said.gone_until {
            Some(until) => until <= now,
            None => said.version >= version,
        };
        self.all.iter().filter(move |(_, said)| !is_quiet(said)).map(|(participant, _)| participant)
    }

    /// The proof that all are quiet since `version`, if they are.
    #[must_use]
    pub fn quiet_since(&self, version: u64, now: Millis) -> Option<Quiet> {
        self.missing(version, now).next().is_none().then_some(Quiet(version))
    }

    /// Those of whom it is not certain that they route by `version`. Those that are gone send nothing more.
    pub fn behind(&self, version: u64) -> impl Iterator<Item = &Participant> {
        let is_behind = move |said: &Said| said.gone_until.is_none() && said.routes < version;
        self.all.iter().filter(move |(_, said)| is_behind(said)).map(|(participant, _)| participant)
    }

    /// The proof that all route by `version`, if they do.
    #[must_use]
    pub fn routed_since(&self, version: u64) -> Option<Routed> {
        self.behind(version).next().is_none().then_some(Routed(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(process: u64, vm: u32) -> Participant {
        Participant { node: "envoy-1".to_owned(), process, vm }
    }

    #[test]
    fn all_have_to_say_so() {
        let mut all = Participants::default();
        all.came(vm(1, 0), 0);
        all.came(vm(1, 1), 0);
        assert!(all.acknowledged(&vm(1, 0), 7));
        assert!(!all.acknowledged(&vm(1, 0), 6), "versions only grow");
        assert!(!all.acknowledged(&vm(9, 9), 7), "nobody knows it");
        assert_eq!(all.quiet_since(7, 0), None);
        assert!(all.missing(7, 0).eq([&vm(1, 1)]));
        all.acknowledged(&vm(1, 1), 8);
        assert_eq!(all.quiet_since(7, 0), Some(Quiet(7)));
        assert_eq!(all.quiet_since(8, 0), None);
    }

    #[test]
    fn a_new_start_inherits_the_calls_of_the_one_before() {
        let mut all = Participants::default();
        all.came(vm(1, 0), 0);
        all.came(vm(2, 0), 100);
        all.acknowledged(&vm(2, 0), 7);
        assert_eq!(all.quiet_since(7, 99), None);
        assert_eq!(all.quiet_since(7, 100), Some(Quiet(7)));
        all.came(vm(2, 1), 500);
        all.acknowledged(&vm(2, 1), 7);
        assert_eq!(all.quiet_since(7, 100), Some(Quiet(7)), "the wait begins once");
    }

    #[test]
    fn one_routes_by_a_placement_before_its_calls_are_over() {
        let mut all = Participants::default();
        all.came(vm(1, 0), 0);
        all.routes(&vm(9, 9), 7);
        assert_eq!(all.routed_since(7), None);
        all.routes(&vm(1, 0), 7);
        all.routes(&vm(1, 0), 6);
        assert_eq!((all.routed_since(7), all.quiet_since(7, 0)), (Some(Routed(7)), None));
        all.acknowledged(&vm(1, 0), 8);
        assert_eq!((all.routed_since(8), all.quiet_since(8, 0)), (Some(Routed(8)), Some(Quiet(8))));
        all.came(vm(2, 0), 100);
        assert_eq!(all.routed_since(8), None, "the new one has said nothing");
        all.routes(&vm(2, 0), 9);
        assert_eq!(all.routed_since(9), Some(Routed(9)), "the old one sends nothing more");
    }
}
