//! The list of checks, and how it is run.

mod activities;
mod endings;
mod families;
mod handed_over;
mod messages;
mod starts;
mod views;

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};

use super::report::{Row, within};
use super::stage::Stage;

/// How long one check may take.
const LIMIT: Duration = Duration::from_secs(30);

/// How many checks run at once.
const AT_ONCE: usize = 8;

struct Check {
    promise: &'static str,
    keep: fn(Stage) -> BoxFuture<'static, Result<()>>,
}

/// A check is named after its function, which is named after its promise.
macro_rules! checks {
    ($($group:ident { $($promise:ident)* })*) => {
        &[$($(Check {
            promise: stringify!($promise),
            keep: |stage| Box::pin($group::$promise(stage)),
        }),*),*]
    };
}

const CHECKS: &[Check] = checks! {
    starts {
        a_workflow_returns_its_result
        a_second_start_is_refused_while_the_first_runs
        signal_with_start_starts_and_then_signals
        update_with_start_starts_and_then_updates
    }
    messages {
        a_signal_arrives
        a_query_is_answered_by_an_open_workflow
        a_query_is_answered_by_a_closed_workflow
        an_update_returns_its_value
        an_update_is_rejected_by_its_validator
        an_accepted_update_can_be_waited_for
    }
    views {
        describe_shows_an_open_and_a_closed_workflow
        an_id_that_does_not_exist_is_not_found
        a_closed_history_is_complete
        an_open_history_can_be_followed
    }
    endings {
        cancel_ends_a_workflow_as_cancelled
        terminate_ends_a_workflow_at_once
        continue_as_new_goes_on_to_the_last_run
        reset_runs_a_closed_workflow_again
    }
    families {
        a_child_gives_its_result_to_its_parent
        a_child_is_found_under_its_own_id
        a_timer_fires
        a_failed_workflow_task_is_tried_again
    }
    activities {
        a_local_activity_runs
        a_failed_activity_is_tried_again
        a_failed_activity_fails_its_workflow
        a_heartbeat_shows_how_far_an_activity_is
        a_heartbeat_tells_an_activity_to_stop
    }
    handed_over {
        an_activity_is_completed_by_token
        an_activity_is_completed_by_id
        an_activity_is_failed_by_token
        an_activity_is_failed_by_id
        an_activity_is_kept_alive_by_token
        an_activity_is_kept_alive_by_id
        an_activity_is_cancelled_by_token
        an_activity_is_cancelled_by_id
    }
};

/// Runs every check but those `without` on every stage. The rows come in the order of the list.
pub(super) async fn run(stages: &[Stage], without: &[String]) -> Vec<Row> {
    let wanted = CHECKS.iter().filter(|check| !without.contains(&check.promise.replace('_', " ")));
    // The clusters take turns, so that they are all under load together.
    let all = wanted.flat_map(|check| stages.iter().map(move |stage| (check, stage)));
    let mut rows: Vec<(usize, Row)> = stream::iter(all.enumerate())
        .map(async |(place, (check, stage))| (place, one(check, stage.clone()).await))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}

async fn one(check: &Check, stage: Stage) -> Row {
    let since = Instant::now();
    let cluster = stage.name.clone();
    // A task of its own: checks then use all cores, and a panic is a failed row.
    let kept = tokio::spawn(within(LIMIT, (check.keep)(stage)));
    let outcome = kept.await.unwrap_or_else(|panic| Err(panic.into()));
    Row::new(check.promise, &cluster, since, outcome)
}
