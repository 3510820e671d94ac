//! Panko's control server: the companion of the filters, and the `panko` command.
//!
//! The road of a call that a filter sends here: [`frontend`] looks at its class; a poll parks in
//! its [`pool`] (with the help of the other [`replicas`]); what all members are asked is put together by
//! [`merge`]; what a key's owner does not have is looked for by [`locate`]; everything else is answered from
//! the [`topology`]'s clusters. What filters route by comes from [`placements`] through
//! [`placement_service`].
#![forbid(unsafe_code)]

pub mod admin;
pub mod apply;
pub mod caller;
pub mod cds;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod desired;
pub mod dev;
pub mod envoy_config;
pub mod failover;
pub mod frontend;
pub mod identify;
pub mod locate;
pub mod merge;
pub mod metrics;
pub mod nexus_callback;
pub mod operate;
pub mod placement_service;
pub mod placements;
pub mod pool;
pub mod raw;
pub mod reflection;
pub mod replica_service;
pub mod replicas;
pub mod schedules;
pub mod serve;
pub mod status_polls;
pub mod timestamp;
pub mod topology;
pub mod verify;
