//! Hands the descriptor file that `temporalio-protos` compiled (it has `links`) to this crate's source.

fn main() {
    println!("cargo:rerun-if-env-changed=DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH");
    match std::env::var("DEP_TEMPORALIO_PROTOS_DESCRIPTOR_PATH") {
        Ok(path) => println!("cargo:rustc-env=TEMPORAL_DESCRIPTORS={path}"),
        Err(_) => println!(
            "cargo:error=temporalio-protos no longer tells its descriptor path; look for its new name in that crate's build.rs"
        ),
    }
}
