//! A worker that shuts down.

use std::sync::atomic::{AtomicBool, Ordering};

use panko_routing::wire::fields::last_bytes;
use tonic::Status;

use super::super::fan_out::told_by;
use super::super::reply::Reply;
use super::super::{Call, Frontend, malformed};
use super::DEADLINE;
use crate::pool::key::worker_id;

/// `worker_instance_key` of `ShutdownWorkerRequest`.
const INSTANCE_KEY: u32 = 6;

impl Frontend {
    /// Ends the worker's waiting polls with empty answers, on every control server, and tells the
    /// members, for its sticky queue.
    ///
    /// The polls end as soon as one member has accepted the call, and so knows that the caller may.
    pub(super) async fn shutdown_worker(&self, call: Call) -> Result<Reply, Status> {
        let leaving =
            last_bytes(&call.body, INSTANCE_KEY).map_err(|e| malformed(call.method, e))?;
        let members = &self.namespace_of(&call)?.members;
        let left = &AtomicBool::new(leaving.is_empty());
        let calls = members.iter().filter(|member| !member.is_fenced()).map(|member| async {
            let body = call.body.clone();
            let result = member.call(call.method, &call.caller, body, DEADLINE).await;
            if result.is_ok() && !left.swap(true, Ordering::Relaxed) {
                self.pools.worker_left(worker_id(leaving));
                self.replicas.worker_left(leaving).await;
            }
            result.map_err(|status| told_by(member, &status))
        });
        let answers = futures_util::future::join_all(calls).await;
        let mut answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(answers.drain(..).next().unwrap_or_default().into())
    }
}
