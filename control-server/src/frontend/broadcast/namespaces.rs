//! The namespace itself: registered, updated, deprecated and deleted on every member.

use bytes::Bytes;
use panko_routing::wire::fields::{fields, first_at, put_bytes};
use tonic::Status;

use super::super::reply::Reply;
use super::super::{Call, Frontend, fan_out, malformed};
use super::{DEADLINE, answer};
use crate::config::NamespaceChanges;

/// `namespace` of all four requests, `namespace_id` of `DeleteNamespaceRequest`.
const NAME: u32 = 1;
const ID: u32 = 2;

impl Frontend {
    /// Tells every member. A name that is not configured is refused: Panko would not know where it is.
    pub(super) async fn change_namespace(&self, call: &Call) -> Result<Reply, Status> {
        let bad = |e| malformed(call.method, e);
        let delete = call.method.name == "DeleteNamespace";
        let name = first_at(&call.body, &[NAME]).map_err(bad)?.unwrap_or_default();
        let id = if delete { first_at(&call.body, &[ID]).map_err(bad)? } else { None };
        let namespace = match id.and_then(|id| self.namespace_by_id(id)) {
            Some(namespace) if name.is_empty() => namespace,
            _ if call.method.name == "RegisterNamespace" => {
                self.namespace(name).map_err(|_| not_configured(name))?
            }
            _ => self.namespace(name)?,
        };
        if namespace.namespace_changes == NamespaceChanges::Refuse {
            return Err(Status::permission_denied(format!(
                "{} is not allowed on {}: panko.yaml says namespace_changes: refuse; change the namespace on each cluster itself",
                call.method.name, namespace.name
            )));
        }
        let body = match delete {
            // By the name that all members know, not by an id that none does.
            true => {
                let mut body = Vec::new();
                put_bytes(&mut body, NAME, namespace.name.as_bytes());
                let rest = fields(&call.body).flatten().filter(|f| ![NAME, ID].contains(&f.number));
                rest.for_each(|field| body.extend_from_slice(field.raw));
                Bytes::from(body)
            }
            false => call.body.clone(),
        };
        let said = fan_out::members(namespace, call, DEADLINE, |_| Some(body.clone())).await;
        let mut reply = answer(&self.unfinished, call, namespace, said, &[])?;
        if call.method.name == "UpdateNamespace" {
            reply.body = super::super::local::named(namespace, &reply.body).into();
        }
        Ok(reply)
    }
}

fn not_configured(name: &[u8]) -> Status {
    Status::failed_precondition(format!(
        "{} is no virtual namespace of Panko's: add it to panko.yaml with its members first; then this call registers it on all of them",
        String::from_utf8_lossy(name)
    ))
}
