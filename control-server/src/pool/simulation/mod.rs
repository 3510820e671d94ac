//! The machine in a simulated world: clusters, workers, replicas that join and leave, and a clock,
//! driven by a seed.
//!
//! Every schedule (`PANKO_SCHEDULES` of them) checks what [`super::machine`] promises. A failing one
//! is named by its seed; put it into [`replay`] to see it again. [`mutant`] has pools that are
//! broken on purpose: the same checks have to find each of them.

mod acts;
mod comings;
mod mutant;
mod replica;
mod world;

use mutant::Mutant;
use world::World;

use super::event::Kind;

const KINDS: [Kind; 4] = [Kind::Workflow, Kind::Sticky, Kind::Activity, Kind::Nexus];

/// What was found wrong with a pool.
type Checked = Result<(), String>;

/// Ends the check with a message unless a condition holds.
macro_rules! must {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}
use must;

fn run(seed: u64, mutant: Mutant) -> Checked {
    let mut world = World::new(seed, mutant);
    for _ in 0..world.steps() {
        world.something_happens()?;
    }
    world.settle()
}

#[test]
fn every_schedule_keeps_the_promises() {
    let schedules = std::env::var("PANKO_SCHEDULES").map_or(20_000, |n| n.parse().unwrap());
    for seed in 0..schedules {
        if let Err(problem) = run(seed, Mutant::None) {
            panic!("seed {seed}: {problem}");
        }
    }
    println!("{schedules} schedules");
}

#[test]
fn replay() {
    assert_eq!(run(0, Mutant::None), Ok(()));
}

/// How many schedules a broken pool may survive.
const SURVIVES: u64 = 2_000;

#[test]
fn every_broken_pool_is_found() {
    for mutant in Mutant::BROKEN {
        let found = (0..SURVIVES).find_map(|seed| Some((seed, run(seed, mutant).err()?)));
        let Some((seed, problem)) = found else { panic!("{mutant:?} was not found") };
        println!("{mutant:?}: found by seed {seed}: {problem}");
    }
}

/// One worker with one slot and tasks on one of eight members: the others are asked seldom enough.
#[test]
fn a_scarce_worker_finds_the_member_that_has_tasks() {
    for kind in KINDS {
        let took = World::alone(kind, 8).time_of_one_worker(5, 50).unwrap();
        // Once around all members, then each cold one again every five seconds.
        assert!(took < 60_000, "{kind:?}: 50 tasks took {took} ms");
    }
}

/// One worker with one slot, and two members that both have tasks: neither waits long for its turn.
#[test]
fn a_scarce_worker_takes_turns_between_members_that_have_tasks() {
    for kind in KINDS {
        for (members, at_most) in [(2, 3_000), (8, 20_000)] {
            let waited = World::alone(kind, members).longest_wait(60).unwrap();
            assert!(waited <= at_most, "{kind:?}, {members}: a task waited {waited} ms");
        }
    }
}
