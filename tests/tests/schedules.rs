//! Schedules move with their slots: none acts twice for the same time, none misses one, all stay as they were, and a crash
//! in the middle leaves nothing behind.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Options, Sandbox};
use panko_control_server::schedules::mark::{Mark, Part};
use panko_routing::Key;
use panko_routing::placement::assign::assign;
use panko_tests::bare::{Client, until};
use panko_tests::operator::Operator;
use panko_tests::sandbox::{options, start_with};
use prost::Message;
use prost_types::Timestamp;
use temporalio_protos::temporal::api::common::v1::{
    Header, Memo, Payload, Payloads, WorkflowExecution, WorkflowType,
};
use temporalio_protos::temporal::api::enums::v1::ScheduleOverlapPolicy as Overlap;
use temporalio_protos::temporal::api::schedule::v1 as schedule;
use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
use temporalio_protos::temporal::api::workflow::v1::NewWorkflowExecutionInfo;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tokio::time::Instant;
use tonic::{Code, Status};

const SECOND: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(10);

/// Ids of schedules whose slots belong to the first of two members.
fn ids_of_a(prefix: &str) -> impl Iterator<Item = String> {
    let slots = assign(&[1, 1], None).expect("weights above 0");
    let ids = (0..).map(move |n| format!("{prefix}-{n}"));
    ids.filter(move |id| {
        let slot = Key { kind: "schedule", id: id.as_bytes() }.slot();
        slots[slot.index()].0 == 0
    })
}

fn payload(text: &str) -> Payload {
    let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
    Payload { metadata, data: format!("{text:?}").into_bytes(), ..Default::default() }
}

fn payloads(texts: &[&str]) -> std::collections::HashMap<String, Payload> {
    texts.iter().map(|text| ((*text).to_owned(), payload(text))).collect()
}

/// Every second, with all that a schedule can have.
fn every_second(id: &str, overlap: Overlap) -> api::CreateScheduleRequest {
    let action = NewWorkflowExecutionInfo {
        workflow_id: format!("run-of-{id}"),
        workflow_type: Some(WorkflowType { name: "scheduled".to_owned() }),
        task_queue: Some(TaskQueue { name: "nobody-polls".to_owned(), ..Default::default() }),
        input: Some(Payloads { payloads: vec![payload("one"), payload("two")] }),
        memo: Some(Memo { fields: payloads(&["k1", "k2", "k3", "k4"]) }),
        header: Some(Header { fields: payloads(&["h1", "h2", "h3"]) }),
        workflow_run_timeout: (3600 * SECOND).try_into().ok(),
        ..Default::default()
    };
    api::CreateScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: id.to_owned(),
        request_id: format!("create {id}"),
        memo: Some(Memo { fields: payloads(&["m1", "m2", "m3"]) }),
        schedule: Some(schedule::Schedule {
            spec: Some(schedule::ScheduleSpec {
                interval: vec![schedule::IntervalSpec {
                    interval: SECOND.try_into().ok(),
                    phase: None,
                }],
                cron_string: vec!["0 12 * * MON".to_owned()],
                exclude_structured_calendar: vec![schedule::StructuredCalendarSpec {
                    year: vec![schedule::Range { start: 2001, end: 2002, step: 1 }],
                    comment: "long ago".to_owned(),
                    ..Default::default()
                }],
                timezone_name: "Europe/Berlin".to_owned(),
                ..Default::default()
            }),
            action: Some(schedule::ScheduleAction {
                action: Some(schedule::schedule_action::Action::StartWorkflow(action)),
            }),
            policies: Some(schedule::SchedulePolicies {
                overlap_policy: overlap.into(),
                catchup_window: (600 * SECOND).try_into().ok(),
                ..Default::default()
            }),
            state: Some(schedule::ScheduleState {
                notes: "as it was".to_owned(),
                ..Default::default()
            }),
        }),
        ..Default::default()
    }
}

async fn create(client: &Client, request: &api::CreateScheduleRequest) -> Result<()> {
    let _: api::CreateScheduleResponse = client.call("CreateSchedule", request, DEADLINE).await?;
    Ok(())
}

async fn describe(client: &Client, id: &str) -> Result<api::DescribeScheduleResponse, Status> {
    let request = api::DescribeScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: id.to_owned(),
    };
    again(client, "DescribeSchedule", &request).await
}

/// A call as SDKs do it: again where they are told to.
async fn again<Q: Message, A: Message + Default>(
    client: &Client,
    method: &str,
    request: &Q,
) -> Result<A, Status> {
    let mut tries = 0;
    loop {
        match client.call(method, request, DEADLINE).await {
            // The latter is said by a cluster whose lists, or schedules, are asked too often.
            Err(status)
                if matches!(status.code(), Code::Unavailable | Code::ResourceExhausted)
                    && tries < 20 =>
            {
                println!("{method}: {status}");
            }
            answer => return answer,
        }
        tries += 1;
        tokio::time::sleep(SECOND / 2).await;
    }
}

async fn described(client: &Client, id: &str) -> Result<api::DescribeScheduleResponse> {
    describe(client, id).await.with_context(|| id.to_owned())
}

/// For which times a schedule has started something at a member, by the ids of its workflows.
async fn times(cluster: &Client, id: &str) -> Result<Vec<String>> {
    let (mut times, mut token) = (Vec::new(), Vec::new());
    loop {
        let request = api::ListWorkflowExecutionsRequest {
            namespace: "default".to_owned(),
            page_size: 1000,
            next_page_token: token,
            query: format!("TemporalScheduledById = {id:?}"),
        };
        let list: api::ListWorkflowExecutionsResponse =
            again(cluster, "ListWorkflowExecutions", &request).await?;
        let ids = list.executions.into_iter().filter_map(|one| one.execution);
        times.extend(ids.map(|one| one.workflow_id));
        token = list.next_page_token;
        if token.is_empty() {
            times.sort_unstable();
            return Ok(times);
        }
    }
}

/// The times of both members together: none twice. Returns them as seconds since 1970.
fn none_twice(id: &str, of_each: &[Vec<String>]) -> Result<Vec<i64>> {
    let mut all: Vec<_> = of_each.concat();
    all.sort_unstable();
    let twice: Vec<_> = all.windows(2).filter(|two| two[0] == two[1]).map(|two| &two[0]).collect();
    ensure!(twice.is_empty(), "{id} acted twice: {twice:?} of {of_each:?}");
    let second = |workflow: &String| -> Result<i64> {
        let time = workflow.strip_prefix(&format!("run-of-{id}-")).context("a scheduled run")?;
        let time: Timestamp = time.parse()?;
        Ok(time.seconds)
    };
    all.iter().map(second).collect()
}

/// Two members, and clients of the whole and of each.
struct Stage {
    sandbox: Sandbox,
    operator: Operator,
    panko: Client,
    each: [Client; 2],
}

impl Stage {
    async fn new(options: Options) -> Result<Self> {
        let sandbox = start_with(&options).await?;
        let addresses = sandbox.addresses();
        let [a, b] = [0, 1].map(|at| Client::new(addresses.clusters[at].address));
        Ok(Self {
            operator: Operator::of(&sandbox)?,
            panko: Client::new(addresses.address)?,
            each: [a?, b?],
            sandbox,
        })
    }

    /// The notes of those that are still at the first member.
    async fn left(&self, ids: &[String]) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        let all = ids.iter().map(|id| describe(&self.each[0], id));
        for described in futures::future::join_all(all).await {
            match described {
                Ok(left) => {
                    let state = left.schedule.context("schedule")?.state;
                    notes.push(state.context("state")?.notes);
                }
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Err(status.into()),
            }
        }
        Ok(notes)
    }

    async fn times(&self, id: &str) -> Result<[Vec<String>; 2]> {
        Ok([times(&self.each[0], id).await?, times(&self.each[1], id).await?])
    }
}

/// What does not change when a schedule moves.
fn settings(described: &api::DescribeScheduleResponse) -> api::DescribeScheduleResponse {
    let mut settings = described.clone();
    settings.info = None;
    settings.conflict_token = Vec::new();
    settings
}

/// Fails where a schedule is not as it was, and says in what.
fn same(before: &api::DescribeScheduleResponse, now: &api::DescribeScheduleResponse) -> Result<()> {
    let (before, now) = (settings(before), settings(now));
    let (was, is) = (format!("{before:#?}"), format!("{now:#?}"));
    let lines = was.lines().zip(is.lines()).filter(|(was, is)| was != is);
    ensure!(before == now, "{:#?}", lines.collect::<Vec<_>>());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_moves_between_two_of_its_seconds_on_server_1_29() -> Result<()> {
    moves_between_two_seconds(Kind::Cli).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_moves_between_two_of_its_seconds_on_server_1_32() -> Result<()> {
    moves_between_two_seconds(Kind::Server).await
}

async fn moves_between_two_seconds(kind: Kind) -> Result<()> {
    let mut stage = Stage::new(options(kind, &[("a", 1), ("b", 1)])?).await?;
    let mut ids = ids_of_a("second");
    let ids: Vec<_> = std::iter::from_fn(|| ids.next()).take(5).collect();
    for id in &ids {
        create(&stage.panko, &every_second(id, Overlap::AllowAll)).await?;
    }
    // One that is changed all the time.
    let edited = ids_of_a("edited").next().context("an id")?;
    create(&stage.panko, &every_second(&edited, Overlap::AllowAll)).await?;
    // One after the other: a cluster's lists may only be asked so often.
    for id in &ids {
        until("all have begun", 90 * SECOND, async || {
            times(&stage.each[0], id).await.is_ok_and(|times| times.len() >= 3)
        })
        .await?;
    }
    let mut before = BTreeMap::new();
    for id in &ids {
        before.insert(id.clone(), settings(&described(&stage.panko, id).await?));
    }
    stage.operator.run(&["drain", "a"]).await?;
    let away = stage.operator.run(&["schedules", "list", "--away"]).await?;
    ensure!(away["schedules"].as_array().context("a list")?.len() == 6, "{away}");
    let one = ["schedules", "move", "--schedule-id", &ids[0], "--dry-run"];
    let would = stage.operator.run(&one).await?;
    ensure!(would[0]["from"] == "a" && would[0]["to"] == "b", "{would}");
    ensure!(describe(&stage.each[0], &ids[0]).await.is_ok(), "a dry run moves nothing");

    // Whoever looks meanwhile sees what was there before, and changes are not lost.
    let over = Arc::new(AtomicBool::new(false));
    let looking = tokio::spawn(look_again_and_again(
        stage.panko.clone(),
        before.clone().into_iter().collect(),
        over.clone(),
    ));
    let edits = Arc::new(AtomicU32::new(0));
    let editing = tokio::spawn(edit_again_and_again(
        stage.panko.clone(),
        edited.clone(),
        edits.clone(),
        over.clone(),
    ));
    tokio::time::sleep(SECOND).await;
    let moved = stage.operator.run(&["schedules", "move", "--all", "--from", "a"]).await?;
    tokio::time::sleep(SECOND).await;
    over.store(true, Ordering::Relaxed);
    let looks = looking.await??;
    editing.await??;
    ensure!(looks > 0, "nobody has looked");
    for one in moved.as_array().context("a list")? {
        ensure!(one["from"] == "a" && one["to"] == "b", "{moved}");
        ensure!(one["told"].as_array().is_some_and(Vec::is_empty), "{moved}");
    }

    let now = described(&stage.panko, &edited).await?;
    let notes = now.schedule.context("schedule")?.state.context("state")?.notes;
    ensure!(notes == format!("edit {}", edits.load(Ordering::Relaxed)), "{notes}: {edits:?}");
    tokio::time::sleep(3 * SECOND).await;
    for id in &ids {
        let gone = describe(&stage.each[0], id).await.err().context("it is still at a")?;
        ensure!(gone.code() == Code::NotFound, "{gone}");
        same(&before[id], &described(&stage.panko, id).await?)?;
        // A moment of quiet, so that the clusters' lists have all.
        let deleted = api::DeleteScheduleRequest {
            namespace: "default".to_owned(),
            schedule_id: id.clone(),
            ..Default::default()
        };
        let deleted: Result<api::DeleteScheduleResponse, _> =
            again(&stage.panko, "DeleteSchedule", &deleted).await;
        // One that was tried again may have been deleted before.
        ensure!(deleted.as_ref().err().is_none_or(|s| s.code() == Code::NotFound), "{deleted:?}");
    }
    let end = Instant::now() + 30 * SECOND;
    for id in &ids {
        // The clusters' lists have it all only after a while.
        let of_each = loop {
            let of_each = stage.times(id).await?;
            let seconds = none_twice(id, &of_each)?;
            let missed = seconds.windows(2).filter(|two| two[1] != two[0] + 1).count();
            if missed == 0 && of_each.iter().all(|times| times.len() >= 3) {
                break of_each;
            }
            ensure!(Instant::now() < end, "{id} missed {missed}: {of_each:?}");
            tokio::time::sleep(SECOND / 2).await;
        };
        println!("{id}: {} times at a, then {} at b", of_each[0].len(), of_each[1].len());
    }
    stage.sandbox.stop_all().await;
    Ok(())
}

/// Describes schedules until it is over; each time they are as they were, or it is said to try again.
async fn look_again_and_again(
    panko: Client,
    before: Vec<(String, api::DescribeScheduleResponse)>,
    over: Arc<AtomicBool>,
) -> Result<usize> {
    let mut looks = 0;
    while !over.load(Ordering::Relaxed) {
        for (id, before) in &before {
            same(before, &described(&panko, id).await?)?;
            looks += 1;
        }
    }
    Ok(looks)
}

/// Changes a schedule's notes until it is over.
async fn edit_again_and_again(
    panko: Client,
    id: String,
    edits: Arc<AtomicU32>,
    over: Arc<AtomicBool>,
) -> Result<()> {
    let schedule = every_second(&id, Overlap::AllowAll).schedule.context("a schedule")?;
    while !over.load(Ordering::Relaxed) {
        let number = edits.load(Ordering::Relaxed) + 1;
        let mut schedule = schedule.clone();
        schedule.state =
            Some(schedule::ScheduleState { notes: format!("edit {number}"), ..Default::default() });
        let request = api::UpdateScheduleRequest {
            namespace: "default".to_owned(),
            schedule_id: id.clone(),
            schedule: Some(schedule),
            request_id: format!("edit {number}"),
            ..Default::default()
        };
        let _: api::UpdateScheduleResponse =
            again(&panko, "UpdateSchedule", &request).await.context("an edit")?;
        edits.store(number, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Whether a schedule with these notes is being moved.
fn is_mark(notes: &str) -> bool {
    Mark::read(notes.as_bytes()).is_some()
}

/// How often the control server is killed in the middle of a move.
const KILLS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_broken_off_goes_on_and_leaves_nothing_behind() -> Result<()> {
    let mut stage = Stage::new(options(Kind::Cli, &[("a", 1), ("b", 1)])?).await?;
    let mut ids: Vec<_> = ids_of_a("broken").take(12).collect();
    // They are moved in this order.
    ids.sort_unstable();
    for id in &ids {
        create(&stage.panko, &every_second(id, Overlap::AllowAll)).await?;
    }
    tokio::time::sleep(2 * SECOND).await;
    let before = settings(&described(&stage.panko, &ids[0]).await?);
    stage.operator.run(&["drain", "a"]).await?;
    let operator = stage.operator.clone();
    let moving = tokio::spawn(async move {
        // Whoever gets an error does as it says: the verb again.
        let mut tries = 0;
        while let Err(error) = operator.run(&["schedules", "move", "--all", "--from", "a"]).await {
            println!("{error}");
            tries += 1;
            ensure!(tries < 20, "{error}");
            tokio::time::sleep(SECOND).await;
        }
        anyhow::Ok(())
    });
    let mut kills = 0;
    while kills < KILLS && !moving.is_finished() {
        // Without the other member no move goes on. Is one in the middle?
        stage.sandbox.hang_part("b", true)?;
        tokio::time::sleep(SECOND / 20).await;
        let left = stage.left(&ids).await?;
        let marked = left.iter().any(|notes| is_mark(notes));
        if marked {
            stage.sandbox.kill_part("control-server").await?;
        }
        stage.sandbox.hang_part("b", false)?;
        if !marked {
            tokio::time::sleep(Duration::from_millis(15)).await;
            continue;
        }
        kills += 1;
        stage.sandbox.start_part("control-server").await?;
        // What was broken off is taken up once its lock is over.
        let _ = until("the next one has been moved", 40 * SECOND, async || {
            let now = stage.left(&ids).await;
            moving.is_finished() || now.is_ok_and(|now| now.len() < left.len())
        })
        .await;
    }
    println!("{kills} kills in the middle of a move");
    moving.await??;
    ensure!(kills > 0, "no kill came in the middle of a move");
    for id in &ids {
        let gone = describe(&stage.each[0], id).await.err().context("it is still at a")?;
        ensure!(gone.code() == Code::NotFound, "{gone}");
        let after = settings(&described(&stage.panko, id).await?);
        let (was, is) = (before.schedule.clone(), after.schedule.clone());
        let state = |schedule: Option<schedule::Schedule>| schedule.and_then(|s| s.state);
        ensure!(state(is.clone()) == state(was), "{id}: {is:#?}");
        ensure!(is.and_then(|s| s.spec) == before.schedule.clone().and_then(|s| s.spec), "{id}");
    }
    tokio::time::sleep(2 * SECOND).await;
    for id in &ids {
        none_twice(id, &stage.times(id).await?)?;
    }
    stage.sandbox.stop_all().await;
    Ok(())
}

/// Pauses a schedule as a move does that was broken off after the copy was made.
async fn break_off(stage: &Stage, id: &str) -> Result<()> {
    let mark = Mark {
        part: Part::Original,
        to: "b".to_owned(),
        paused: false,
        notes: "as it was".to_owned(),
        changed_ms: 0,
    };
    for (part, client) in [Part::Original, Part::Copy].into_iter().zip(&stage.each) {
        let mut request = every_second(id, Overlap::AllowAll);
        let notes = Mark { part, ..mark.clone() }.notes();
        request.schedule.as_mut().context("a schedule")?.state =
            Some(schedule::ScheduleState { notes, paused: true, ..Default::default() });
        create(client, &request).await?;
        // The copy is the later one.
        until("it has begun", 30 * SECOND, async || {
            let begun = describe(client, id).await;
            begun.is_ok_and(|begun| begun.info.is_some_and(|info| info.create_time.is_some()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_in_a_broken_off_move_counts_and_what_is_left_paused_is_listed_on_server_1_29()
-> Result<()> {
    an_update_counts(Kind::Cli).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_in_a_broken_off_move_counts_and_what_is_left_paused_is_listed_on_server_1_32()
-> Result<()> {
    an_update_counts(Kind::Server).await
}

async fn an_update_counts(kind: Kind) -> Result<()> {
    let mut stage = Stage::new(options(kind, &[("a", 1), ("b", 1)])?).await?;
    let mut ids = ids_of_a("broken");
    let [updated, alone, deleted] = [(); 3].map(|()| ids.next().expect("an id"));
    stage.operator.run(&["drain", "a"]).await?;
    for id in [&updated, &alone, &deleted] {
        break_off(&stage, id).await?;
    }
    let request = |id: &str| api::DeleteScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: id.to_owned(),
        ..Default::default()
    };
    // Of one only the copy is left, at its owner.
    let _: api::DeleteScheduleResponse =
        stage.each[0].call("DeleteSchedule", &request(&alone), DEADLINE).await?;
    let _: api::DeleteScheduleResponse =
        again(&stage.panko, "DeleteSchedule", &request(&deleted)).await?;
    for client in &stage.each {
        let gone = describe(client, &deleted).await.err().context("it is deleted")?;
        ensure!(gone.code() == Code::NotFound, "{gone}");
    }

    let mut schedule = described(&stage.panko, &updated).await?.schedule.context("a schedule")?;
    ensure!(schedule.state.as_ref().is_some_and(|state| state.paused), "{schedule:?}");
    let minute = (60 * SECOND).try_into().ok();
    schedule.spec.as_mut().context("a spec")?.interval =
        vec![schedule::IntervalSpec { interval: minute, phase: None }];
    let update = api::UpdateScheduleRequest {
        namespace: "default".to_owned(),
        schedule_id: updated.clone(),
        schedule: Some(schedule.clone()),
        request_id: "every minute".to_owned(),
        ..Default::default()
    };
    let _: api::UpdateScheduleResponse = again(&stage.panko, "UpdateSchedule", &update).await?;
    until("all three are listed", 30 * SECOND, async || {
        let away = stage.operator.run(&["schedules", "list", "--away"]).await;
        away.is_ok_and(|away| {
            away["schedules"].as_array().is_some_and(|all| {
                all.len() == 3 && all.iter().all(|one| one["moving"] == serde_json::json!(true))
            })
        })
    })
    .await?;

    for from in ["a", "b"] {
        stage.operator.run(&["schedules", "move", "--all", "--from", from]).await?;
    }
    for id in [&updated, &alone] {
        let gone = describe(&stage.each[0], id).await.err().context("it is still at a")?;
        ensure!(gone.code() == Code::NotFound, "{gone}");
        let state = described(&stage.panko, id).await?.schedule.context("a schedule")?.state;
        let state = state.context("a state")?;
        ensure!(!state.paused && state.notes == "as it was", "{state:?}");
    }
    let spec = described(&stage.panko, &updated).await?.schedule.context("a schedule")?.spec;
    ensure!(spec == schedule.spec, "{spec:?}");
    stage.sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_action_runs_waits_for_it_and_a_paused_one_stays_paused() -> Result<()> {
    let renamed = Options { rename: true, ..options(Kind::Cli, &[("a", 1), ("b", 1)])? };
    let mut stage = Stage::new(renamed).await?;
    let [a, b] = &stage.each;
    let (a, b) = (a.clone().with_namespace("default-a"), b.clone().with_namespace("default-b"));
    let mut ids = ids_of_a("waits");
    let [running, paused] = [(); 2].map(|()| ids.next().expect("an id"));
    create(&stage.panko, &every_second(&running, Overlap::Skip)).await?;
    let mut request = every_second(&paused, Overlap::Skip);
    let schedule = request.schedule.as_mut().context("a schedule")?;
    schedule.state = Some(schedule::ScheduleState {
        notes: "on holiday".to_owned(),
        paused: true,
        limited_actions: true,
        remaining_actions: 7,
    });
    schedule.spec.as_mut().context("a spec")?.start_time =
        Some((std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000)).into());
    create(&stage.panko, &request).await?;
    let cron = api::StartWorkflowExecutionRequest {
        namespace: "default-a".to_owned(),
        workflow_id: "cron".to_owned(),
        workflow_type: Some(WorkflowType { name: "cron".to_owned() }),
        task_queue: Some(TaskQueue { name: "nobody-polls".to_owned(), ..Default::default() }),
        cron_schedule: "0 0 1 1 *".to_owned(),
        request_id: "cron".to_owned(),
        ..Default::default()
    };
    let _: api::StartWorkflowExecutionResponse =
        a.call("StartWorkflowExecution", &cron, DEADLINE).await?;
    let count = async |client: &Client| client.count("TemporalScheduledById IS NOT NULL").await;
    until("an action runs", 30 * SECOND, async || count(&a).await.is_ok_and(|n| n == 1)).await?;
    stage.operator.run(&["drain", "a"]).await?;
    until("all are listed", 30 * SECOND, async || {
        let left = stage.operator.run(&["status", "leftovers", "a"]).await;
        left.is_ok_and(|left| {
            left["schedules"].as_array().is_some_and(|all| all.len() == 2)
                && left["cron_workflows"] == serde_json::json!(["cron"])
                && left["open_workflows"] == 2
        })
    })
    .await?;

    let before = settings(&described(&stage.panko, &paused).await?);
    stage.operator.run(&["schedules", "move", "--schedule-id", &paused]).await?;
    same(&before, &described(&stage.panko, &paused).await?)?;

    let refused = stage.operator.run(&["schedules", "move", "--schedule-id", &running]).await;
    let refused = refused.err().context("its action runs")?.to_string();
    ensure!(refused.contains("not moved"), "{refused}");
    let before = settings(&described(&stage.panko, &running).await?);
    ensure!(before.schedule.clone().and_then(|s| s.state).is_some_and(|s| !s.paused), "{before:?}");
    let (operator, id) = (stage.operator.clone(), running.clone());
    let waiting = tokio::spawn(async move {
        operator.run(&["schedules", "move", "--schedule-id", &id, "--wait"]).await
    });
    tokio::time::sleep(2 * SECOND).await;
    ensure!(!waiting.is_finished(), "its action still runs");
    // The actions end, one after the other, until the move gets in between.
    let end = async {
        loop {
            let ids = list_running(&a, "default-a", &running).await?;
            for id in ids {
                let terminate = api::TerminateWorkflowExecutionRequest {
                    namespace: "default".to_owned(),
                    workflow_execution: Some(WorkflowExecution {
                        workflow_id: id,
                        ..Default::default()
                    }),
                    ..Default::default()
                };
                let ended: Result<api::TerminateWorkflowExecutionResponse, _> =
                    stage.panko.call("TerminateWorkflowExecution", &terminate, DEADLINE).await;
                ended.context("what a schedule has started is found")?;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        moved = waiting => { moved??; }
        ended = end => { let never: Result<()> = ended; never?; }
    }
    same(&before, &described(&stage.panko, &running).await?)?;
    until("it acts at b", 30 * SECOND, async || count(&b).await.is_ok_and(|n| n == 1)).await?;
    stage.sandbox.stop_all().await;
    Ok(())
}

/// The workflows of a schedule that run at a member.
async fn list_running(cluster: &Client, namespace: &str, id: &str) -> Result<Vec<String>> {
    let request = api::ListWorkflowExecutionsRequest {
        namespace: namespace.to_owned(),
        query: format!("TemporalScheduledById = {id:?} AND ExecutionStatus = 'Running'"),
        ..Default::default()
    };
    let list: api::ListWorkflowExecutionsResponse =
        cluster.call("ListWorkflowExecutions", &request, DEADLINE).await?;
    let running = list.executions.into_iter().filter_map(|one| one.execution);
    Ok(running.map(|one| one.workflow_id).collect())
}
