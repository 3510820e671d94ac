//! The members that a pool has or had, under numbers that stay theirs: open polls and tasks name them.
//!
//! A namespace's list of members changes, and positions in it with it. Here a member that leaves stays, for
//! what it has given out and for when it comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::event::Event;
use crate::topology::{Member, VirtualNamespace};

/// All of them.
#[derive(Debug, Default)]
pub struct Roster {
    /// What the pool knows of its namespace; none before it has heard of it, and once it is gone.
    namespace: Option<Arc<VirtualNamespace>>,
    all: Vec<Place>,
}

/// One of them.
#[derive(Debug)]
struct Place {
    /// As it was last reached.
    member: Arc<Member>,
    takes_polls: bool,
}

impl Roster {
    /// Takes the members of `namespace` over. What is news for the machine.
    pub fn update(&mut self, namespace: &Arc<VirtualNamespace>) -> Vec<Event> {
        if self.namespace.as_ref().is_some_and(|known| Arc::ptr_eq(known, namespace)) {
            return Vec::new();
        }
        self.namespace = Some(namespace.clone());
        let own = |place: &Place| {
            let Member { cluster, namespace: physical, .. } = &*place.member;
            let mut all = namespace.members.iter().enumerate();
            let (at, member) = all.find(|(_, member)| is(member, cluster.name(), physical))?;
            Some((member, namespace.takes_polls(at)))
        };
        let mut events = Vec::new();
        for (number, place) in self.all.iter_mut().enumerate() {
            let before = place.takes_polls;
            let own = own(place);
            place.takes_polls = own.is_some_and(|(_, takes_polls)| takes_polls);
            let changed = own.is_some_and(|(member, _)| !Arc::ptr_eq(member, &place.member));
            if let Some((member, _)) = own {
                place.member = member.clone();
            }
            if before && !place.takes_polls {
                events.push(Event::MemberLeft { member: number });
            } else if place.takes_polls && (!before || changed) {
                events.push(Event::MemberJoined { member: number });
            }
        }
        for (at, member) in namespace.members.iter().enumerate() {
            if self.find(member.cluster.name(), &member.namespace).is_some() {
                continue;
            }
            let (number, takes_polls) = (self.all.len(), namespace.takes_polls(at));
            self.all.push(Place { member: member.clone(), takes_polls });
            events.push(match takes_polls {
                true => Event::MemberJoined { member: number },
                false => Event::MemberLeft { member: number },
            });
        }
        events
    }

    /// The namespace is gone. What is news for the machine.
    pub fn close(&mut self) -> Vec<Event> {
        self.namespace = None;
        let open = self.all.iter_mut().enumerate().filter(|(_, place)| place.takes_polls);
        let left = open.map(|(member, place)| {
            place.takes_polls = false;
            Event::MemberLeft { member }
        });
        left.collect()
    }

    /// A member, also one that has left.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&Arc<Member>> {
        self.all.get(number).map(|place| &place.member)
    }

    /// Whether polls are opened on a member, and in this way.
    #[must_use]
    pub fn is_reached_by(&self, number: usize, through: &Arc<Member>) -> bool {
        let place = self.all.get(number);
        place.is_some_and(|place| place.takes_polls && Arc::ptr_eq(&place.member, through))
    }

    /// What a member is called, also one that has left.
    #[must_use]
    pub fn name(&self, number: usize) -> &str {
        self.get(number).map_or("", |member| &member.name)
    }

    /// The number of a cluster's physical namespace.
    #[must_use]
    pub fn find(&self, cluster: &str, namespace: &str) -> Option<usize> {
        self.all.iter().position(|place| is(&place.member, cluster, namespace))
    }

    /// All, those that have left included.
    pub fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.all.iter().map(|place| &place.member)
    }

    /// Those on whom polls are opened, by their numbers.
    pub fn taking_polls(&self) -> impl Iterator<Item = usize> {
        self.all.iter().enumerate().filter(|(_, place)| place.takes_polls).map(|(at, _)| at)
    }

    /// For each member that takes polls, or has any, how many are open on it.
    #[must_use]
    pub fn open_polls(&self, open_on: impl Fn(usize) -> usize) -> BTreeMap<String, u64> {
        let mut polls = BTreeMap::new();
        for (number, Place { member, takes_polls }) in self.all.iter().enumerate() {
            let open = open_on(number) as u64;
            if *takes_polls || open > 0 {
                // One that has left may have had the name of one that is here.
                *polls.entry(member.name.to_string()).or_default() += open;
            }
        }
        polls
    }
}

fn is(member: &Member, cluster: &str, namespace: &str) -> bool {
    **member.cluster.name() == *cluster && member.namespace == namespace
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::topology::Topology;

    /// A namespace with these members on clusters at these addresses.
    fn namespace(members: &[(&str, &str, u16)]) -> Arc<VirtualNamespace> {
        let mut yaml = "clusters:\n".to_owned();
        let mut clusters: Vec<_> =
            members.iter().map(|(cluster, _, port)| (cluster, port)).collect();
        clusters.dedup();
        for (cluster, port) in clusters {
            yaml += &format!("  - {{ name: {cluster}, address: \"127.0.0.1:{port}\" }}\n");
        }
        yaml += "namespaces:\n  - name: orders\n    members:\n";
        for (cluster, namespace, _) in members {
            yaml += &format!("      - {{ cluster: {cluster}, namespace: {namespace} }}\n");
        }
        let config = Config::parse(&yaml, Path::new("panko.yaml")).unwrap();
        Topology::new(&config.clusters, &config.namespaces, None)
            .namespace("orders")
            .unwrap()
            .clone()
    }

    const fn joined(member: usize) -> Event {
        Event::MemberJoined { member }
    }

    const fn left(member: usize) -> Event {
        Event::MemberLeft { member }
    }

    #[test]
    fn members_keep_their_numbers_wherever_they_stand_in_the_namespace() {
        let mut roster = Roster::default();
        let (a, b, c) = (("a", "x", 1), ("b", "x", 2), ("c", "x", 3));
        assert_eq!(roster.update(&namespace(&[a, b])), [joined(0), joined(1)]);
        let events = roster.update(&namespace(&[b, c]));
        assert_eq!(events, [left(0), joined(1), joined(2)], "b is reached by another connection");
        assert_eq!((roster.name(0), roster.name(1), roster.name(2)), ("a", "b", "c"));
        assert_eq!(roster.taking_polls().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(roster.find("a", "x"), Some(0), "its tasks are still to be given back");
        assert_eq!(roster.update(&namespace(&[c, b, a])), [joined(0), joined(1), joined(2)]);
    }

    #[test]
    fn the_same_namespace_is_no_news_and_a_member_with_another_address_is_used_from_now_on() {
        let mut roster = Roster::default();
        let before = namespace(&[("a", "x", 1)]);
        assert_eq!(roster.update(&before), [joined(0)]);
        assert_eq!(roster.update(&before), []);
        let after = namespace(&[("a", "x", 9)]);
        assert_eq!(roster.update(&after), [joined(0)]);
        assert!(Arc::ptr_eq(roster.get(0).unwrap(), &after.members[0]));
        assert_eq!(roster.close(), [left(0)]);
        assert_eq!(roster.update(&after), [joined(0)], "the namespace has come back");
    }

    #[test]
    fn one_that_has_left_is_shown_while_polls_are_open_on_it() {
        let mut roster = Roster::default();
        roster.update(&namespace(&[("a", "x", 1), ("b", "x", 2)]));
        roster.update(&namespace(&[("a", "y", 1)]));
        let shown = |open: [usize; 3]| Vec::from_iter(roster.open_polls(|number| open[number]));
        assert_eq!(shown([2, 0, 1]), [("a".to_owned(), 3)]);
        assert_eq!(shown([0, 1, 0]), [("a".to_owned(), 0), ("b".to_owned(), 1)]);
    }
}
