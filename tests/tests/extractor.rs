//! Our keys against a second reading of what each RPC is about: the routing-key extractor that Temporal's own
//! server 1.32 generates from the API's annotations.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Keys that the server's extractor does not have, since the API has no annotation for them (or had none in
/// that release): each is the id by which the API finds what the call acts on.
const OURS_ALONE: [&str; 7] = [
    "DeleteActivityExecution",
    "StartNexusOperationExecution",
    "DescribeNexusOperationExecution",
    "PollNexusOperationExecution",
    "RequestCancelNexusOperationExecution",
    "TerminateNexusOperationExecution",
    "DeleteNexusOperationExecution",
];

/// By RPC the field paths from which the extractor takes the key; none where it takes it from
/// `resource_id`, which repeats what another field says and which no released SDK fills.
fn extracted() -> Result<BTreeMap<String, Option<Vec<String>>>> {
    let source = std::env::var("PANKO_SERVER_SOURCE").context(
        "PANKO_SERVER_SOURCE is not set; run `make e2e`, which gets the server's source",
    )?;
    let file = Path::new(&source).join("common/rpc/interceptor/routing_key_extractor_gen.go");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let mut found = BTreeMap::new();
    for block in text.split("case *workflowservice.").skip(1) {
        let (rpc, code) = block.split_once("Request:").context("a case of another form")?;
        let by_resource = code.contains("routingIDFromResourceID");
        let mut paths = Vec::new();
        for getters in code.split("r.Get").skip(1) {
            // `Execution().GetWorkflowId()}…`, up to what is no getter.
            let mut path = Vec::new();
            for getter in getters.split(".Get") {
                let (name, rest) = getter.split_once("()").context("a getter of another form")?;
                path.push(snake(name));
                if !rest.is_empty() {
                    break;
                }
            }
            paths.push(path.join("."));
        }
        found.insert(rpc.to_owned(), (!by_resource).then_some(paths));
    }
    Ok(found)
}

/// `WorkflowId` → `workflow_id`.
fn snake(name: &str) -> String {
    let mut written = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !written.is_empty() {
            written.push('_');
        }
        written.push(c.to_ascii_lowercase());
    }
    written
}

/// By RPC of class `key`, the field paths of its alternatives.
fn ours() -> BTreeMap<String, Vec<String>> {
    let rows = include_str!("../../proto/rpcs.txt").lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (rpc, class) = (words.next()?, words.next()?);
        let fields = line.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
        (class == "key").then(|| (rpc.to_owned(), fields.map(str::to_owned).collect()))
    });
    rows.collect()
}

#[test]
fn our_keys_are_the_servers() -> Result<()> {
    let (extracted, ours) = (extracted()?, ours());
    ensure!(extracted.len() > 60 && ours.len() == 50, "{} and {}", extracted.len(), ours.len());
    let mut compared = 0;
    for (rpc, fields) in &ours {
        match extracted.get(rpc) {
            None => ensure!(OURS_ALONE.contains(&rpc.as_str()), "{rpc} has no key in the server"),
            Some(None) => {}
            Some(Some(theirs)) => {
                ensure!(theirs == fields, "{rpc}: {fields:?}, and the server has {theirs:?}");
                compared += 1;
            }
        }
    }
    ensure!(compared > 30, "only {compared} keys were compared");
    for rpc in OURS_ALONE {
        ensure!(!extracted.contains_key(rpc), "{rpc} has a key in the server now: compare it");
    }
    Ok(())
}
