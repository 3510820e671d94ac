//! `panko apply`: clusters, virtual namespaces, members and weights become what a `panko.yaml` says.
//!
//! * [`plan`] — what has to change, and why it may not.
//! * [`identity`] — whether clusters are the ones that they were.
//! * [`left`] — what a member that is to leave still has.
//! * [`create`] — physical namespaces that are missing.
//!
//! Each step leaves all in order, and what was done is not done again, so one that ended half-way is finished by the
//! next.

mod create;
mod identity;
mod left;
mod plan;

use std::collections::HashMap;
use std::path::Path;

use panko_placement::State;
use panko_proto::v1::{ApplyRequest, ApplyResponse};
use tonic::Status;

use crate::admin::status;
use crate::check;
use crate::config::Config;
use crate::desired::Desired;
use crate::placements::{By, Error, PlacementsHolder, begin};
use left::Left;
use plan::{Plan, Step};

/// Applies, or says what would change.
pub async fn apply(
    placements: &PlacementsHolder,
    request: ApplyRequest,
) -> Result<ApplyResponse, Status> {
    let wanted = read(&request.desired)?;
    placements.refresh().await.map_err(status)?;
    let (applied, here) = placements.desired();
    let states = states(placements).await.map_err(status)?;
    let left = left(placements, &wanted, &states).await;
    let plan = Plan::new(&here, &states, &wanted, &left, &request.abandon);
    let mut answer = ApplyResponse {
        changes: plan.lines.clone(),
        problems: plan.problems.clone(),
        notes: plan.notes.clone(),
        again: plan.again,
        ..Default::default()
    };

    let usable =
        check::run(&wanted).await.map_err(|e| Status::failed_precondition(e.to_string()))?;
    answer.notes.extend(usable.differences().iter().cloned());
    answer.problems.extend(identity::problems(&usable, &states));
    let mut missing = Vec::new();
    for row in usable.members() {
        let Some(problem) = &row.problem else { continue };
        let namespace = wanted.namespace(&row.namespace);
        let name = format!("{}: {} on {}", row.namespace, row.physical, row.cluster);
        let known = plan.is_known(row);
        match namespace.filter(|namespace| namespace.create && row.missing && !known) {
            Some(namespace) => {
                answer.changes.push(format!("+ {name} is registered"));
                missing.push((namespace, row.cluster.clone(), row.physical.clone()));
            }
            // What is there already, and is only down, stands in nobody's way, unless it is to be found elsewhere now.
            None if known && here.cluster(&row.cluster) == wanted.cluster(&row.cluster) => {
                answer.notes.push(format!("{name}: {problem}"));
            }
            None => answer.problems.push(format!("{name}: {problem}")),
        }
    }
    if request.dry_run || !answer.problems.is_empty() {
        answer.again = false;
        return Ok(answer);
    }
    for (namespace, cluster, physical) in missing {
        create::create(&wanted, namespace, &cluster, &physical).await?;
    }
    carry_out(placements, applied, &wanted, &plan, &request).await.map_err(status)?;
    for (name, state) in self::states(placements).await.map_err(status)? {
        if state.handover.is_some() {
            answer.handovers.push(name);
        }
    }
    Ok(answer)
}

/// What is wanted, checked like a file.
fn read(json: &str) -> Result<Desired, Status> {
    // JSON is YAML.
    let config = Config::parse(json, Path::new("what is to be applied"));
    Ok(Desired::of(&config.map_err(|e| Status::invalid_argument(e.to_string()))?))
}

/// All placements of the store, also those of namespaces that are not served.
async fn states(placements: &PlacementsHolder) -> Result<HashMap<String, State>, Error> {
    let store = placements.store();
    let mut states = HashMap::new();
    for name in store.versions().await?.placements.into_keys() {
        if let Some(state) = store.placement(&name).await? {
            states.insert(name, state);
        }
    }
    Ok(states)
}

/// What members have that are not wanted any more and own nothing.
async fn left(
    placements: &PlacementsHolder,
    wanted: &Desired,
    states: &HashMap<String, State>,
) -> HashMap<(String, String), Left> {
    let topology = placements.topology();
    let mut found = HashMap::new();
    for (name, state) in states {
        let (Some(of), Some(namespace)) = (topology.namespace(name), wanted.namespace(name)) else {
            continue;
        };
        if !of.fits(state) {
            continue;
        }
        for (member, counts) in of.members.iter().zip(state.counts()) {
            if counts.owned + counts.coming == 0 && !plan::has(namespace, member) {
                let left = left::on(name, member).await;
                found.insert((name.clone(), member.name.to_string()), left);
            }
        }
    }
    found
}

/// First the clusters that come, then the placements, then the clusters that go.
async fn carry_out(
    placements: &PlacementsHolder,
    mut applied: u64,
    wanted: &Desired,
    plan: &Plan,
    request: &ApplyRequest,
) -> Result<(), Error> {
    let by = By { who: &request.who, why: &request.why, lead: None, emptied: &[] };
    if plan.here != plan.meanwhile {
        applied = placements.apply(applied, wanted, &plan.meanwhile, by).await?;
    }
    for (namespace, step) in &plan.steps {
        match step {
            Step::Begin(state) => {
                begin::write(&**placements.store(), namespace, 0, state, begin::FIRST, by).await?;
                placements.refresh().await?;
            }
            Step::Change { from, change, what } => {
                placements.change_from(namespace, *from, by, what, change).await?;
            }
        }
    }
    if plan.after != plan.meanwhile {
        placements.apply(applied, wanted, &plan.after, by).await?;
    }
    for (namespace, from) in &plan.ends {
        placements.store().end(namespace, *from).await?;
    }
    Ok(())
}
