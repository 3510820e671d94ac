use std::path::Path;

use super::*;
use crate::config::Config;
use panko_placement::Quiet;

fn desired(members: &str) -> Desired {
    let clusters =
        ["a", "b", "c"].map(|n| format!("{{ name: {n}, address: '{n}.example.com:1' }}"));
    let text = format!(
        "clusters: [{}]\nnamespaces: [{{ name: orders, members: [{members}] }}]",
        clusters.join(", ")
    );
    Desired::of(&Config::parse(&text, Path::new("panko.yaml")).unwrap())
}

const TWO: &str = "{ cluster: a }, { cluster: b }";

fn states(of: &Desired) -> HashMap<String, State> {
    of.namespaces.iter().map(|n| (n.name.clone(), first(n).unwrap())).collect()
}

/// The plan, and the placement of the namespace after it.
fn plan(
    here: &Desired,
    states: &HashMap<String, State>,
    wanted: &Desired,
    abandon: &[&str],
) -> (Plan, State) {
    // A member that was looked at and has nothing.
    let nothing = |name: &str| (("orders".to_owned(), name.to_owned()), Left::default());
    let left = ["a", "b", "c"].map(nothing).into_iter().collect();
    let abandon: Vec<_> = abandon.iter().map(|name| (*name).to_owned()).collect();
    let plan = Plan::new(here, states, wanted, &left, &abandon);
    let mut after = states.get("orders").cloned();
    for (_, step) in &plan.steps {
        match step {
            Step::Begin(first) => after = Some(first.clone()),
            Step::Change { change, .. } => {
                after = after.map(|state| state.after(change).unwrap());
            }
        }
    }
    (plan, after.unwrap())
}

#[test]
fn what_is_as_it_is_wanted_stays() {
    let two = desired(TWO);
    let (plan, _) = plan(&two, &states(&two), &two, &[]);
    assert_eq!((plan.lines, plan.problems, plan.notes), (vec![], vec![], vec![]));
    assert!(plan.steps.is_empty() && plan.meanwhile == two && plan.after == two);
}

#[test]
fn a_member_joins_with_its_share() {
    let two = desired(TWO);
    let three = desired("{ cluster: a }, { cluster: b }, { cluster: c, weight: 2 }");
    let (plan, after) = plan(&two, &states(&two), &three, &[]);
    assert_eq!(plan.problems, Vec::<String>::new());
    assert!(plan.lines.iter().any(|line| line.contains("c joins with the weight 2")), "{plan:?}");
    let done = after.after(&Change::Complete(Quiet::forced(after.version))).unwrap();
    assert_eq!(done.counts().iter().map(|c| c.owned).collect::<Vec<_>>(), [1024, 1024, 2048]);
}

#[test]
fn one_that_has_joined_and_owns_nothing_gets_its_share() {
    let three = desired("{ cluster: a }, { cluster: b }, { cluster: c }");
    let mut states = states(&desired(TWO));
    let joined = members(&three.namespaces[0]).last().unwrap();
    let state = states["orders"].after(&Change::Put(joined)).unwrap();
    states.insert("orders".to_owned(), state);
    let (plan, after) = plan(&three, &states, &three, &[]);
    assert!(plan.problems.is_empty() && after.handover.is_some(), "{plan:?}");
}

#[test]
fn what_an_apply_left_of_a_namespace_that_it_gave_up_ends() {
    let two = desired(TWO);
    let mut states = states(&two);
    let left = states["orders"].clone();
    states.insert("gone".to_owned(), left);
    let (plan, _) = plan(&two, &states, &two, &[]);
    assert!(plan.problems.is_empty(), "{plan:?}");
    assert_eq!(plan.ends, [("gone".to_owned(), states["gone"].version)]);
}

#[test]
fn a_member_that_is_not_wanted_is_drained_first_and_leaves_when_it_is_empty() {
    let (two, one) = (desired(TWO), desired("{ cluster: b }"));
    let mut states = states(&two);
    let (drains, after) = plan(&two, &states, &one, &["orders/a"]);
    assert!(drains.again && drains.problems.is_empty(), "{drains:?}");
    assert!(drains.after.cluster("a").is_some(), "it is still used");
    let drained = after.after(&Change::Complete(Quiet::forced(after.version))).unwrap();
    states.insert("orders".to_owned(), drained.clone());

    let (stays, after) = plan(&two, &states, &one, &[]);
    assert!(!stays.again && stays.steps.is_empty(), "{stays:?}");
    assert!(stays.notes[0].contains("may hold workflows of 2048 slots"), "{stays:?}");
    assert_eq!(after.members.len(), 2);
    let (leaves, after) = plan(&two, &states, &one, &["orders/a"]);
    assert!(leaves.lines.iter().any(|line| line.contains("leaves behind")), "{leaves:?}");
    assert_eq!(after.members.len(), 1);

    let released = (0..drained.slots.len()).map(|slot| (slot, MemberIndex(0))).collect();
    states.insert("orders".to_owned(), drained.after(&Change::Release(released)).unwrap());
    let (leaves, after) = plan(&two, &states, &one, &[]);
    assert!(leaves.lines.iter().any(|line| line.contains("a leaves: it is empty")), "{leaves:?}");
    assert_eq!((after.members.len(), after.members[0].cluster.as_str()), (1, "b"));
}

#[test]
fn what_cannot_be_is_a_problem() {
    let two = desired(TWO);
    let gone = Desired { namespaces: Vec::new(), ..two.clone() };
    let (refused, _) = plan(&two, &states(&two), &gone, &[]);
    assert!(refused.problems[0].contains("--abandon orders"), "{refused:?}");
    let (agreed, _) = plan(&two, &states(&two), &gone, &["orders"]);
    assert!(agreed.problems.is_empty() && agreed.ends.len() == 1, "{agreed:?}");

    let mut states = states(&two);
    let busy = states["orders"].after(&Change::Begin(vec![(0, MemberIndex(1))])).unwrap();
    states.insert("orders".to_owned(), busy);
    let (refused, _) =
        plan(&two, &states, &desired("{ cluster: a }, { cluster: b, weight: 3 }"), &[]);
    assert!(refused.problems[0].contains("being handed over already"), "{refused:?}");
}
