//! Lists and counts over two real clusters: every row once, in one order, page by page; and what an answer
//! says when a cluster is down.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use panko_control_server::dev::{Kind, Sandbox};
use panko_tests::bare::{Client, until};
use panko_tests::sandbox::{homes, options, start_with};
use prost::Message;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tonic::{Code, Status};

const WEIGHTS: [(&str, u32); 2] = [("a", 1), ("b", 1)];
const DEADLINE: Duration = Duration::from_secs(10);
/// Workflows on each cluster, half of them closed.
const EACH: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_one_on_server_1_29() -> Result<()> {
    lists_are_one(Kind::Cli).await
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_one_on_server_1_32() -> Result<()> {
    lists_are_one(Kind::Server).await
}

async fn lists_are_one(kind: Kind) -> Result<()> {
    let mut options = options(kind, &WEIGHTS)?;
    // More than servers let one caller ask.
    options.dynamic_config.push(("frontend.namespaceRPS.visibility".to_owned(), 1000.into()));
    let mut sandbox = start_with(&options).await?;
    let panko = Client::new(sandbox.addresses().address)?;
    fill(&panko).await?;
    every_row_once_in_one_order_for_every_page_size(&panko).await?;
    queries_and_groups(&panko).await?;
    tokens_are_checked(&panko).await?;
    a_queue_is_described_as_one(&panko).await?;
    a_cluster_that_is_down_is_named(&mut sandbox, &panko).await?;
    sandbox.stop_all().await;
    Ok(())
}

async fn fill(panko: &Client) -> Result<()> {
    let ids = homes("listed", 100, &WEIGHTS);
    // In turn, so that the clusters' rows lie between each other.
    for n in 0..EACH {
        for ids in ids.values() {
            panko.start(&ids[n], "nobody-polls").await?;
            if n % 2 == 0 {
                let request = api::TerminateWorkflowExecutionRequest {
                    namespace: "default".to_owned(),
                    workflow_execution: Some(
                        temporalio_protos::temporal::api::common::v1::WorkflowExecution {
                            workflow_id: ids[n].clone(),
                            ..Default::default()
                        },
                    ),
                    ..Default::default()
                };
                let _: api::TerminateWorkflowExecutionResponse =
                    panko.call("TerminateWorkflowExecution", &request, DEADLINE).await?;
            }
        }
    }
    until("all rows are visible", Duration::from_secs(30), async || {
        let closed = panko.count("ExecutionStatus = 'Terminated'").await.unwrap_or(0);
        let all = panko.count("").await.unwrap_or(0);
        closed == EACH as i64 && all == 2 * EACH as i64
    })
    .await
}

async fn page(
    panko: &Client,
    size: i32,
    query: &str,
    token: Vec<u8>,
) -> Result<api::ListWorkflowExecutionsResponse, Status> {
    let request = api::ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        page_size: size,
        query: query.to_owned(),
        next_page_token: token,
    };
    panko.call("ListWorkflowExecutions", &request, DEADLINE).await
}

async fn all(panko: &Client, size: i32, query: &str) -> Result<Vec<String>> {
    let (mut ids, mut token, mut total) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let answer = page(panko, size, query, token).await?;
        let rows = answer.executions.len();
        ensure!(rows <= size as usize, "{rows} rows on a page of {size}");
        ensure!(
            rows == size as usize || answer.next_page_token.is_empty(),
            "a short page of {rows}"
        );
        for info in answer.executions {
            let start = info.start_time.context("a start")?;
            let close = info.close_time.map(|t| (t.seconds, t.nanos));
            // Open first, then the latest close, the latest start.
            total.push((close.is_some(), std::cmp::Reverse((close, (start.seconds, start.nanos)))));
            ids.push(info.execution.context("an execution")?.workflow_id);
        }
        token = answer.next_page_token;
        if token.is_empty() {
            ensure!(total.is_sorted(), "the rows are in another order: {total:?}");
            return Ok(ids);
        }
    }
}

async fn every_row_once_in_one_order_for_every_page_size(panko: &Client) -> Result<()> {
    let whole = all(panko, 1000, "").await?;
    let mut different = whole.clone();
    different.sort();
    different.dedup();
    ensure!(different.len() == 2 * EACH, "{} different rows", different.len());
    for size in 1..=(2 * EACH as i32 + 1) {
        ensure!(all(panko, size, "").await? == whole, "pages of {size} give other rows");
    }
    Ok(())
}

async fn queries_and_groups(panko: &Client) -> Result<()> {
    let open = all(panko, 4, "ExecutionStatus = 'Running'").await?;
    ensure!(open.len() == EACH, "{} open", open.len());
    let request = api::CountWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: "GROUP BY ExecutionStatus".to_owned(),
    };
    let counted: api::CountWorkflowExecutionsResponse =
        panko.call("CountWorkflowExecutions", &request, DEADLINE).await?;
    let mut groups: Vec<i64> = counted.groups.iter().map(|group| group.count).collect();
    groups.sort_unstable();
    ensure!(groups == [EACH as i64; 2], "{groups:?}: a status of both clusters is one group");
    let wrong = page(panko, 5, "NoSuchAttribute = 1", Vec::new()).await.expect_err("no attribute");
    ensure!(wrong.code() == Code::InvalidArgument, "{wrong:?}");
    Ok(())
}

async fn tokens_are_checked(panko: &Client) -> Result<()> {
    let token = page(panko, 3, "", Vec::new()).await?.next_page_token;
    let mut damaged = token.clone();
    *damaged.last_mut().context("a token")? ^= 1;
    for (token, query) in
        [(damaged, ""), (token, "ExecutionStatus = 'Running'"), (b"x".to_vec(), "")]
    {
        let status = page(panko, 3, query, token).await.expect_err("no token of this list");
        ensure!(status.code() == Code::InvalidArgument, "{status:?}");
        ensure!(status.message().contains("page token"), "{status:?}");
    }
    Ok(())
}

/// The pollers of a queue that Panko polls on both clusters are one worker.
async fn a_queue_is_described_as_one(panko: &Client) -> Result<()> {
    use temporalio_protos::temporal::api::enums::v1::TaskQueueType;
    use temporalio_protos::temporal::api::taskqueue::v1::TaskQueue;
    let worker = panko.clone();
    let poll = tokio::spawn(async move { worker.poll("described", DEADLINE).await });
    let queue = |name: &str| api::DescribeTaskQueueRequest {
        namespace: "default".to_owned(),
        task_queue: Some(TaskQueue { name: name.to_owned(), ..Default::default() }),
        task_queue_type: TaskQueueType::Workflow.into(),
        report_stats: true,
        ..Default::default()
    };
    let mut pollers = Vec::new();
    until("the poller is seen", DEADLINE, async || {
        let answer: Result<api::DescribeTaskQueueResponse, Status> =
            panko.call("DescribeTaskQueue", &queue("described"), DEADLINE).await;
        pollers = answer.map(|answer| answer.pollers).unwrap_or_default();
        !pollers.is_empty()
    })
    .await?;
    poll.abort();
    ensure!(pollers.len() == 1, "{pollers:?}");
    let mut backlog = 0;
    until("the backlog of both clusters", Duration::from_secs(20), async || {
        let answer: Result<api::DescribeTaskQueueResponse, Status> =
            panko.call("DescribeTaskQueue", &queue("nobody-polls"), DEADLINE).await;
        let stats = answer.ok().and_then(|answer| answer.stats).unwrap_or_default();
        backlog = stats.approximate_backlog_count;
        // Those of closed workflows may be there or not.
        backlog >= EACH as i64
    })
    .await
    .with_context(|| format!("a backlog of {backlog}"))
}

async fn a_cluster_that_is_down_is_named(sandbox: &mut Sandbox, panko: &Client) -> Result<()> {
    let first = page(panko, 2, "", Vec::new()).await?;
    sandbox.stop_part("b").await?;
    let request = api::ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        page_size: 1000,
        ..Default::default()
    };
    let (answer, metadata) = panko.call_with_metadata("ListWorkflowExecutions", &request).await?;
    let answer = api::ListWorkflowExecutionsResponse::decode(answer)?;
    ensure!(answer.executions.len() == EACH, "{} rows", answer.executions.len());
    let header = |name: &str| metadata.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    ensure!(header("panko-missing-clusters") == "b", "{metadata:?}");
    ensure!(header("panko-partial").contains("cluster b"), "{metadata:?}");
    // A listing that had begun goes on without it, and says so too.
    let request = api::ListWorkflowExecutionsRequest {
        next_page_token: first.next_page_token,
        page_size: 2,
        ..request
    };
    let (_, metadata) = panko.call_with_metadata("ListWorkflowExecutions", &request).await?;
    ensure!(metadata.get("panko-missing-clusters").is_some(), "{metadata:?}");
    Ok(())
}
