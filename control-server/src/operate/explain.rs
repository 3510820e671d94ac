//! `panko explain`: where calls on one key, or on many, go.

use std::path::Path;

use anyhow::Context;
use futures_util::stream::{StreamExt, TryStreamExt};
use panko_proto::v1::{ExplainManyRequest, ExplainRequest, ExplainResponse};
use serde_json::Value;

use super::client::Client;
use super::verbs::ExplainArgs;
use super::{explained, reach, show, told};
use crate::cli::Output;

/// How many ids a call has that asks no cluster: their answers fit into one message.
const TOGETHER: usize = 1000;

/// How many ids clusters are asked for at a time.
const AT_ONCE: usize = 8;

/// Shows where calls on keys go: on a single one in full, on many a line each.
pub async fn explain(args: &ExplainArgs, output: Output) -> anyhow::Result<()> {
    let (mut client, namespace) = reach(&args.of).await?;
    if let Some(task_token) = args.key.task_token() {
        let request = ExplainRequest { namespace, task_token, ..Default::default() };
        let answer = client.admin.explain(request).await.map_err(told)?.into_inner();
        explained::show(&answer, output);
        return Ok(());
    }
    let (kind, ids) = args.key.kind_and_ids(read)?;
    let answers = match args.no_look {
        true => by_placement(&mut client, &namespace, kind, &ids).await?,
        false => by_clusters(&client, &namespace, kind, &ids).await?,
    };
    match (ids.as_slice(), answers.as_slice()) {
        ([_], [answer]) if !args.key.is_a_list() => explained::show(answer, output),
        (_, all) if output == Output::Json => {
            println!("{:#}", all.iter().map(explained::as_json).collect::<Value>());
        }
        _ => show::explained_many(kind, &ids, &answers),
    }
    Ok(())
}

async fn by_placement(
    client: &mut Client,
    namespace: &str,
    kind: &str,
    ids: &[String],
) -> anyhow::Result<Vec<ExplainResponse>> {
    let mut answers = Vec::with_capacity(ids.len());
    for ids in ids.chunks(TOGETHER) {
        let (namespace, kind, ids) = (namespace.to_owned(), kind.to_owned(), ids.to_vec());
        let request = ExplainManyRequest { namespace, kind, ids };
        answers.extend(client.admin.explain_many(request).await.map_err(told)?.into_inner().keys);
    }
    Ok(answers)
}

async fn by_clusters(
    client: &Client,
    namespace: &str,
    kind: &str,
    ids: &[String],
) -> anyhow::Result<Vec<ExplainResponse>> {
    let asked = futures_util::stream::iter(ids).map(|id| {
        let mut admin = client.admin.clone();
        let (namespace, kind, id) = (namespace.to_owned(), kind.to_owned(), id.clone());
        async move {
            let answer =
                admin.explain(ExplainRequest { namespace, kind, id, ..Default::default() }).await;
            anyhow::Ok(answer.map_err(told)?.into_inner())
        }
    });
    asked.buffered(AT_ONCE).try_collect().await
}

/// The ids of a file, one a line; `-` is the standard input.
fn read(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = match file == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(file),
    };
    let text = text.with_context(|| format!("cannot read the ids in {}", file.display()))?;
    let ids: Vec<_> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    anyhow::ensure!(!ids.is_empty(), "there is no id in {}; write one a line", file.display());
    Ok(ids)
}
