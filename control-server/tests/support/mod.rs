//! A fake of a Temporal cluster, for faults and rights that a real one does not show on demand, and
//! pools over it.

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use panko_control_server::caller::Caller;
use panko_control_server::config::{Callers, Config, Limits};
use panko_control_server::metrics::Metrics;
use panko_control_server::pool::key::{Poll, PoolKey};
use panko_control_server::pool::registry::Registry;
use panko_control_server::pool::shell::Answer;
use panko_control_server::raw::RawCodec;
use panko_control_server::replicas::Replicas;
use panko_control_server::topology::{Topology, VirtualNamespace};
use panko_proto::rpc::Method;
use panko_routing::wire::fields::{last_bytes, put_bytes};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;
use tonic::server::{Grpc, UnaryService};
use tonic::{Request, Response, Status};

pub const ACTIVITY: &str = "/temporal.api.workflowservice.v1.WorkflowService/PollActivityTaskQueue";
pub const WORKFLOW: &str = "/temporal.api.workflowservice.v1.WorkflowService/PollWorkflowTaskQueue";

/// What the fake does and has seen.
#[derive(Default)]
pub struct FakeCluster {
    tasks: Mutex<VecDeque<Bytes>>,
    came: Notify,
    /// Credentials that it accepts; all if there are none.
    pub accepts: Mutex<Vec<String>>,
    /// Polls that it refuses with RESOURCE_EXHAUSTED from now on.
    pub exhausted: Mutex<usize>,
    /// How much later than a second before its deadline it answers an empty poll.
    pub late: Mutex<Duration>,
    /// With what it ends the polls that wait.
    ends: Mutex<Option<Status>>,
    /// Polls that it has been sent.
    pub polls: Mutex<Vec<Bytes>>,
    /// Other calls that it has been sent: the RPC's name and the request.
    pub calls: Mutex<Vec<(&'static str, Bytes)>>,
}

impl FakeCluster {
    /// Gives it a task, which it hands to a poll that waits or comes.
    pub fn add_task(&self, token: &str) {
        let mut task = Vec::new();
        put_bytes(&mut task, 1, token.as_bytes());
        self.tasks.lock().unwrap().push_back(task.into());
        self.came.notify_waiters();
    }

    /// Has it end the polls that wait, and those that come, with an error.
    pub fn end_polls(&self, status: Status) {
        *self.ends.lock().unwrap() = Some(status);
        self.came.notify_waiters();
    }

    async fn answer(&self, method: &'static Method, call: Request<Bytes>) -> Result<Bytes, Status> {
        let shown = call.metadata().get("authorization").and_then(|v| v.to_str().ok());
        let accepts = self.accepts.lock().unwrap().clone();
        if !accepts.is_empty() && !shown.is_some_and(|shown| accepts.iter().any(|a| a == shown)) {
            return Err(Status::permission_denied("Request unauthorized."));
        }
        let timeout = call.metadata().get("grpc-timeout").and_then(|v| v.to_str().ok());
        let timeout = timeout.and_then(|t| t.strip_suffix('m')).and_then(|t| t.parse().ok());
        let timeout = Duration::from_millis(timeout.unwrap_or(10_000));
        let body = call.into_inner();
        if ![ACTIVITY, WORKFLOW].contains(&method.path) {
            self.calls.lock().unwrap().push((method.name, body));
            return Ok(Bytes::new());
        }
        self.polls.lock().unwrap().push(body);
        {
            let mut exhausted = self.exhausted.lock().unwrap();
            if *exhausted > 0 {
                *exhausted -= 1;
                return Err(Status::resource_exhausted(
                    "namespace concurrent poller limit exceeded",
                ));
            }
        }
        let late = *self.late.lock().unwrap();
        let until = Instant::now() + timeout - Duration::from_secs(1) + late;
        loop {
            let came = self.came.notified();
            if let Some(status) = self.ends.lock().unwrap().clone() {
                return Err(status);
            }
            if let Some(task) = self.tasks.lock().unwrap().pop_front() {
                return Ok(task);
            }
            if tokio::time::timeout_at(until, came).await.is_err() {
                return Ok(Bytes::new());
            }
        }
    }
}

struct Unary(Arc<FakeCluster>, &'static Method);

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = futures_util::future::BoxFuture<'static, Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (fake, method) = (self.0.clone(), self.1);
        Box::pin(async move { fake.answer(method, request).await.map(Response::new) })
    }
}

/// Pools of one control server over fakes of as many clusters as wanted.
pub struct World {
    pub fakes: Vec<Arc<FakeCluster>>,
    addresses: Vec<String>,
    namespaces: Vec<String>,
    pub namespace: Arc<VirtualNamespace>,
    pub pools: Arc<Registry>,
    pub metrics: Arc<Metrics>,
}

impl World {
    pub async fn of(clusters: usize, limits: Limits) -> Self {
        Self::with(clusters, &["orders"], limits).await
    }

    /// Each fake serves the virtual namespace with all of these.
    pub async fn with(clusters: usize, namespaces: &[&str], limits: Limits) -> Self {
        let (mut fakes, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..clusters {
            let fake = Arc::new(FakeCluster::default());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let served = fake.clone();
            let router = axum::Router::new().fallback(move |request: http::Request<Body>| {
                let fake = served.clone();
                async move {
                    let method = Method::by_path(request.uri().path()).unwrap();
                    Grpc::new(RawCodec).unary(Unary(fake, method), request).await
                }
            });
            // Not tonic's server: that one ends calls at their deadlines, which a cluster need not.
            tokio::spawn(axum::serve(listener, router).into_future());
            fakes.push(fake);
            addresses.push(address.to_string());
        }
        let namespaces: Vec<_> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        let all: Vec<_> = addresses.iter().enumerate().map(|(n, at)| (n, at.as_str())).collect();
        let config = config(&all, &namespaces);
        let metrics = Metrics::new();
        let replicas = Replicas::new(&config).unwrap();
        let namespace = namespace(&config);
        let pools = Registry::new(limits, replicas, metrics.clone());
        Self { fakes, addresses, namespaces, namespace, pools, metrics }
    }

    /// The namespace as it is from now on with these clusters only.
    pub fn members(&self, clusters: &[usize]) -> Arc<VirtualNamespace> {
        let at = |n: &usize| (*n, self.addresses[*n].as_str());
        namespace(&config(&clusters.iter().map(at).collect::<Vec<_>>(), &self.namespaces))
    }

    /// The namespace with one cluster, which is now where another one was.
    pub fn moved(&self, cluster: usize, to: usize) -> Arc<VirtualNamespace> {
        namespace(&config(&[(cluster, &self.addresses[to])], &self.namespaces))
    }

    /// A worker's poll for activities. `extra` are more bytes of its request.
    pub async fn poll(&self, authorization: &str, extra: &[u8]) -> Result<Answer, Status> {
        self.poll_of(&self.namespace, worker_poll(ACTIVITY, authorization, extra)).await
    }

    /// A worker's poll while the namespace is like this.
    pub async fn poll_of(
        &self,
        namespace: &Arc<VirtualNamespace>,
        poll: Poll,
    ) -> Result<Answer, Status> {
        let answer_by = Instant::now() + Duration::from_secs(10);
        self.pools.park(namespace, poll, "", answer_by).await
    }

    /// The key of the pool of such polls.
    pub fn key(&self, authorization: &str) -> PoolKey {
        worker_poll(ACTIVITY, authorization, b"").key
    }

    /// The sum of a metric's series.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.encode();
        let series = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}

/// A file with these clusters, each serving `orders` with all of these namespaces.
fn config(clusters: &[(usize, &str)], namespaces: &[String]) -> Config {
    let (mut yaml, mut members) = (String::new(), String::new());
    for (n, address) in clusters {
        yaml += &format!("  - {{ name: c{n}, address: \"{address}\" }}\n");
        for namespace in namespaces {
            members += &format!("      - {{ cluster: c{n}, namespace: {namespace} }}\n");
        }
    }
    let yaml = format!("clusters:\n{yaml}namespaces:\n  - name: orders\n    members:\n{members}");
    Config::parse(&yaml, std::path::Path::new("panko.yaml")).unwrap()
}

fn namespace(config: &Config) -> Arc<VirtualNamespace> {
    Topology::new(&config.clusters, &config.namespaces, None).namespace("orders").unwrap().clone()
}

/// A worker's poll. `extra` are more bytes of its request.
pub fn worker_poll(path: &str, authorization: &str, extra: &[u8]) -> Poll {
    let mut metadata = tonic::metadata::MetadataMap::new();
    metadata.insert("authorization", authorization.parse().unwrap());
    let (mut queue, mut body) = (Vec::new(), Vec::new());
    put_bytes(&mut queue, 1, b"queue");
    put_bytes(&mut body, 1, b"orders");
    put_bytes(&mut body, 2, &queue);
    put_bytes(&mut body, 8, b"worker");
    body.extend_from_slice(extra);
    let method = Method::by_path(path).unwrap();
    let caller = Caller::of(&metadata);
    Poll::read(method, caller, &Callers::default(), body.into()).unwrap()
}

/// The token of the task in an answer; empty when there is none.
pub fn token(answer: &Answer) -> String {
    String::from_utf8(last_bytes(&answer.body, 1).unwrap().to_vec()).unwrap()
}

/// The same of an answer that reached its worker.
pub fn delivered(answer: Result<Answer, Status>) -> String {
    let answer = answer.unwrap();
    if let Some(receipt) = &answer.receipt {
        receipt.set_written();
    }
    token(&answer)
}

/// Looks again every 5 ms until `done` is true.
pub async fn until(mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it comes to that in time");
}
