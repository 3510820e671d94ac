//! Leaves the filter only the exports that Envoy has to call.
//!
//! The proxy-wasm SDK exports every hook of the ABI, and Envoy calls what it finds: for each call
//! also those for trailers of responses and logs, which Panko has no use for. What they cost: `make bench`.

use anyhow::{Context, Result, bail};
use wasm_encoder::{ExportSection, Module, RawSection};
use wasmparser::{ExternalKind, Parser, Payload};

/// What stays. Envoy passes over hooks that are not there.
const NEEDED: [&str; 16] = [
    "memory",
    "_initialize",
    "proxy_on_memory_allocate",
    "proxy_abi_version_0_2_1",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_close",
];

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(from), Some(to)) = (arguments.next(), arguments.next()) else {
        bail!("say which module to read and which to write");
    };
    let module = std::fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
    let trimmed = trim(&module)?;
    std::fs::write(&to, trimmed).with_context(|| format!("cannot write {}", to.display()))
}

fn trim(module: &[u8]) -> Result<Vec<u8>> {
    let mut trimmed = Module::new();
    let mut found = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ExportSection(exports) = payload {
            let mut kept = ExportSection::new();
            for export in exports {
                let export = export?;
                if NEEDED.contains(&export.name) {
                    found += 1;
                    kept.export(export.name, kind(export.kind)?, export.index);
                }
            }
            trimmed.section(&kept);
        } else if let Some((id, range)) = payload.as_section() {
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            let data = module.get(range).context("a section beyond the module's end")?;
            trimmed.section(&RawSection { id, data });
        }
    }
    if found != NEEDED.len() {
        bail!("{found} of {} needed exports were found; did the SDK rename one?", NEEDED.len());
    }
    Ok(trimmed.finish())
}

fn kind(kind: ExternalKind) -> Result<wasm_encoder::ExportKind> {
    Ok(match kind {
        ExternalKind::Func => wasm_encoder::ExportKind::Func,
        ExternalKind::Memory => wasm_encoder::ExportKind::Memory,
        other => bail!("a needed export is a {other:?}"),
    })
}
