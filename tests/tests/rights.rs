//! Who is none of Panko's own gets no placement, changes nothing, and acknowledges nothing in another's name.

use anyhow::{Result, ensure};
use panko_control_server::dev::{Kind, Options};
use panko_tests::frames::{Connection, End, frame};
use panko_tests::sandbox::{options, start_with};

const EVEN: [(&str, u32); 2] = [("a", 1), ("b", 1)];

/// One call of each service that is not for callers of Temporal's API.
const PATHS: [&str; 6] = [
    "/panko.v1.AdminService/Apply",
    "/panko.v1.PlacementService/StreamPlacements",
    "/panko.v1.AdminService/ChangePlacement",
    "/panko.v1.AdminService/ForgetFilters",
    "/panko.v1.AdminService/GetPlacement",
    "/panko.v1.ReplicaService/OfferTask",
];

/// gRPC's UNAUTHENTICATED.
const UNAUTHENTICATED: Option<i32> = Some(16);

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_where_there_is_a_token() -> Result<()> {
    // Several control servers have one.
    let even = options(Kind::Cli, &EVEN)?;
    let mut sandbox = start_with(&Options { control_servers: 2, ..even }).await?;
    let connection = Connection::open(sandbox.addresses().control_servers[0].grpc).await?;
    for path in PATHS {
        for shown in [None, Some("Bearer guessed"), Some("Bearer "), Some("")] {
            let headers: Vec<_> = shown.map(|token| ("authorization", token)).into_iter().collect();
            let answer = connection.send(path, &headers, &[&frame(0, b"")], End::Flag).await?;
            ensure!(answer.grpc == UNAUTHENTICATED, "{path} {shown:?}: {answer:?}");
            ensure!(answer.message.contains("token"), "{answer:?}");
        }
    }
    // An Envoy fetches its clusters with the token alone.
    let fetch = async |node: &str| {
        let body = format!(r#"{{"version_info": "", "node": {node}}}"#);
        let headers = [("content-type", "application/json")];
        let path = panko_control_server::cds::PATH;
        connection.send(path, &headers, &[body.as_bytes()], End::Flag).await
    };
    for node in [r#"{"id": "envoy-1"}"#, r#"{"metadata": {"panko_token": "guessed"}}"#] {
        let answer = fetch(node).await?;
        ensure!(answer.http == 401, "{node}: {answer:?}");
    }
    let token = std::fs::read_to_string(sandbox.data_dir().join("peers-token"))?;
    let answer = fetch(&format!(r#"{{"metadata": {{"panko_token": "{token}"}}}}"#)).await?;
    ensure!(answer.http == 200, "{answer:?}");
    // Not through Envoy either.
    let envoy = Connection::open(sandbox.addresses().address).await?;
    for path in PATHS {
        let answer = envoy.send(path, &[], &[&frame(0, b"")], End::Flag).await?;
        ensure!(answer.grpc == Some(12), "{path}: {answer:?}");
    }
    sandbox.stop_all().await;
    Ok(())
}
