//! A filter's own work with placements, compiled for wasm and run by V8, which is what Envoy runs filters in.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use tokio::process::Command;

use crate::polls::at_least_one;
use crate::polls::sheet::{Measure, Sheet};

/// Runs a WASI program in V8.
const RUN: &str = include_str!("../../lookup/run.mjs");

/// Virtual namespaces, and members of each.
const SIZES: [(usize, usize); 4] = [(1, 2), (10, 8), (100, 8), (100, 64)];

const MEASURES: &[Measure] = &[
    ("look-up of a workflow id, ns", 0),
    ("a start decided, ns", 0),
    ("a completion (token) decided, ns", 0),
    ("an update of one slot, µs", 1),
    ("all placements, ms", 2),
];

/// A filter's own work with placements, by the number of namespaces and members.
#[derive(Debug, Parser)]
pub struct Options {
    /// The program for wasm32-wasip1, which `make bench-placement` builds. Without it, it is measured natively.
    #[arg(long, value_name = "PATH", env = "PANKO_LOOKUP")]
    program: Option<PathBuf>,
    /// Node.js, whose V8 runs it.
    #[arg(long, value_name = "PATH", default_value = "node", env = "PANKO_NODE")]
    node: PathBuf,
    /// Runs.
    #[arg(long, default_value_t = 11, value_parser = at_least_one)]
    runs: usize,
}

/// Measures, and returns the results.
pub async fn run(options: &Options) -> anyhow::Result<Sheet> {
    let way = match options.program {
        Some(_) => "compiled for wasm, run by V8 (Node.js)",
        None => "compiled natively, NOT for wasm",
    };
    let title = format!("A filter's own work, {way}: virtual namespaces x members of each");
    let mut sheet = Sheet::new(title, MEASURES);
    for (namespaces, members) in SIZES {
        eprintln!("lookup: {namespaces}x{members}");
        let runs = match &options.program {
            Some(program) => in_v8(options, program, namespaces, members).await?,
            None => (0..options.runs)
                .map(|_| panko_bench_lookup::measure(namespaces, members).to_vec())
                .collect(),
        };
        sheet.add(format!("{namespaces}x{members}"), &runs);
    }
    Ok(sheet)
}

async fn in_v8(
    options: &Options,
    program: &PathBuf,
    namespaces: usize,
    members: usize,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let directory = tempfile::TempDir::new()?;
    let script = directory.path().join("run.mjs");
    std::fs::write(&script, RUN)?;
    let mut command = Command::new(&options.node);
    command.arg("--no-warnings").arg(script).arg(program);
    command.args([namespaces, members, options.runs].map(|number| number.to_string()));
    let output = command.kill_on_drop(true).output().await.context(
        "Node.js 20 or newer is missing: install it, or leave --program out to measure natively",
    )?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} in V8: {said}", program.display());
    let lines = String::from_utf8(output.stdout)?;
    let numbers = |line: &str| line.split(' ').map(str::parse).collect();
    lines.lines().map(numbers).collect::<Result<_, _>>().context("what the program says")
}
