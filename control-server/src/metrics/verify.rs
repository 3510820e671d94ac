//! What the leader's looks for duplicates have found.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::verify::Report;

/// Labels of what is said of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NamespaceLabels {
    namespace: String,
}

/// By namespace. Only the control server that leads has any.
#[derive(Debug, Default)]
pub struct Verified {
    duplicates: Family<NamespaceLabels, Gauge>,
    away: Family<NamespaceLabels, Gauge>,
    open: Family<NamespaceLabels, Gauge>,
    incomplete: Family<NamespaceLabels, Gauge>,
    at: Family<NamespaceLabels, Gauge>,
}

impl Verified {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register(
            "verify_duplicates",
            "Workflow ids that were open on several members at the last look",
            self.duplicates.clone(),
        );
        r.register(
            "verify_away",
            "Workflow ids that were open away from where filters look first, at the last look",
            self.away.clone(),
        );
        r.register("verify_open", "Open workflows at the last look", self.open.clone());
        r.register(
            "verify_incomplete",
            "Whether the last look could not see all",
            self.incomplete.clone(),
        );
        r.register(
            "verify_last_whole_seconds",
            "When the last look was over that saw all, since 1970",
            self.at.clone(),
        );
    }

    /// A look is over, at `now` (seconds since 1970).
    pub fn looked(&self, namespace: &str, report: &Report, now: u64) {
        let set = |family: &Family<NamespaceLabels, Gauge>, value: u64| {
            let labels = NamespaceLabels { namespace: namespace.to_owned() };
            family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.duplicates, report.duplicates.len() as u64);
        set(&self.away, report.away);
        set(&self.open, report.open);
        set(&self.incomplete, (!report.incomplete.is_empty()).into());
        if report.incomplete.is_empty() {
            set(&self.at, now);
        }
    }

    /// Another control server looks.
    pub fn forget(&self, namespace: &str) {
        let labels = NamespaceLabels { namespace: namespace.to_owned() };
        for family in [&self.duplicates, &self.away, &self.open, &self.incomplete, &self.at] {
            family.remove(&labels);
        }
    }
}
