//! Where the clusters call the namespace otherwise, answers are held until they are whole. Those that have no
//! message, as a proxy before a cluster may give them, are not held for ever, and nobody changes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Response};
use panko_control_server::dev::Kind;
use panko_tests::frames::{Connection, End, frame};
use panko_tests::sandbox::{homes, options, start_with};
use prost::Message;
use temporalio_protos::temporal::api::common::v1::WorkflowExecution;
use temporalio_protos::temporal::api::workflowservice::v1 as api;
use tokio::net::TcpListener;

const WEIGHTS: [(&str, u32); 2] = [("a", 1), ("b", 1)];
const HISTORY: &str =
    "/temporal.api.workflowservice.v1.WorkflowService/GetWorkflowExecutionHistory";
const GRPC: &str = "application/grpc";

/// An answer, and how it ends: with these trailers, or with its last piece.
#[derive(Clone, Copy)]
struct Odd {
    http: u16,
    content_type: &'static str,
    body: Option<&'static [u8]>,
    status: Option<&'static str>,
}

const ODD: [Odd; 8] = [
    Odd { http: 503, content_type: GRPC, body: Some(b"the balancer is away"), status: None },
    Odd {
        http: 200,
        content_type: "application/grpc-web",
        body: Some(b"\x80\0\0\0\x0egrpc-status: 14"),
        status: None,
    },
    Odd {
        http: 503,
        content_type: "text/plain",
        body: Some(b"the balancer is away"),
        status: None,
    },
    Odd { http: 200, content_type: "text/html", body: Some(b"hm"), status: None },
    Odd { http: 200, content_type: GRPC, body: None, status: Some("3") },
    Odd { http: 200, content_type: GRPC, body: Some(b"\0\0\0\0\x09half"), status: None },
    Odd { http: 200, content_type: GRPC, body: Some(b""), status: None },
    Odd { http: 200, content_type: GRPC, body: Some(b"\0\0\0\0\x09half"), status: Some("13") },
];

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_message_pass_as_they_are() -> Result<()> {
    let mut options = options(Kind::Cli, &WEIGHTS)?;
    options.rename = true;
    let mut sandbox = start_with(&options).await?;
    let (envoy, b) = (sandbox.addresses().address, sandbox.addresses().clusters[1].address);
    sandbox.kill_part("b").await?;
    let now = Arc::new(AtomicUsize::new(0));
    let serving = tokio::spawn(fake_cluster(TcpListener::bind(b).await?, now.clone()));
    for (n, odd) in ODD.into_iter().enumerate() {
        now.store(n, Ordering::SeqCst);
        let ids = homes("odd", 20, &WEIGHTS).remove("b").context("ids")?;
        let request = api::GetWorkflowExecutionHistoryRequest {
            namespace: "default".to_owned(),
            execution: Some(WorkflowExecution {
                workflow_id: ids[0].clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let connection = Connection::open(envoy).await?;
        let request = frame(0, &request.encode_to_vec());
        let answer = connection.send(HISTORY, &[], &[&request], End::Flag).await;
        let Odd { http, body, status, .. } = odd;
        let answer = answer.with_context(|| format!("{http} {body:?} {status:?}"))?;
        ensure!(answer.http == http, "{answer:?}");
        ensure!(answer.body == body.unwrap_or_default(), "{answer:?}");
        ensure!(answer.grpc.map(|code| code.to_string()).as_deref() == status, "{answer:?}");
    }
    serving.abort();
    sandbox.stop_all().await;
    Ok(())
}

/// Gives every call the answer of [`ODD`] whose turn it is.
async fn fake_cluster(listener: TcpListener, now: Arc<AtomicUsize>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let now = now.clone();
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(stream).await?;
            while let Some(call) = connection.accept().await {
                let (_, mut respond) = call?;
                let odd = ODD[now.load(Ordering::SeqCst)];
                let head = Response::builder().status(odd.http);
                let head = head.header("content-type", odd.content_type).body(())?;
                let mut send = respond.send_response(head, false)?;
                if let Some(body) = odd.body {
                    send.send_data(Bytes::from_static(body), odd.status.is_none())?;
                }
                if let Some(status) = odd.status {
                    let trailers =
                        HeaderMap::from_iter([("grpc-status".parse()?, status.parse()?)]);
                    send.send_trailers(trailers)?;
                }
            }
            anyhow::Ok(())
        });
    }
}
