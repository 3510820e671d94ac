//! What tools ask before they call: health and reflection, through Envoy.

use anyhow::{Result, ensure};
use panko_control_server::dev::Kind;
use panko_routing::wire::fields::put_bytes;
use panko_tests::frames::{Connection, End, frame};
use panko_tests::sandbox::start;

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_served() -> Result<()> {
    let mut sandbox = start(Kind::Cli, &[("a", 1), ("b", 1)]).await?;
    let connection = Connection::open(sandbox.addresses().address).await?;
    let service = b"temporal.api.workflowservice.v1.WorkflowService";

    let mut check = Vec::new();
    put_bytes(&mut check, 1, service);
    let path = "/grpc.health.v1.Health/Check";
    let answer = connection.send(path, &[], &[&frame(0, &check)], End::Flag).await?;
    // SERVING.
    ensure!(answer.grpc == Some(0) && answer.body[5..] == [8, 1], "{answer:?}");

    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let mut list = Vec::new();
        put_bytes(&mut list, 7, b"");
        let answer = connection.send(&path, &[], &[&frame(0, &list)], End::Flag).await?;
        let has = |text: &[u8]| answer.body.windows(text.len()).any(|window| window == text);
        ensure!(answer.grpc == Some(0) && has(service), "{version}: {answer:?}");
        ensure!(has(b"OperatorService") && !has(b"CloudService"), "{version}: {answer:?}");
        let mut symbol = Vec::new();
        put_bytes(&mut symbol, 4, b"temporal.api.common.v1.WorkflowExecution");
        let answer = connection.send(&path, &[], &[&frame(0, &symbol)], End::Flag).await?;
        let has = |text: &[u8]| answer.body.windows(text.len()).any(|window| window == text);
        ensure!(has(b"workflow_id"), "{version}: {answer:?}");
    }
    sandbox.stop_all().await;
    Ok(())
}
