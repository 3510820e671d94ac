//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{lookup, push, starts};
use crate::polls::Programs;

/// Measures how the cost of placements grows.
#[derive(Debug, Parser)]
#[command(name = "bench-placement", after_help = EXAMPLES)]
pub struct Options {
    #[command(subcommand)]
    pub(super) part: Part,
    #[command(flatten)]
    pub(super) programs: Programs,
    /// Also write the numbers of every run here.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples (make bench-placement PART=… gives the programs, and PostgreSQL where it is needed):
  bench-placement all                                 everything, some six minutes
  bench-placement push --sizes 10x8x1000 --moves 21   10 namespaces of 8 members, 1,000 filters
  bench-placement starts --stores sqlite              without PostgreSQL
  bench-placement starts --clients 64 --rounds 11     64 callers at a time, with less noise
  bench-placement lookup";

#[derive(Debug, Subcommand)]
pub(super) enum Part {
    /// Every part with its defaults.
    All,
    Push(push::Options),
    Starts(starts::Options),
    Lookup(lookup::Options),
}

/// A part's options as they are when nothing is said.
pub(super) fn defaults<T: Parser>() -> anyhow::Result<T> {
    Ok(T::try_parse_from(["bench-placement"])?)
}
