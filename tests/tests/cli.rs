//! The `temporal` command gives on two clusters through Panko what it gives on one, ids and times aside.

use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use comfy_table::Table;
use panko_control_server::dev::Kind;
use panko_tests::sandbox::{options, start, start_with};
use serde_json::Value;
use tokio::process::Command;

/// What is compared of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Its output and its exit code, once: it changes something.
    Once,
    /// The same, again and again for a while: what it shows takes a moment.
    InTime,
    /// Its exit code only: it fails, and an error names the cluster.
    Fails,
}

use Seen::{Fails, InTime, Once};

/// Commands in an order in which they can be run. `workflow start` says which queue; nobody polls it.
const COMMANDS: [(Seen, &str); 52] = [
    (Once, "workflow start --type t --task-queue cli --workflow-id w1"),
    (Once, "workflow start --type t --task-queue cli --workflow-id w2"),
    (Once, "workflow start --type t --task-queue cli --workflow-id w3"),
    (Once, "workflow start --type t --task-queue cli --workflow-id w4"),
    (Once, "workflow start --type t --task-queue cli --workflow-id w1 --id-conflict-policy Fail"),
    (Once, "workflow describe --workflow-id w1"),
    (Once, "workflow show --workflow-id w1"),
    (Fails, "workflow describe --workflow-id nothing"),
    (InTime, "workflow count"),
    (InTime, "workflow list --query WorkflowId='w1'"),
    (InTime, "workflow list --limit 10"),
    (InTime, "workflow count --query ExecutionStatus='Running'"),
    (Once, "workflow signal --workflow-id w1 --name s"),
    (Once, "workflow signal-with-start --type t --task-queue cli --workflow-id w5 --signal-name s"),
    (Once, "workflow cancel --workflow-id w1"),
    (Once, "workflow terminate --workflow-id w2"),
    (Fails, "workflow signal --workflow-id w2 --name s"),
    (Once, "workflow reset --workflow-id w1 --type LastWorkflowTask --reason r"),
    (Fails, "workflow query --workflow-id nothing --type q"),
    (Once, "workflow delete --workflow-id w2"),
    (InTime, "workflow count --query ExecutionStatus='Running'"),
    (Once, "workflow terminate --query ExecutionStatus='Running' --reason r --yes"),
    (InTime, "workflow count --query ExecutionStatus='Running'"),
    (InTime, "batch list"),
    (Fails, "batch describe --job-id nothing"),
    (Fails, "batch terminate --job-id nothing --reason r"),
    (
        Once,
        "schedule create --schedule-id s1 --interval 1h --type t --task-queue cli --workflow-id sw",
    ),
    (
        Once,
        "schedule create --schedule-id s2 --interval 2h --type t --task-queue cli --workflow-id sx",
    ),
    (Once, "schedule toggle --schedule-id s1 --pause --reason r"),
    (Once, "schedule trigger --schedule-id s2"),
    (InTime, "schedule describe --schedule-id s1"),
    (Once, "schedule delete --schedule-id s2"),
    (InTime, "schedule list"),
    (Once, "schedule delete --schedule-id s1"),
    (Fails, "schedule describe --schedule-id nothing"),
    (Once, "task-queue list-partition --task-queue cli"),
    (InTime, "task-queue describe --task-queue nobody --disable-stats"),
    (Once, "operator namespace describe default"),
    (Once, "operator search-attribute create --name Cli --type Keyword"),
    (InTime, "operator search-attribute list"),
    (Once, "operator search-attribute remove --name Cli --yes"),
    (
        Once,
        "operator nexus endpoint create --name shop --target-namespace default --target-task-queue q",
    ),
    (Once, "operator nexus endpoint get --name shop"),
    (Once, "operator nexus endpoint list"),
    (Once, "operator nexus endpoint update --name shop --target-task-queue r"),
    (Once, "operator nexus endpoint delete --name shop"),
    (Once, "operator cluster health"),
    (Once, "operator cluster system"),
    (InTime, "worker deployment list"),
    (Fails, "worker deployment describe --name nothing"),
    (Fails, "worker deployment set-current-version --deployment-name nothing --build-id b --yes"),
    (Fails, "activity complete --activity-id a --workflow-id w1 --result 1"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_finds_one_cluster() -> Result<()> {
    let mut alone = start_with(&options(Kind::Cli, &[("a", 1)])?).await?;
    let mut sandbox = start(Kind::Cli, &[("a", 1), ("b", 1)]).await?;
    let one = alone.addresses().clusters[0].address.to_string();
    let two = sandbox.addresses().address.to_string();
    let mut wrong = Table::new();
    wrong.set_header(["command", "on one cluster", "through Panko"]);
    let mut count = 0;
    for (seen, command) in COMMANDS {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let (direct, through) = tokio::try_join!(run(&one, command), run(&two, command))?;
            let same = match seen {
                Fails => !direct.status.success() && !through.status.success(),
                Once | InTime => direct.status.success() && shown(&direct)? == shown(&through)?,
            };
            if same {
                break;
            }
            if seen != InTime || Instant::now() > end {
                count += 1;
                wrong.add_row([command.to_owned(), said(&direct)?, said(&through)?]);
                break;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    alone.stop_all().await;
    sandbox.stop_all().await;
    println!("{} commands, {count} differ", COMMANDS.len());
    ensure!(count == 0, "\n{wrong}");
    Ok(())
}

async fn run(address: &str, command: &str) -> Result<Output> {
    let program = std::env::var("PANKO_TEMPORAL").context("PANKO_TEMPORAL is not set")?;
    let mut process = Command::new(program);
    process.args(command.split(' ')).args(["--address", address, "--output", "json"]);
    // Nobody's own configuration.
    process.env("TEMPORAL_CONFIG_FILE", "/dev/null").kill_on_drop(true);
    Ok(process.output().await?)
}

/// The exit code and the output without what differs from run to run.
fn shown(output: &Output) -> Result<(Option<i32>, Value)> {
    let text = String::from_utf8(output.stdout.clone())?;
    let mut values: Vec<Value> = serde_json::Deserializer::from_str(&text)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|_| vec![Value::String(text)]);
    values.iter_mut().for_each(mask);
    Ok((output.status.code(), Value::Array(values)))
}

fn said(output: &Output) -> Result<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    Ok(format!("{}\n{errors}", serde_json::to_string_pretty(&shown(output)?.1)?))
}

/// Fields whose values are of one moment or one cluster.
const OF_ONE: [&str; 13] = [
    "taskId",
    "id",
    "jobId",
    "runId",
    "identity",
    "requestId",
    "clusterId",
    "ownerHostName",
    "urlPrefix",
    "stateTransitionCount",
    "historySizeBytes",
    "version",
    "conflictToken",
];

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // Maps by request id.
            let by_id = fields.keys().all(|name| name.len() == 36);
            if by_id && !fields.is_empty() {
                let count = fields.len();
                *value = Value::from(count);
                return;
            }
            for (name, value) in fields.iter_mut() {
                let name = name.to_lowercase();
                let of_time =
                    ["time", "at", "duration", "age", "uuid"].iter().any(|w| name.ends_with(w));
                let of_one = OF_ONE.iter().any(|field| field.to_lowercase() == name);
                if (of_time || of_one) && !value.is_object() && !value.is_array() {
                    *value = Value::Null;
                } else {
                    mask(value);
                }
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(mask);
            if items.iter().all(Value::is_null) {
                // Times: how many there are is of one moment.
                items.clear();
            }
        }
        Value::String(text) => *text = masked(text),
        _ => {}
    }
}

/// Ids and times in a text.
fn masked(text: &str) -> String {
    let hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    let id = text.len() >= 32 && text.chars().all(hex);
    let time = text.len() >= 20 && text.as_bytes().get(4) == Some(&b'-') && text.contains('T');
    if id || time { String::new() } else { text.to_owned() }
}
