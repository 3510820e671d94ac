//! Pools over fake clusters: rights, workers that go, members that take no more polls.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "pools/members.rs"]
mod members;
mod support;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use panko_control_server::config::Limits;
use panko_control_server::pool::key::worker_id;
use panko_control_server::pool::shell::Offered;
use panko_routing::wire::fields::{last_bytes, put_bytes};
use support::{World, delivered, token, until};
use tokio::time::Instant;
use tonic::Code;

const KEY: &str = "Bearer key";

/// A JWT of the subject `worker`, with a signature that tells it from others.
fn jwt(signature: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"iss":"issuer","sub":"worker"}"#);
    format!("Bearer e30.{payload}.{signature}")
}

#[tokio::test]
async fn whoever_writes_a_worker_s_name_into_a_token_gets_none_of_its_tasks() {
    let world = World::of(1, Limits::default()).await;
    *world.fakes[0].accepts.lock().unwrap() = vec![jwt("good"), jwt("new")];
    let good = jwt("good");
    let worker = world.poll(&good, b"");
    let attack = async {
        until(|| world.metric("panko_open_polls") >= 1.0).await;
        let refused = world.poll(&jwt("forged"), b"").await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        world.fakes[0].add_task("1");
    };
    let (answer, ()) = tokio::join!(worker, attack);
    assert_eq!(delivered(answer), "1");
}

#[tokio::test]
async fn a_rotated_token_joins_the_pool_and_one_pool_is_enough() {
    let world = World::of(1, Limits::default()).await;
    for signature in ["good", "new"] {
        let authorization = jwt(signature);
        let worker = world.poll(&authorization, b"");
        let task = async {
            until(|| world.metric("panko_open_polls") >= 1.0).await;
            world.fakes[0].add_task(signature);
        };
        let (answer, ()) = tokio::join!(worker, task);
        assert_eq!(delivered(answer), signature);
    }
    assert_eq!(world.pools.status().await.len(), 1);
}

#[tokio::test]
async fn a_task_that_proves_a_token_is_its_worker_s_and_no_other_poll_is_opened_for_it() {
    let world = World::of(1, Limits::default()).await;
    world.fakes[0].add_task("1");
    assert_eq!(delivered(world.poll(&jwt("good"), b"").await), "1");
    assert_eq!(world.fakes[0].polls.lock().unwrap().len(), 1);
    assert_eq!(world.metric("panko_open_polls"), 0.0);
}

#[tokio::test]
async fn of_many_polls_with_a_new_token_one_proves_it_for_all() {
    let world = World::of(1, Limits::default()).await;
    let authorization = jwt("good");
    let polls = futures_util::future::join_all((0..20).map(|_| world.poll(&authorization, b"")));
    let asked = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(world.fakes[0].polls.lock().unwrap().len(), 1, "one is enough");
        until(|| world.metric("panko_parked_polls") == 20.0).await;
        (0..20).for_each(|n| world.fakes[0].add_task(&n.to_string()));
    };
    let (answers, ()) = tokio::join!(polls, asked);
    assert!(answers.into_iter().all(|answer| !delivered(answer).is_empty()));
}

#[tokio::test]
async fn a_task_that_was_not_written_to_its_worker_is_for_the_next() {
    let world = World::of(1, Limits::default()).await;
    world.fakes[0].add_task("1");
    let unwritten = world.poll(KEY, b"").await.unwrap();
    assert_eq!(token(&unwritten), "1");
    drop(unwritten);
    let again = world.poll(KEY, b"").await.unwrap();
    assert_eq!(token(&again), "1");
    assert_eq!(world.metric("panko_tasks_returned_total"), 1.0);
}

#[tokio::test]
async fn a_member_that_takes_no_more_polls_is_not_shown_to_workers() {
    let world = World::of(1, Limits::default()).await;
    *world.fakes[0].exhausted.lock().unwrap() = 1;
    let worker = world.poll(KEY, b"");
    let task = async {
        until(|| world.fakes[0].polls.lock().unwrap().len() == 2).await;
        world.fakes[0].add_task("1");
    };
    let (answer, ()) = tokio::join!(worker, task);
    assert_eq!(delivered(answer), "1");
}

#[tokio::test]
async fn members_together_get_the_rate_that_a_worker_allows() {
    let world = World::of(2, Limits::default()).await;
    let (mut metadata, mut extra) = (Vec::new(), Vec::new());
    let limit = [&[9][..], &100f64.to_le_bytes()].concat();
    put_bytes(&mut metadata, 1, &limit);
    put_bytes(&mut extra, 4, &metadata);
    let rates = |fake: usize| -> Vec<f64> {
        let polls = world.fakes[fake].polls.lock().unwrap();
        let rate = |poll: &bytes::Bytes| {
            let limit = last_bytes(last_bytes(poll, 4).unwrap(), 1).unwrap();
            f64::from_le_bytes(limit[1..].try_into().unwrap())
        };
        polls.iter().map(rate).collect()
    };
    let workers = async { tokio::join!(world.poll(KEY, &extra), world.poll(KEY, &extra)) };
    let task = async {
        until(|| rates(0).len() == 1 && rates(1).len() == 1).await;
        assert_eq!((rates(0)[0], rates(1)[0]), (50.0, 50.0));
        world.fakes[0].add_task("1");
        world.fakes[0].add_task("2");
    };
    let (first, ()) = tokio::join!(workers, task);
    assert!([first.0, first.1].into_iter().all(|answer| !delivered(answer).is_empty()));
    // The one that gave the tasks gets more from now on.
    let more = world.poll(KEY, &extra);
    let task = async {
        until(|| rates(0).last() == Some(&75.0)).await;
        world.fakes[0].add_task("3");
    };
    let (answer, ()) = tokio::join!(more, task);
    assert_eq!(delivered(answer), "3");
}

#[tokio::test]
async fn polls_are_withdrawn_when_the_workers_have_gone() {
    let world = World::of(1, Limits::default()).await;
    world.namespace.members[0].set_withdraws_polls(true);
    {
        let mut worker = std::pin::pin!(world.poll(KEY, b""));
        tokio::select! {
            _ = &mut worker => panic!("there is no task"),
            () = until(|| world.fakes[0].polls.lock().unwrap().len() == 1) => {}
        }
    }
    until(|| !world.fakes[0].calls.lock().unwrap().is_empty()).await;
    let (name, request) = world.fakes[0].calls.lock().unwrap()[0].clone();
    assert_eq!(name, "ShutdownWorker");
    let used = world.fakes[0].polls.lock().unwrap()[0].clone();
    assert_eq!(last_bytes(&request, 6), last_bytes(&used, 8), "the instance key of its own polls");
    assert_eq!(last_bytes(&request, 7).unwrap(), b"queue");
}

#[tokio::test]
async fn a_stop_waits_for_what_is_on_its_way_and_opens_nothing_more() {
    let world = World::of(1, Limits::default()).await;
    let worker = world.poll(KEY, b"");
    let mut drained = None;
    let stop = async {
        until(|| world.fakes[0].polls.lock().unwrap().len() == 1).await;
        let pools = world.pools.clone();
        drained = Some(tokio::spawn(async move { pools.drain(Duration::from_secs(10)).await }));
        world.fakes[0].add_task("1");
    };
    let (answer, ()) = tokio::join!(worker, stop);
    let drained = drained.unwrap();
    let answer = answer.unwrap();
    assert_eq!(token(&answer), "1");
    assert!(!drained.is_finished(), "its task has not been written yet");
    drop(answer);
    // Not written: a worker that comes now takes it, and the next one is sent away at once.
    assert_eq!(delivered(world.poll(KEY, b"").await), "1");
    let next = tokio::time::timeout(Duration::from_secs(1), world.poll(KEY, b"")).await.unwrap();
    assert_eq!(token(&next.unwrap()), "");
    assert!(drained.await.unwrap().is_empty(), "nothing is left over");
    assert_eq!(world.fakes[0].polls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn with_too_many_tasks_held_no_further_poll_is_opened() {
    let limits = Limits { held_tasks: 0, ..Limits::default() };
    let world = World::of(1, limits).await;
    world.fakes[0].add_task("1");
    let waited = tokio::time::timeout(Duration::from_millis(300), world.poll(KEY, b"")).await;
    assert!(waited.is_err() && world.fakes[0].polls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_cluster_that_answers_after_the_deadline_is_still_heard() {
    let world = World::of(1, Limits::default()).await;
    *world.fakes[0].late.lock().unwrap() = Duration::from_secs(3);
    let worker = world.poll(KEY, b"");
    let task = async {
        until(|| world.fakes[0].polls.lock().unwrap().len() == 1).await;
        // The pool's poll has a deadline of five seconds.
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        world.fakes[0].add_task("late");
    };
    let (answer, ()) = tokio::join!(worker, task);
    assert_eq!(delivered(answer), "late");
    assert_eq!(world.fakes[0].polls.lock().unwrap().len(), 1, "no poll was given up");
}

#[tokio::test]
async fn a_worker_that_has_shut_down_gets_no_task_by_a_late_poll() {
    let world = World::of(1, Limits::default()).await;
    world.pools.worker_left(worker_id(b"worker"));
    world.fakes[0].add_task("1");
    assert_eq!(token(&world.poll(KEY, b"").await.unwrap()), "");
    assert!(world.fakes[0].polls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn two_namespaces_of_one_cluster_are_two_members() {
    let world = World::with(1, &["orders", "orders-2"], Limits::default()).await;
    let worker = world.poll(KEY, b"");
    let check = async {
        until(|| !world.fakes[0].polls.lock().unwrap().is_empty()).await;
        let status = world.pools.status().await;
        let members: Vec<_> = status[0].open_polls.keys().map(String::as_str).collect();
        assert_eq!(members.len(), 2, "{members:?}");
        assert!(members.contains(&"c0/orders") && members.contains(&"c0/orders-2"));
        let mut taken = Vec::new();
        for namespace in ["elsewhere", "orders-2"] {
            let (reply, answer) = tokio::sync::oneshot::channel();
            let mut body = Vec::new();
            put_bytes(&mut body, 1, namespace.as_bytes());
            let offered = Offered {
                body: body.into(),
                cluster: "c0".to_owned(),
                namespace: namespace.to_owned(),
                expires: Instant::now() + Duration::from_secs(5),
                taken: reply,
            };
            taken.push(world.pools.take(&world.key(KEY), offered, answer).await);
        }
        assert_eq!(taken, [false, true]);
    };
    let (answer, ()) = tokio::join!(worker, check);
    assert_eq!(delivered(answer), "orders-2");
}
