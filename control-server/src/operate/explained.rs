//! What operators are told of a key.

use panko_proto::v1::{ExplainResponse, FilterRoute, TokenStatus};
use serde_json::{Value, json};

use crate::cli::Output;

/// Where calls on a key go.
pub fn show(answer: &ExplainResponse, output: Output) {
    if output == Output::Json {
        println!("{:#}", as_json(answer));
        return;
    }
    if let Some(token) = &answer.token {
        show_token(token);
    }
    if answer.kind.is_empty() {
        return;
    }
    println!(
        "{}:{} is in slot {} (version {})",
        answer.kind, answer.id, answer.slot, answer.version
    );
    let width = answer.members.iter().map(|m| m.member.len()).max().unwrap_or(0);
    for m in &answer.members {
        let marks =
            if m.marks.is_empty() { String::new() } else { format!("  ({})", m.marks.join(", ")) };
        println!("  {:width$}  {}{marks}", m.member, m.says);
    }
    println!(
        "calls that may start something go {}\nall others go {}",
        answer.starts, answer.others
    );
    match answer.routes.as_slice() {
        [] => println!("no filter is connected"),
        // They do what has just been said.
        [FilterRoute { version, filters, .. }] if *version == answer.version => {
            println!("so do all filters: {}", filters.join(", "));
        }
        all => {
            println!("filters go by what they have:");
            for FilterRoute { version, filters, starts, others } in all {
                println!("  version {version}: {}", filters.join(", "));
                println!(
                    "    calls that may start something go {starts}\n    all others go {others}"
                );
            }
        }
    }
}

fn show_token(token: &TokenStatus) {
    let uuid = &token.namespace_uuid;
    match token.member.as_str() {
        "" => println!("the token is of namespace {uuid}, which is no member's"),
        member => println!(
            "the token is of {member} (namespace {}, {uuid}): calls with it go there",
            token.namespace
        ),
    }
    if token.workflow_id.is_empty() {
        println!("it is of a query's or a Nexus task on task queue {:?}", token.task_queue);
        return;
    }
    let activity = match token.activity_id.as_str() {
        "" => String::new(),
        id => format!(", activity {id}"),
    };
    println!("it is of workflow {}, run {}{activity}", token.workflow_id, token.run_id);
}

/// The same for programs.
pub fn as_json(answer: &ExplainResponse) -> Value {
    let members = answer.members.iter();
    let members: Vec<_> =
        members.map(|m| json!({ "member": m.member, "says": m.says, "marks": m.marks })).collect();
    let routes = answer.routes.iter();
    let routes: Vec<_> = routes
        .map(|r| {
            json!({
                "version": r.version, "filters": r.filters, "starts": r.starts, "others": r.others,
            })
        })
        .collect();
    let token = answer.token.as_ref().map(|t| {
        json!({
            "namespace_uuid": t.namespace_uuid, "namespace": t.namespace, "member": t.member,
            "workflow_id": t.workflow_id, "run_id": t.run_id, "activity_id": t.activity_id,
            "task_queue": t.task_queue,
        })
    });
    json!({
        "kind": answer.kind, "id": answer.id, "slot": answer.slot, "version": answer.version,
        "owner": answer.owner, "former": answer.former, "to": answer.to, "members": members,
        "starts": answer.starts, "others": answer.others, "filters": routes, "token": token,
    })
}
