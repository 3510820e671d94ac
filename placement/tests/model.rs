//! The protocol by which a slot changes owner, checked against rule 3: a key is open in at most one member at a
//! time, but for those that an operator has given up. One slot, one key; filters and control servers that crash, clusters that answer late or not at all,
//! placements and acknowledgements that come late, twice or never, leaders that do not know that they are none.
//!
//! * [`world`] — everything there is: store, filters, control servers, clusters, calls on their way.
//! * [`steps`] — what can happen next. The transitions of placements, participants and calls on their way are
//!   the functions that run in production.
//! * [`fencing`] — a member is given up, and comes back.
//! * [`flaws`] — the protocol with one part left out; each has to be caught.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, clippy::panic)]

#[path = "model/fencing.rs"]
mod fencing;
#[path = "model/flaws.rs"]
mod flaws;
#[path = "model/steps.rs"]
mod steps;
#[path = "model/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use flaws::Flaw;
use stateright::{Checker, CheckerBuilder, HasDiscoveries, Model, Property};
use steps::Step;
use world::{Bounds, SMALL, World};

/// What has to be possible, lest the model proves its promises by doing nothing.
const POSSIBLE: [&str; 5] = [
    "a slot moves while its key runs",
    "a key is started at the new owner",
    "a former owner is released",
    "a key is open at a fenced member and elsewhere",
    "a fenced member comes back with the key",
];

/// The protocol, within bounds.
#[derive(Debug, Clone)]
struct Protocol {
    bounds: Bounds,
    flaw: Option<Flaw>,
}

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.bounds)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        world.steps(self.flaw, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        world.after(step, self.flaw)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            // A member comes back only by what its scan allows: from then on nothing is open twice at all.
            Property::always(
                "a key is open in at most one member that is not fenced",
                |_, world: &World| world.open() <= 1,
            ),
            // What is risked with a fence ends when its slots are taken over.
            Property::always(
                "filters send nothing to a fenced member whose slot is taken over",
                |_, world: &World| !world.sent_to_the_gone,
            ),
            // Rule 1: who looks at the owner and the former owners finds it.
            Property::always(
                "what is open is with the owner or a former owner",
                |_, world: &World| world.open_is_findable(),
            ),
            Property::sometimes(POSSIBLE[0], |_, world: &World| world.is_open_at_a_former_owner()),
            Property::sometimes(POSSIBLE[1], |_, world: &World| world.is_open_at_a_new_owner()),
            Property::sometimes(POSSIBLE[2], |_, world: &World| world.has_released()),
            Property::sometimes(POSSIBLE[3], |_, world: &World| world.is_open_twice()),
            Property::sometimes(POSSIBLE[4], |_, world: &World| world.came_back_with_the_key()),
        ]
    }
}

/// Everything that can happen within each of these is looked at.
const WHOLE: [Bounds; 5] = [
    Bounds { ticks: 2, ..SMALL },
    Bounds { moves: 2, crashes: 1, ..SMALL },
    Bounds { filters: 2, ..SMALL },
    Bounds { servers: 2, ..SMALL },
    Bounds { fences: 2, moves: 0, ..SMALL },
];

/// `make model` looks at these for as long as `PANKO_MODEL_SECONDS` says.
const DEEP: [Bounds; 8] = [
    Bounds { filters: 2, servers: 2, starts: 3, crashes: 1, ticks: 3, ..SMALL },
    Bounds {
        filters: 2,
        servers: 2,
        members: 3,
        starts: 3,
        moves: 2,
        crashes: 1,
        ticks: 2,
        ..SMALL
    },
    Bounds { filters: 3, servers: 2, moves: 2, crashes: 1, ticks: 1, ..SMALL },
    Bounds { fences: 2, ..SMALL },
    Bounds { fences: 2, moves: 0, servers: 2, ..SMALL },
    Bounds { fences: 2, moves: 0, ticks: 2, ..SMALL },
    Bounds { fences: 4, filters: 2, servers: 2, starts: 3, crashes: 1, ticks: 3, ..SMALL },
    Bounds { fences: 4, servers: 2, members: 3, starts: 3, crashes: 1, ticks: 2, ..SMALL },
];

/// Checks until everything within the bounds has been seen, or a property does not hold.
fn check(bounds: Bounds, flaw: Option<Flaw>) -> CheckerBuilder<Protocol> {
    Protocol { bounds, flaw }.checker().threads(2).finish_when(HasDiscoveries::AnyFailures)
}

/// What has been seen, and that nothing of it breaks a promise. Returns what was found that should be possible.
fn promises_hold(bounds: Bounds, checker: impl Checker<Protocol>) -> Vec<&'static str> {
    let (states, deep) = (checker.unique_state_count(), checker.max_depth());
    println!("{bounds:?}: {states} states, {deep} deep");
    for (name, path) in checker.discoveries() {
        assert!(POSSIBLE.contains(&name), "{name}:\n{path}");
    }
    checker.discoveries().into_keys().collect()
}

#[test]
fn a_key_is_open_in_at_most_one_member() {
    let mut seen = BTreeSet::new();
    for bounds in WHOLE {
        seen.extend(promises_hold(bounds, check(bounds, None).spawn_bfs().join()));
    }
    assert!(POSSIBLE.iter().all(|name| seen.contains(name)), "only these happen: {seen:?}");
}

#[test]
#[ignore = "long: make model"]
fn a_key_is_open_in_at_most_one_member_in_more_that_can_happen() {
    let told = std::env::var("PANKO_MODEL_SECONDS").ok().and_then(|told| told.parse().ok());
    let limit = Duration::from_secs(told.unwrap_or(600));
    for bounds in DEEP {
        promises_hold(bounds, check(bounds, None).timeout(limit).spawn_bfs().join());
    }
}

#[test]
fn every_flaw_is_caught() {
    for flaw in flaws::ALL {
        let checker = check(flaw.bounds(), Some(flaw)).spawn_bfs().join();
        let caught = checker.discoveries();
        let caught: Vec<_> = caught.keys().filter(|name| !POSSIBLE.contains(*name)).collect();
        println!("{flaw:?}: {} states", checker.unique_state_count());
        assert!(!caught.is_empty(), "{flaw:?} is not caught");
    }
}
