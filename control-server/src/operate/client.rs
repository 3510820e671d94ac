//! The control server that operators ask: the first of the configuration's that answers.

use std::collections::BTreeMap;
use std::time::Duration;

use panko_proto::v1::admin_service_client::AdminServiceClient;
use panko_proto::v1::{GetMetricsRequest, ListHistoryRequest};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::config::Config;
use crate::replicas::{self, Token};

/// How long a control server has to tell its metrics.
const DEADLINE: Duration = Duration::from_secs(2);

/// A connection to a control server.
pub struct Client {
    /// Its operators' service.
    pub admin: AdminServiceClient<InterceptedService<Channel, Shows>>,
}

/// Shows the token with each call.
#[derive(Clone)]
pub struct Shows(Token);

impl Interceptor for Shows {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// Where the control servers are.
fn addresses(config: &Config) -> Vec<String> {
    match config.peers.addresses.as_slice() {
        [] => vec![config.listen.grpc.to_string()],
        all => all.to_vec(),
    }
}

/// What `/metrics` of each control server shows at this moment, by its address; those that do not answer are left out.
pub async fn metrics(config: &Config) -> anyhow::Result<BTreeMap<String, String>> {
    let token = replicas::token(&config.peers)?;
    let mut all = BTreeMap::new();
    for address in addresses(config) {
        let channel = replicas::connect(&address)?;
        let mut admin = AdminServiceClient::with_interceptor(channel, Shows(token.clone()));
        let asked = tokio::time::timeout(DEADLINE, admin.get_metrics(GetMetricsRequest {}));
        if let Ok(Ok(answer)) = asked.await {
            all.insert(address, answer.into_inner().text);
        }
    }
    anyhow::ensure!(!all.is_empty(), "no control server tells its metrics; does one run?");
    Ok(all)
}

impl Client {
    /// Connects to one that answers.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        let addresses = addresses(config);
        let token = replicas::token(&config.peers)?;
        let mut problems = Vec::new();
        for address in &addresses {
            let channel = replicas::connect(address)?;
            let mut admin = AdminServiceClient::with_interceptor(channel, Shows(token.clone()));
            // No namespace has an empty name: whoever answers so is one, and lets us in.
            match admin.list_history(ListHistoryRequest::default()).await {
                Err(status) if status.code() == Code::NotFound => return Ok(Self { admin }),
                Ok(_) => return Ok(Self { admin }),
                Err(status) => problems.push(format!("{address}: {}", status.message())),
            }
        }
        anyhow::bail!(
            "no control server answers ({}); does one run, and is listen or peers in panko.yaml right?",
            problems.join("; ")
        )
    }
}
