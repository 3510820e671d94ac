//! What a member says of itself, asked with Panko's own credentials.

use std::collections::BTreeMap;
use std::time::Duration;

use panko_routing::wire::fields::{Field, Value, fields, first_at, last_bytes, put_bytes};
use tonic::{Code, Status};

use super::clock;
use crate::identify::{describe, method, system_info};
use crate::topology::Member;

/// How long a cluster has for an answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// `/…OperatorService/ListSearchAttributes`.
const LIST_SEARCH_ATTRIBUTES: &str =
    "/temporal.api.operatorservice.v1.OperatorService/ListSearchAttributes";

/// What a member says of itself.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its server's version.
    pub server: String,
    /// The namespace's UUID.
    pub uuid: String,
    /// Numbers of the fields of `NamespaceInfo.Capabilities` that it sets.
    pub capabilities: Vec<u32>,
    /// For how long it keeps closed workflows.
    pub retention: Duration,
    /// Custom search attributes and their types (`IndexedValueType`); none where it does not tell.
    pub search_attributes: Option<BTreeMap<String, u64>>,
    /// By how many milliseconds its clock is ahead of this one; none where it does not tell.
    pub clock: Option<i64>,
}

/// Asks a member. An error is what an operator has to do something about first.
pub async fn ask(member: &Member) -> Result<Facts, Status> {
    let info = system_info(member).await?;
    let described = describe(member).await?;
    let strange = |e| Status::internal(format!("what it says cannot be read: {e}"));
    let server = last_bytes(&info, 1).map_err(strange)?;
    let uuid = first_at(&described, &[1, 6]).map_err(strange)?.unwrap_or_default();
    let capabilities = last_bytes(last_bytes(&described, 1).map_err(strange)?, 7);
    let flags = fields(capabilities.map_err(strange)?).flatten();
    Ok(Facts {
        server: String::from_utf8_lossy(server).into_owned(),
        uuid: String::from_utf8_lossy(uuid).into_owned(),
        capabilities: flags.map(|Field { number, .. }| number).collect(),
        retention: retention(&described),
        search_attributes: search_attributes(member).await?,
        clock: clock::ahead(member).await,
    })
}

/// `config.workflow_execution_retention_ttl.seconds`.
pub fn retention(described: &[u8]) -> Duration {
    let ttl = first_at(described, &[2, 1]).ok().flatten().unwrap_or_default();
    Duration::from_secs(number(ttl, 1))
}

/// Custom search attributes by name; none where the cluster has no operator's service, or does not let Panko in.
pub async fn search_attributes(member: &Member) -> Result<Option<BTreeMap<String, u64>>, Status> {
    let (cluster, mut request) = (&member.cluster, Vec::new());
    put_bytes(&mut request, 1, member.namespace.as_bytes());
    let list = method(LIST_SEARCH_ATTRIBUTES)?;
    let answer = match cluster.call(list, cluster.own(), request.into(), DEADLINE).await {
        Err(status)
            if matches!(
                status.code(),
                Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated
            ) =>
        {
            return Ok(None);
        }
        answer => answer?,
    };
    let entries = fields(&answer).flatten().filter(|field| field.number == 1);
    let entry = |field: Field<'_>| match field.value {
        Value::Bytes(entry) => {
            let name = last_bytes(entry, 1).unwrap_or_default();
            Some((String::from_utf8_lossy(name).into_owned(), number(entry, 2)))
        }
        _ => None,
    };
    Ok(Some(entries.filter_map(entry).collect()))
}

fn number(message: &[u8], number: u32) -> u64 {
    let values = fields(message).flatten().filter(|field| field.number == number);
    let varint = |field: Field<'_>| match field.value {
        Value::Varint(value) => Some(value),
        _ => None,
    };
    values.filter_map(varint).last().unwrap_or(0)
}
