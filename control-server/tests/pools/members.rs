//! Pools whose namespace gets and loses members while they run, over fake clusters.

use std::time::Duration;

use super::jwt;
use super::support::{ACTIVITY, WORKFLOW, World, delivered, until, worker_poll};
use panko_control_server::config::Limits;
use panko_control_server::pool::key::Poll;
use panko_routing::wire::fields::{last_bytes, put_bytes};
use tokio::time::Instant;
use tonic::{Code, Status};

const KEY: &str = "Bearer key";

fn activity() -> Poll {
    worker_poll(ACTIVITY, KEY, b"")
}

/// The polls that a cluster has been sent.
fn polls(world: &World, cluster: usize) -> usize {
    world.fakes[cluster].polls.lock().unwrap().len()
}

#[tokio::test]
async fn a_member_that_joins_gives_its_tasks_to_polls_that_wait_already() {
    for path in [ACTIVITY, WORKFLOW] {
        let world = World::of(2, Limits::default()).await;
        let alone = world.members(&[0]);
        let workers = [0, 1].map(|_| world.poll_of(&alone, worker_poll(path, KEY, b"")));
        let change = async {
            until(|| polls(&world, 0) >= 1 && world.metric("panko_parked_polls") == 2.0).await;
            assert_eq!(polls(&world, 1), 0);
            world.fakes[1].add_task("new");
            world.pools.members_changed(&world.members(&[0, 1]));
            let told = Instant::now();
            until(|| world.metric("panko_parked_polls") == 1.0).await;
            assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
            world.fakes[0].add_task("old");
        };
        let (mut answers, ()) = tokio::join!(futures_util::future::join_all(workers), change);
        let mut tasks: Vec<_> = answers.drain(..).map(delivered).collect();
        tasks.sort();
        assert_eq!(tasks, ["new", "old"]);
    }
}

#[tokio::test]
async fn a_workflow_poll_that_is_alone_is_there_for_a_member_that_joins() {
    let world = World::of(2, Limits::default()).await;
    let alone = world.members(&[0]);
    let worker = world.poll_of(&alone, worker_poll(WORKFLOW, KEY, b""));
    let change = async {
        until(|| polls(&world, 0) == 1).await;
        world.pools.members_changed(&world.members(&[0, 1]));
        tokio::time::timeout(Duration::from_secs(1), until(|| polls(&world, 1) == 1))
            .await
            .unwrap();
        world.fakes[1].add_task("new");
    };
    let (answer, ()) = tokio::join!(worker, change);
    assert_eq!(delivered(answer), "new");
}

#[tokio::test]
async fn a_poll_brings_its_pool_up_to_date_and_one_that_is_late_brings_nothing_old_back() {
    let world = World::of(2, Limits::default()).await;
    let (old, new) = (world.members(&[0]), world.members(&[1]));
    let workers = async {
        tokio::join!(world.poll_of(&old, activity()), async {
            until(|| polls(&world, 0) == 1).await;
            world.poll_of(&new, activity()).await
        })
    };
    let late = async {
        until(|| polls(&world, 1) == 1).await;
        let late = world.poll_of(&old, activity());
        let tasks = async {
            until(|| world.metric("panko_parked_polls") == 3.0).await;
            world.fakes[0].add_task("of the member that left");
            ["1", "2"].iter().for_each(|task| world.fakes[1].add_task(task));
        };
        tokio::join!(late, tasks).0
    };
    let ((first, second), third) = tokio::join!(workers, late);
    assert!([first, second, third].into_iter().all(|answer| !delivered(answer).is_empty()));
    assert_eq!(polls(&world, 0), 1, "one that has left gets no further poll");
}

#[tokio::test]
async fn a_member_that_leaves_gets_no_further_poll_and_its_late_task_reaches_a_worker() {
    let world = World::of(2, Limits::default()).await;
    let mut workers = vec![Box::pin(world.poll(KEY, b"")), Box::pin(world.poll(KEY, b""))];
    let change = async {
        until(|| polls(&world, 0) == 1 && polls(&world, 1) == 1).await;
        world.pools.members_changed(&world.members(&[1]));
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.fakes[0].add_task("late");
        world.fakes[1].add_task("1");
    };
    let answers = futures_util::future::join_all(workers.drain(..));
    let (mut answers, ()) = tokio::join!(answers, change);
    let mut tasks: Vec<_> = answers.drain(..).map(delivered).collect();
    tasks.sort();
    assert_eq!(tasks, ["1", "late"]);
    // It has a task that nobody is asked for any more.
    world.fakes[0].add_task("unasked");
    world.fakes[1].add_task("2");
    assert_eq!(delivered(world.poll(KEY, b"").await), "2");
    let more = tokio::time::timeout(Duration::from_secs(3), world.poll(KEY, b"")).await;
    assert!(more.is_err() && polls(&world, 0) == 1, "it was asked {} times", polls(&world, 0));
    assert_eq!(world.pools.status().await[0].open_polls.keys().collect::<Vec<_>>(), ["c1"]);

    // And with it back, the task comes.
    world.pools.members_changed(&world.members(&[0, 1]));
    assert_eq!(delivered(world.poll(KEY, b"").await), "unasked");
}

#[tokio::test]
async fn a_task_of_a_member_that_has_left_is_given_back_to_it() {
    let world = World::of(2, Limits::default()).await;
    let worker = world.poll_of(&world.namespace, worker_poll(WORKFLOW, KEY, b""));
    let gone = tokio::time::timeout(Duration::from_millis(300), worker).await;
    assert!(gone.is_err() && polls(&world, 0) == 1, "the worker has gone and its poll is open");
    world.pools.members_changed(&world.members(&[1]));
    world.fakes[0].add_task("late");
    until(|| world.metric("panko_held_tasks") == 1.0).await;
    let given_back = || world.fakes[0].calls.lock().unwrap().first().cloned();
    until(|| given_back().is_some()).await;
    let (name, request) = given_back().unwrap();
    assert_eq!(
        (name, last_bytes(&request, 1).unwrap()),
        ("RespondWorkflowTaskFailed", &b"late"[..])
    );
}

#[tokio::test]
async fn a_member_that_moves_is_asked_where_it_is_now_and_still_heard_where_it_was() {
    let world = World::of(2, Limits::default()).await;
    let here = world.members(&[0]);
    let workers =
        async { tokio::join!(world.poll_of(&here, activity()), world.poll_of(&here, activity())) };
    let change = async {
        until(|| polls(&world, 0) == 1).await;
        world.pools.members_changed(&world.moved(0, 1));
        // Its idle queue has one poll, which is where it was.
        world.fakes[0].add_task("before");
        until(|| polls(&world, 1) >= 1).await;
        world.fakes[1].add_task("after");
    };
    let ((first, second), ()) = tokio::join!(workers, change);
    let mut tasks = [delivered(first), delivered(second)];
    tasks.sort();
    assert_eq!((tasks, polls(&world, 0)), (["after".to_owned(), "before".to_owned()], 1));
}

#[tokio::test]
async fn how_a_member_refuses_where_it_was_is_not_held_against_it() {
    let world = World::of(2, Limits::default()).await;
    let change = async {
        until(|| polls(&world, 0) == 1).await;
        world.pools.members_changed(&world.moved(0, 1));
        world.fakes[0].end_polls(Status::not_found("this cluster has no such namespace any more"));
        until(|| polls(&world, 1) == 1).await;
        world.fakes[1].add_task("1");
    };
    let here = world.members(&[0]);
    let (answer, ()) = tokio::join!(world.poll_of(&here, activity()), change);
    assert_eq!(delivered(answer), "1");
}

#[tokio::test]
async fn what_ends_polls_on_a_member_that_has_left_is_no_answer_for_a_worker() {
    let world = World::of(2, Limits::default()).await;
    let change = async {
        until(|| polls(&world, 0) == 1 && polls(&world, 1) == 1).await;
        world.pools.members_changed(&world.members(&[1]));
        world.fakes[0].end_polls(Status::permission_denied("Request unauthorized."));
        until(|| world.metric("panko_polls_failed_total") == 1.0).await;
        world.fakes[1].add_task("1");
        world.fakes[1].add_task("2");
    };
    let workers = async { tokio::join!(world.poll(KEY, b""), world.poll(KEY, b"")) };
    let ((first, second), ()) = tokio::join!(workers, change);
    let mut tasks = [delivered(first), delivered(second)];
    tasks.sort();
    assert_eq!(tasks, ["1", "2"]);
}

#[tokio::test]
async fn what_workers_allow_is_divided_among_members_that_are_there() {
    let world = World::of(2, Limits::default()).await;
    let (mut metadata, mut extra) = (Vec::new(), Vec::new());
    put_bytes(&mut metadata, 1, &[&[9][..], &100f64.to_le_bytes()].concat());
    put_bytes(&mut extra, 4, &metadata);
    let rate = || {
        let polls = world.fakes[1].polls.lock().unwrap();
        let limit = last_bytes(last_bytes(polls.last()?, 4).unwrap(), 1).unwrap().to_vec();
        Some(f64::from_le_bytes(limit[1..].try_into().unwrap()))
    };
    let workers = async { tokio::join!(world.poll(KEY, &extra), world.poll(KEY, &extra)) };
    let change = async {
        until(|| rate() == Some(50.0)).await;
        world.pools.members_changed(&world.members(&[1]));
        world.fakes[1].add_task("1");
        until(|| rate() == Some(100.0)).await;
        world.fakes[1].add_task("2");
    };
    let ((first, second), ()) = tokio::join!(workers, change);
    assert!([first, second].into_iter().all(|answer| !delivered(answer).is_empty()));
}

#[tokio::test]
async fn a_token_that_is_proven_stays_so_and_a_forged_one_is_asked_of_a_member_that_is_there() {
    let world = World::of(2, Limits::default()).await;
    let good = jwt("good");
    // The one that leaves takes any token.
    *world.fakes[1].accepts.lock().unwrap() = vec![good.clone()];
    let of = |token: &str| worker_poll(ACTIVITY, token, b"");
    world.fakes[0].add_task("proof");
    assert_eq!(delivered(world.poll_of(&world.members(&[0]), of(&good)).await), "proof");
    let after = world.members(&[1]);
    for n in 0..4 {
        let refused = world.poll_of(&after, of(&jwt(&format!("forged {n}")))).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    world.fakes[1].add_task("1");
    assert_eq!(delivered(world.poll_of(&after, of(&good)).await), "1");
    assert_eq!((polls(&world, 0), polls(&world, 1)), (1, 1));
}

#[tokio::test]
async fn a_namespace_that_goes_is_not_found_and_what_its_clusters_gave_is_kept_for_its_return() {
    let world = World::of(1, Limits::default()).await;
    let end = async {
        until(|| polls(&world, 0) == 1).await;
        world.pools.namespace_gone("elsewhere");
        world.pools.namespace_gone("orders");
    };
    let (ended, ()) = tokio::join!(world.poll(KEY, b""), end);
    for refused in [ended.unwrap_err(), world.poll(KEY, b"").await.unwrap_err()] {
        assert_eq!(refused.code(), Code::NotFound);
        assert!(refused.message().contains("orders"), "{refused}");
    }
    world.fakes[0].add_task("late");
    until(|| world.metric("panko_held_tasks") == 1.0).await;
    assert_eq!(polls(&world, 0), 1, "nothing more is asked for");

    let back = world.members(&[0]);
    assert_eq!(delivered(world.poll_of(&back, activity()).await), "late");
}
