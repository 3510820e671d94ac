//! Generates Panko's own protocol (`panko/v1`) and the table of Temporal's RPCs (`rpcs.txt`).

// A build script has nobody to hand an error to but Cargo, which prints it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "build/names.rs"]
mod names;
#[path = "build/paths.rs"]
mod paths;
#[path = "build/table.rs"]
mod table;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=rpcs.txt");
    println!("cargo:rerun-if-changed=panko");
    println!("cargo:rerun-if-changed=build");
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);

    let rows = std::fs::read_to_string("rpcs.txt")?;
    match table::generate(&rows, panko_descriptors::FILE_DESCRIPTOR_SET) {
        Ok(sources) => {
            std::fs::write(out.join("rpc_table.rs"), sources.methods)?;
            std::fs::write(out.join("names.rs"), sources.names)?;
        }
        Err(problems) => {
            for problem in problems {
                println!("cargo:error=proto/rpcs.txt: {problem}");
            }
        }
    }

    let grpc = std::env::var_os("CARGO_FEATURE_GRPC").is_some();
    let mut files = vec!["panko/v1/placement.proto"];
    if grpc {
        files.extend(["panko/v1/replica.proto", "panko/v1/admin.proto"]);
    }
    let protocol = protox::compile(files, ["."])?;
    tonic_prost_build::configure()
        .build_client(grpc)
        .build_server(grpc)
        .build_transport(false)
        .bytes(".panko.v1")
        .compile_fds(protocol)?;
    Ok(())
}
