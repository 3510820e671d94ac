//! An update with start is answered when the update is done, which may take its time. On a slot that has moved, other starts
//! of its id do not wait so long, also when the control server that had it is killed; and none begins elsewhere meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Sandbox};
use panko_control_server::placements::now;
use panko_store::{KeyLock, SqlStore, Store};
use panko_tests::bare::{Client, until};
use panko_tests::operator::Operator;
use panko_tests::sandbox::{homes, options, start_with};
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::enums::v1::WorkflowExecutionStatus::Running;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tokio::task::JoinHandle;
use tonic::Code;

const SECOND: Duration = Duration::from_secs(1);

/// A queue that nobody polls: no update gets done.
const QUEUE: &str = "nobody-polls";

struct Stage {
    sandbox: Sandbox,
    operator: Operator,
    client: Client,
    /// Ids that lived on `a` when that was not drained yet.
    ids: Vec<String>,
}

impl Stage {
    async fn begin() -> Result<Self> {
        let weights = [("a", 1), ("b", 1)];
        let sandbox = start_with(&options(Kind::Cli, &weights)?).await?;
        let (operator, client) =
            (Operator::of(&sandbox)?, Client::new(sandbox.addresses().address)?);
        let ids = homes("updated", 60, &weights).remove("a").context("ids on a")?;
        Ok(Self { sandbox, operator, client, ids })
    }

    /// Sends one, which goes on until it is aborted.
    fn update(&self, id: &str) -> JoinHandle<()> {
        let (client, id) = (self.client.clone(), id.to_owned());
        tokio::spawn(async move {
            // How it ends says nothing here.
            let _ = client.update_with_start(&id, QUEUE, "update", 60 * SECOND).await;
        })
    }

    /// The id is open, and a start that says so takes no long time.
    async fn a_start_is_refused_soon(&self, id: &str, request_id: &str) -> Result<()> {
        let began = Instant::now();
        let again = self.client.start_as(id, QUEUE, request_id).await;
        let refused = again.err().context("it is open")?;
        ensure!(refused.code() == Code::AlreadyExists, "{refused}");
        ensure!(began.elapsed() < 5 * SECOND, "after {:?}", began.elapsed());
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_starts_of_its_id_do_not_wait_for_the_update() -> Result<()> {
    let mut stage = Stage::begin().await?;
    stage.operator.run(&["drain", "a"]).await?;
    let id = stage.ids[0].clone();
    let update = stage.update(&id);
    until("it is started", 10 * SECOND, async || {
        stage.client.status(&id).await.is_ok_and(|status| status == Running)
    })
    .await?;
    ensure!(!update.is_finished(), "the update is not done");
    stage.a_start_is_refused_soon(&id, "while it goes on").await?;
    stage.sandbox.kill_part("control-server").await?;
    stage.sandbox.start_part("control-server").await?;
    until("Envoy has found the new one", 10 * SECOND, async || {
        let answer = stage.client.count("").await;
        answer.is_ok()
    })
    .await?;
    stage.a_start_is_refused_soon(&id, "after a crash").await?;
    update.abort();
    stage.sandbox.stop_all().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_joins_calls_to_the_same_member_and_waits_for_those_to_another() -> Result<()> {
    let mut stage = Stage::begin().await?;
    stage.operator.run(&["drain", "a"]).await?;
    // As a control server leaves it that crashed in the middle of such a call.
    let address = format!("sqlite:{}", stage.sandbox.data_dir().join("panko.db").display());
    let store = SqlStore::open(&address).await?;
    for (id, to, waits) in [(&stage.ids[0], "b/default", false), (&stage.ids[1], "a/default", true)]
    {
        let key = format!("workflow:{id}");
        let lock = KeyLock { namespace: "default", key: &key, holder: "another" };
        let until = now() + 9000;
        ensure!(store.lock(lock.namespace, &key, lock.holder, now(), until).await?);
        ensure!(store.share(&lock, to, now(), until).await?);
        // It goes to b, which owns the slot now.
        let started = stage.client.start(id, QUEUE).await;
        let early = now() < until;
        match waits {
            false => ensure!(started.is_ok() && early, "{started:?}"),
            true => {
                let refused = started.err().context("a call to another member is on its way")?;
                ensure!(refused.code() == Code::Unavailable && early, "{refused}");
                until_ok(&stage.client, id).await?;
                ensure!(now() >= until, "it did not wait");
            }
        }
    }
    stage.sandbox.stop_all().await;
    Ok(())
}

async fn until_ok(client: &Client, id: &str) -> Result<()> {
    until("its time is over", 10 * SECOND, async || client.start(id, QUEUE).await.is_ok()).await
}

/// A cluster starts a workflow anew by itself, in the middle of an update with start, when the one that it is for ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_elsewhere_waits_for_an_update_that_may_still_start_it_anew() -> Result<()> {
    let mut stage = Stage::begin().await?;
    let ids: Vec<_> = stage.ids.iter().take(6).cloned().collect();
    for id in &ids {
        stage.client.start(id, QUEUE).await?;
    }
    stage.operator.run(&["drain", "a"]).await?;
    let direct = stage.sandbox.addresses().clusters.iter().map(|c| Client::new(c.address));
    let direct = direct.collect::<Result<Vec<_>>>()?;
    for id in &ids {
        let update = stage.update(id);
        tokio::time::sleep(SECOND / 2).await;
        let terminate = api::TerminateWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: id.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let ended: api::TerminateWorkflowExecutionResponse =
            stage.client.call("TerminateWorkflowExecution", &terminate, 10 * SECOND).await?;
        let _ = ended;
        let started = stage.client.start_as(id, QUEUE, "another").await;
        // Long enough for what is on its way.
        tokio::time::sleep(SECOND / 5).await;
        let mut open = Vec::new();
        for (client, cluster) in direct.iter().zip(["a", "b"]) {
            if client.status(id).await.is_ok_and(|status| status == Running) {
                open.push(cluster);
            }
        }
        ensure!(open.len() == 1, "{id} is open on {open:?}; the other start: {started:?}");
        update.abort();
    }
    stage.sandbox.stop_all().await;
    Ok(())
}
