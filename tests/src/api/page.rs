//! `docs/api.md`, written from the RPC table and the rows.

use std::fmt::Write;

use panko_proto::rpc::{Class, METHODS, Method};

use super::Row;

const HEAD: &str = "# Every call of Temporal's API, through Panko

Written by `make docs` from [the RPC table](../proto/rpcs.txt) and [the rows](../tests/api) that
`make test` plays on a single cluster and on two clusters behind Panko: the status of each call has to be what
stands here, on both. \"as one cluster\" means the status that a single cluster gives to the same request.

How a call is routed (its class):

| class | |
|---|---|
| key | by the id in the request to the cluster that owns the id's slot; what does not live there is looked for on the others |
| token | by the task token to the cluster that made it |
| poll | pooled: one poll of a worker gets tasks of all clusters |
| gather | asked of every member, and merged |
| broadcast | told to every member; one answer when all have done it |
| local | answered by Panko |
| refused | has no meaning over several clusters |
";

const FOOT: &str = "
## Besides these

* `grpc.health.v1.Health`: answered by Panko's control server.
* **The HTTP API** (`/api/v1/…`, `/cluster-info`) is refused with 415 and a sentence. Frontends serve it on a port of their
  own, with a JSON in which payloads stand in shorthand; a proxy that translated it to gRPC would not speak the
  same JSON, and one that passed it on would have to merge JSON. The Web UI serves that API itself and speaks
  gRPC to the address it is given: point it at Panko.
* **A call that this release does not know** is answered UNIMPLEMENTED, counted (`panko_refused_total`, reason
  `unknown_method`), and named in Envoy's log. Fields that it does not know pass through.
";

/// The whole page. `rows` has one for every RPC.
#[must_use]
pub fn page(rows: &[Row]) -> String {
    let mut page = HEAD.to_owned();
    for service in ["WorkflowService", "OperatorService"] {
        let _ = write!(
            page,
            "\n## {service}\n\n| call | class | by | over several clusters | 1.29 | 1.32 |\n|---|---|---|---|---|---|\n"
        );
        for method in METHODS.iter().filter(|m| m.path.contains(&format!(".{service}/"))) {
            let row = rows.iter().find(|row| row.rpc == method.name);
            page.push_str(&line(method, row));
        }
    }
    page + FOOT
}

fn line(method: &Method, row: Option<&Row>) -> String {
    let says = match (method.class, row) {
        (Class::Refused { instead }, _) => format!("refused: {instead}"),
        (_, Some(row)) => row.says.clone(),
        (_, None) => String::new(),
    };
    let status = |on: fn(&Row) -> &String| match row {
        Some(Row { panko: Some(status), .. }) => status.clone(),
        Some(row) if on(row) == "OK" => "as one cluster".to_owned(),
        Some(row) => format!("as one cluster ({})", on(row)),
        None => String::new(),
    };
    format!(
        "| {} | {} | {} | {says} | {} | {} |\n",
        method.name,
        method.class.name(),
        decided_by(&method.class),
        status(|row| &row.on_1_29),
        status(|row| &row.on_1_32),
    )
}

/// What in the request decides.
fn decided_by(class: &Class) -> String {
    match class {
        Class::Key { keys, .. } => {
            let kinds: Vec<_> = keys.iter().map(|key| format!("{} id", key.kind)).collect();
            kinds.join(", else ").replace('_', " ")
        }
        Class::Token { .. } => "task token".to_owned(),
        Class::Poll { .. } => "task queue".to_owned(),
        Class::Gather { namespace: [] } | Class::Broadcast { namespace: [] } => {
            "all clusters".to_owned()
        }
        Class::Gather { .. } | Class::Broadcast { .. } => "namespace".to_owned(),
        Class::Local | Class::Refused { .. } => String::new(),
    }
}
