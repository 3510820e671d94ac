//! Starts that go through a control server, by the member that gets them.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tonic::Code;

/// Labels of starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StartLabels {
    namespace: String,
    member: String,
    outcome: &'static str,
}

/// How long starts take, from their turn to their answer.
#[derive(Debug)]
pub struct Starts(Family<StartLabels, Histogram, fn() -> Histogram>);

impl Default for Starts {
    fn default() -> Self {
        // A millisecond to four seconds, which is as long as one may take.
        Self(Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 13))))
    }
}

impl Starts {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "start_seconds",
            "How long starts took that a control server sent on: ok, refused by the cluster, or failed",
            self.0.clone(),
        );
    }

    /// A start has ended with this code.
    pub fn ended(&self, namespace: &str, member: &str, code: Code, took: Duration) {
        let (namespace, member) = (namespace.to_owned(), member.to_owned());
        let labels = StartLabels { namespace, member, outcome: outcome(code) };
        self.0.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

/// Whether a cluster did what it was asked, said that it may not be done, or did not do its part.
fn outcome(code: Code) -> &'static str {
    use Code::{
        Cancelled, DataLoss, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown,
    };
    match code {
        Code::Ok => "ok",
        Cancelled | DataLoss | DeadlineExceeded | Internal | ResourceExhausted | Unavailable
        | Unknown => "failed",
        _ => "refused",
    }
}
