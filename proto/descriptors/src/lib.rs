//! Temporal's public API as a serialized `google.protobuf.FileDescriptorSet`.
//!
//! A crate of its own, so that `panko-proto` can read it in its build script while the generated
//! Temporal types stay out of everything that runs (the filter above all).
#![forbid(unsafe_code)]

/// The descriptors of every file that `temporalio-protos` compiles.
pub static FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(env!("TEMPORAL_DESCRIPTORS"));
