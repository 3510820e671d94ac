//! Class `broadcast`: every member is told, and one answer comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use panko_routing::wire::fields::last_bytes;
use tonic::Status;

use super::fan_out::told_by;
use super::{Call, Frontend, malformed};
use crate::pool::key::worker_id;

/// How long the members have.
const DEADLINE: Duration = Duration::from_secs(10);

/// `worker_instance_key` of `ShutdownWorkerRequest`.
const INSTANCE_KEY: u32 = 6;

impl Frontend {
    pub(super) async fn broadcast(&self, call: Call) -> Result<Bytes, Status> {
        match call.method.name {
            "ShutdownWorker" => self.shutdown_worker(call).await,
            "RecordWorkerHeartbeat" => self.tell_all(&call, b"").await,
            name => Err(Status::unimplemented(format!(
                "{name} has to reach every cluster, which this release of Panko does not do yet; call the clusters themselves"
            ))),
        }
    }

    /// Ends the worker's waiting polls with empty answers, on every control server, and tells the
    /// members, for its sticky queue.
    async fn shutdown_worker(&self, call: Call) -> Result<Bytes, Status> {
        let instance_key =
            last_bytes(&call.body, INSTANCE_KEY).map_err(|e| malformed(call.method, e))?;
        self.tell_all(&call, instance_key).await
    }

    /// The first member's answer once all have answered; the first failure if one fails. When one has
    /// accepted the call, and so knows that the caller may, the worker `leaving` has left (none if it
    /// is empty).
    async fn tell_all(&self, call: &Call, leaving: &[u8]) -> Result<Bytes, Status> {
        let name = last_bytes(&call.body, 1).map_err(|e| malformed(call.method, e))?;
        let members = &self.namespace(name)?.members;
        let left = &AtomicBool::new(leaving.is_empty());
        let calls = members.iter().map(|member| async move {
            let body = call.body.clone();
            let result = member.call(call.method, &call.caller, body, DEADLINE).await;
            if result.is_ok() && !left.swap(true, Ordering::Relaxed) {
                self.pools.worker_left(worker_id(leaving));
                self.replicas.worker_left(leaving).await;
            }
            result.map_err(|status| told_by(member, &status))
        });
        let mut answers = join_all(calls).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(answers.drain(..).next().unwrap_or_default())
    }
}
