//! What the filter tells a control server of a poll, as Envoy's access log has it.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flate2::{Compression, write::GzEncoder};
use panko_control_server::dev::{Kind, Sandbox};
use panko_routing::PollHash;
use panko_routing::wire::fields::put_bytes;
use panko_tests::bare::until;
use panko_tests::frames::{Connection, End, frame};
use panko_tests::sandbox::options;

const SERVICE: &str = "/temporal.api.workflowservice.v1.WorkflowService/";

/// A poll whose task queue is this field of it.
fn poll(field: u32, queue: &str) -> Vec<u8> {
    let (mut task_queue, mut message) = (Vec::new(), Vec::new());
    put_bytes(&mut task_queue, 1, queue.as_bytes());
    put_bytes(&mut message, 1, b"default");
    put_bytes(&mut message, field, &task_queue);
    message
}

/// Makes Envoy write what it sends on, one line for each call.
fn log_headers(envoy_yaml: &Path, log: &Path) -> Result<()> {
    const PLACE: &str = "                stat_prefix: temporal\n";
    let yaml = std::fs::read_to_string(envoy_yaml)?;
    ensure!(yaml.matches(PLACE).count() == 1, "the place for an access log has changed");
    let log = serde_json::json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log,
            "log_format": { "text_format_source": { "inline_string":
                "%REQ(:path)% %REQ(panko-poll-hash)% %REQ(panko-connection)%\n" } },
        },
    }]);
    let with_log = format!("{PLACE}                access_log: {log}\n");
    Ok(std::fs::write(envoy_yaml, yaml.replace(PLACE, &with_log))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_says_which_queue_and_whose_connection_whatever_the_client_claims() -> Result<()> {
    let mut sandbox = Sandbox::prepare(&options(Kind::Cli, &[("a", 1), ("b", 1)])?)?;
    let log = sandbox.data_dir().join("access.log");
    log_headers(&sandbox.data_dir().join("envoy.yaml"), &log)?;
    sandbox.start_all().await?;

    let address = sandbox.addresses().address;
    let (first, second) = (Connection::open(address).await?, Connection::open(address).await?);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&poll(2, "packed"))?;
    let packed = frame(1, &gzip.finish()?);
    let headers = [
        ("grpc-timeout", "4S"),
        ("grpc-encoding", "gzip"),
        ("panko-poll-hash", "forged"),
        ("panko-connection", "forged"),
    ];
    let send = async |connection: &Connection, method: &str, body: &[u8]| {
        connection.send(&format!("{SERVICE}{method}"), &headers, &[body], End::Flag).await
    };
    let (plain, nexus) = (frame(0, &poll(2, "plain")), frame(0, &poll(3, "plain")));
    let nothing = frame(0, b"");
    let (a, b, c, d, e) = tokio::join!(
        send(&first, "PollWorkflowTaskQueue", &plain),
        send(&second, "PollActivityTaskQueue", &packed),
        send(&second, "PollNexusTaskQueue", &nexus),
        send(&first, "GetSystemInfo", &nothing),
        send(&first, "PollActivityTaskQueue", &plain),
    );
    for answer in [a, b, c, d, e] {
        let answer = answer?;
        ensure!(answer.grpc == Some(0), "{answer:?}");
    }

    let mut lines = Vec::new();
    until("Envoy writes its log", Duration::from_secs(20), async || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let line = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        lines = text.lines().map(line).filter(|line| line[0].contains("Poll")).collect();
        lines.len() == 4 && text.contains("GetSystemInfo")
    })
    .await?;
    let text = std::fs::read_to_string(&log)?;
    ensure!(text.contains(&format!("{SERVICE}GetSystemInfo - -")), "{text}");
    let connection = |method: &str, kind: &str, queue: &str| -> Result<String> {
        let (path, hash) = (
            format!("{SERVICE}{method}"),
            PollHash::of(kind, "default", queue.as_bytes(), 0).to_string(),
        );
        let line = lines.iter().find(|line| line[0] == path && line[1] == hash);
        Ok(line.with_context(|| format!("{method} of {queue}, {hash}: {text}"))?[2].clone())
    };
    let on_first = connection("PollWorkflowTaskQueue", "workflow", "plain")?;
    let on_second = connection("PollActivityTaskQueue", "activity", "packed")?;
    ensure!(connection("PollActivityTaskQueue", "activity", "plain")? == on_first, "{text}");
    ensure!(connection("PollNexusTaskQueue", "nexus", "plain")? == on_second, "{text}");
    ensure!(on_first != on_second, "two connections with one name: {text}");
    for name in [on_first, on_second] {
        let number = name.strip_prefix("envoy-1/").and_then(|number| number.parse::<u64>().ok());
        ensure!(number.is_some(), "{name} is not the node's id and a number");
    }
    sandbox.stop_all().await;
    Ok(())
}
