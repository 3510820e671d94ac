//! How the cost of placements grows: what filters are sent when a slot moves, what a start on a moved
//! slot costs, and what a look-up does.
//!
//! * [`push`] — a real `panko serve`, simulated filters ([`filters`]), slots that move.
//! * [`starts`] — starts through a real Envoy, on slots that have moved and on slots that have not.
//! * [`lookup`] — one look-up, compiled for wasm as the filter is.
//!
//! Clusters and filters are this process ([`null`], [`filters`]), on loopback.

mod filters;
mod lookup;
mod moves;
mod null;
mod options;
mod push;
mod stage;
mod starts;
mod turns;

use std::future::Future;

use anyhow::Context;
use serde_json::{Map, Value};

pub use options::Options;

use crate::polls::sheet::Sheet;
use crate::polls::{allow_many_connections, unless_interrupted};
use options::{Part, defaults};

/// Runs what was asked for, prints its tables, and ends what it started, also when it is interrupted.
pub async fn run(options: Options) -> anyhow::Result<()> {
    allow_many_connections()?;
    unless_interrupted(run_parts(&options)).await
}

async fn run_parts(options: &Options) -> anyhow::Result<()> {
    let programs = &options.programs;
    let mut sheets = Sheets::default();
    match &options.part {
        Part::Push(push) => sheets.show("push", push::run(push, programs)).await?,
        Part::Starts(starts) => sheets.show("starts", starts::run(starts, programs)).await?,
        Part::Lookup(lookup) => sheets.show("lookup", lookup::run(lookup)).await?,
        Part::All => {
            sheets.show("push", push::run(&defaults()?, programs)).await?;
            sheets.show("starts", starts::run(&defaults()?, programs)).await?;
            sheets.show("lookup", lookup::run(&defaults()?)).await?;
        }
    }
    match &options.json {
        Some(file) => std::fs::write(file, serde_json::to_vec_pretty(&Value::Object(sheets.0))?)
            .with_context(|| format!("cannot write {}", file.display())),
        None => Ok(()),
    }
}

/// The results so far, as JSON.
#[derive(Default)]
struct Sheets(Map<String, Value>);

impl Sheets {
    async fn show(
        &mut self,
        name: &str,
        part: impl Future<Output = anyhow::Result<Sheet>>,
    ) -> anyhow::Result<()> {
        let sheet = part.await?;
        println!("\n{sheet}");
        self.0.insert(name.to_owned(), sheet.json());
        Ok(())
    }
}
