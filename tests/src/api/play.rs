//! Plays the rows at one address.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::uri::PathAndQuery;
use panko_control_server::raw::RawCodec;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::Row;

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The gRPC status' name.
    pub code: String,
    /// Its message.
    pub message: String,
}

/// An address, and what has been learned at it.
pub struct Player {
    channel: Channel,
    pool: DescriptorPool,
    variables: BTreeMap<String, String>,
}

impl Player {
    /// Plays at `address`; `unique` keeps its ids apart from others'.
    pub fn new(address: impl std::fmt::Display, unique: &str) -> Result<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
        let pool = DescriptorPool::decode(panko_descriptors::FILE_DESCRIPTOR_SET)?;
        let variables = BTreeMap::from([("u".to_owned(), unique.to_owned())]);
        Ok(Self { channel, pool, variables })
    }

    /// Plays one row. `expected` ends its repetitions.
    pub async fn play(&mut self, row: &Row, expected: &str) -> Result<Outcome> {
        for step in &row.first {
            // What it prepares may not be there on this server; the row then says so.
            let _ = self.call(&step.rpc, &step.request, &step.take, step.deadline).await?;
        }
        let until = Instant::now() + Duration::from_secs(row.again);
        loop {
            let outcome = match self.call(&row.rpc, &row.request, &row.take, row.deadline).await? {
                Ok(()) => Outcome { code: "OK".to_owned(), message: String::new() },
                Err(status) => {
                    Outcome { code: code_name(&status), message: status.message().to_owned() }
                }
            };
            if outcome.code == expected || Instant::now() > until {
                return Ok(outcome);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn call(
        &mut self,
        rpc: &str,
        request: &Value,
        take: &BTreeMap<String, String>,
        deadline: u64,
    ) -> Result<Result<(), Status>> {
        let method = self.method(rpc)?;
        let request = self.filled(request);
        let message = DynamicMessage::deserialize(method.input(), &request)
            .with_context(|| format!("{rpc}: {request}"))?;
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path: PathAndQuery = path.parse()?;
        let mut call = Request::new(Bytes::from(message.encode_to_vec()));
        // On the wire alone: tonic's own setter would give up here, before the answer that says so.
        call.metadata_mut().insert("grpc-timeout", format!("{deadline}S").parse()?);
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(16 << 20);
        if let Err(error) = grpc.ready().await {
            return Ok(Err(Status::unavailable(error.to_string())));
        }
        let until = Instant::now() + Duration::from_secs(deadline);
        let answer = match grpc.unary(call, path, RawCodec).await {
            Ok(answer) => answer.into_inner(),
            // A server may end the stream at the deadline rather than answer: no client sees how, since its
            // own clock has ended the call by then.
            Err(status) if Instant::now() >= until => {
                return Ok(Err(Status::deadline_exceeded(status.message())));
            }
            Err(status) => return Ok(Err(status)),
        };
        let answer = DynamicMessage::decode(method.output(), answer)?;
        let options = SerializeOptions::new();
        let answer = answer.serialize_with_options(serde_json::value::Serializer, &options)?;
        for (variable, path) in take {
            let value = path.split('.').try_fold(&answer, |value, name| value.get(name));
            let text = match value {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            self.variables.insert(variable.clone(), text);
        }
        Ok(Ok(()))
    }

    fn method(&self, rpc: &str) -> Result<MethodDescriptor> {
        let services = ["workflowservice.v1.WorkflowService", "operatorservice.v1.OperatorService"];
        services
            .iter()
            .filter_map(|name| self.pool.get_service_by_name(&format!("temporal.api.{name}")))
            .find_map(|service| service.methods().find(|method| method.name() == rpc))
            .with_context(|| format!("no RPC is named {rpc}"))
    }

    /// A request with its variables' values.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, value)| (self.text(name), self.filled(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        // The longest names first: one may begin another.
        let mut names: Vec<_> = self.variables.iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        let mut filled = text.to_owned();
        for (name, value) in names {
            filled = filled.replace(&format!("${name}"), value);
        }
        // What an earlier call did not give is empty.
        if filled.starts_with('$') { String::new() } else { filled }
    }
}

/// `InvalidArgument` as gRPC writes it: `INVALID_ARGUMENT`.
fn code_name(status: &Status) -> String {
    let mut written = String::new();
    for c in format!("{:?}", status.code()).chars() {
        if c.is_ascii_uppercase() && !written.is_empty() {
            written.push('_');
        }
        written.push(c.to_ascii_uppercase());
    }
    written
}
