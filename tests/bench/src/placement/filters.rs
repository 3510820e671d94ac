//! Simulated filters: real placement streams, without an Envoy around each. A filter says hello, takes
//! what it is sent, acknowledges it at once, and opens its stream again when it ends, as the real one does.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::Request;
use panko_proto::v1::{Ack, FilterMessage, Hello, PlacementUpdate, filter_message};
use panko_routing::wire::fields::{Value, fields};
use prost::Message;
use rand::Rng;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::connection::connect;
use crate::frame;

const STREAM: &str = "http://panko/panko.v1.PlacementService/StreamPlacements";

/// Filters on one connection: an Envoy's.
const ON_A_CONNECTION: usize = 50;

/// The waits before a stream is opened again, as the filter has them.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Filters at work. They end with the value.
pub struct Filters {
    events: UnboundedReceiver<Event>,
    _filters: JoinSet<()>,
}

/// What a filter has seen.
#[derive(Debug)]
pub struct Event {
    /// Which filter.
    pub filter: usize,
    /// When.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// What came.
#[derive(Debug)]
pub enum What {
    /// Whole placements: how many, and the message's bytes.
    Whole { placements: usize, bytes: usize },
    /// Slots of a namespace, its version after it, and the message's bytes.
    Slots { namespace: String, version: u64, bytes: usize },
    /// The stream has ended, and will be opened again.
    Broke(String),
}

impl Filters {
    /// Opens the streams of so many filters, all at once.
    pub async fn open(control_server: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let (sender, events) = unbounded_channel();
        let mut filters = JoinSet::new();
        let mut connection = None;
        for number in 0..count {
            if number % ON_A_CONNECTION == 0 {
                connection = Some(connect(control_server).await?);
            }
            let connection = connection.clone().context("no connection")?;
            let filter = Filter { number, connection, events: sender.clone() };
            filters.spawn(filter.run());
        }
        Ok(Self { events, _filters: filters })
    }

    /// The next thing that a filter sees; fails when that takes longer than `patience`.
    pub async fn next(&mut self, patience: Duration) -> anyhow::Result<Event> {
        let event = tokio::time::timeout(patience, self.events.recv()).await;
        event.context("the filters see nothing more")?.context("there are no filters")
    }
}

struct Filter {
    number: usize,
    connection: SendRequest<Bytes>,
    events: UnboundedSender<Event>,
}

impl Filter {
    async fn run(mut self) {
        let mut wait = SHORTEST_WAIT;
        loop {
            let began = Instant::now();
            let why = match self.stream().await {
                Ok(()) => "it was closed".to_owned(),
                Err(error) => format!("{error:#}"),
            };
            self.saw(What::Broke(why));
            wait = if began.elapsed() > LONGEST_WAIT { SHORTEST_WAIT } else { wait * 2 };
            wait = wait.min(LONGEST_WAIT);
            let jitter = rand::rng().random_range(0.0..1.0);
            tokio::time::sleep(wait.mul_f64(jitter)).await;
        }
    }

    async fn stream(&mut self) -> anyhow::Result<()> {
        let node = format!("envoy-{}", self.number / ON_A_CONNECTION);
        let vm = u32::try_from(self.number % ON_A_CONNECTION)?;
        let (mut to_server, mut updates) = open(&mut self.connection, node, vm).await?;
        while let Some(message) = updates.next().await? {
            let nonce = self.take(&message)?;
            say(&mut to_server, filter_message::Message::Ack(Ack { nonce, error: String::new() }))?;
        }
        let trailers = updates.body.trailers().await?.unwrap_or_default();
        let text = |name| trailers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        bail!("grpc-status {} {}", text("grpc-status"), text("grpc-message"))
    }

    /// Notes an update, and returns its nonce. Whole placements are counted and not decoded: a thousand
    /// filters are one process here.
    fn take(&self, message: &[u8]) -> anyhow::Result<u64> {
        let (mut nonce, mut placements) = (0, 0);
        for field in fields(message) {
            let field = field?;
            match (field.number, field.value) {
                (1, Value::Varint(number)) => nonce = number,
                (2, _) => placements += 1,
                _ => {}
            }
        }
        let bytes = message.len();
        if placements > 0 {
            self.saw(What::Whole { placements, bytes });
            return Ok(nonce);
        }
        for delta in PlacementUpdate::decode(message)?.deltas {
            let (namespace, version) = (delta.namespace, delta.version);
            self.saw(What::Slots { namespace, version, bytes });
        }
        Ok(nonce)
    }

    fn saw(&self, what: What) {
        // Nobody listens any more once the filters end.
        let _ = self.events.send(Event { filter: self.number, at: Instant::now(), what });
    }
}

/// What a filter is sent first.
pub async fn first_update(control_server: SocketAddr) -> anyhow::Result<PlacementUpdate> {
    let mut connection = connect(control_server).await?;
    let (_to_server, mut updates) = open(&mut connection, "onlooker".to_owned(), 0).await?;
    let first = updates.next().await?.context("the control server sends no placement")?;
    Ok(PlacementUpdate::decode(&*first)?)
}

/// Opens a stream, and says hello.
async fn open(
    connection: &mut SendRequest<Bytes>,
    node: String,
    vm: u32,
) -> anyhow::Result<(SendStream<Bytes>, Updates)> {
    let request = Request::post(STREAM)
        .header("te", "trailers")
        .header("content-type", "application/grpc")
        .body(())?;
    std::future::poll_fn(|context| connection.poll_ready(context)).await?;
    let (response, mut to_server) = connection.send_request(request, false)?;
    let hello = Hello { protocol: 1, release: "bench".to_owned(), node, process: 1, vm };
    say(&mut to_server, filter_message::Message::Hello(hello))?;
    let body = response.await?.into_body();
    Ok((to_server, Updates { body, read: Vec::new() }))
}

fn say(to: &mut SendStream<Bytes>, message: filter_message::Message) -> Result<(), h2::Error> {
    let message = FilterMessage { message: Some(message) };
    to.send_data(frame::plain(&message.encode_to_vec()), false)
}

/// The messages of a stream.
struct Updates {
    body: RecvStream,
    read: Vec<u8>,
}

impl Updates {
    /// The next message whole; none at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, h2::Error> {
        loop {
            if let Some(prefix) = self.read.first_chunk() {
                let end = frame::PREFIX + frame::announced(*prefix);
                if self.read.len() >= end {
                    let rest = self.read.split_off(end);
                    let whole = std::mem::replace(&mut self.read, rest);
                    return Ok(Some(whole.get(frame::PREFIX..).unwrap_or_default().to_vec()));
                }
            }
            let Some(chunk) = self.body.data().await else { return Ok(None) };
            let chunk = chunk?;
            self.body.flow_control().release_capacity(chunk.len())?;
            self.read.extend_from_slice(&chunk);
        }
    }
}
