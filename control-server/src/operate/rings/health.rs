//! How members do, by what the control servers count over a while.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::show;

/// Of fewer than so many, 99 of 100 means nothing.
const ENOUGH: f64 = 20.0;

/// When it is not well.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of the starts how many may fail, of 1.
    pub max_error_rate: f64,
    /// In which time 99 of 100 have to be done.
    pub max_start_p99: Option<Duration>,
    /// Of the tasks how many have to find a waiting poll, of 1.
    pub min_poll_sync: Option<f64>,
}

/// What has been counted since the first look.
#[derive(Debug)]
pub struct Health {
    namespace: String,
    /// The members that are watched.
    starts: BTreeMap<String, Starts>,
    tasks: f64,
    synced: f64,
    /// By control server: what each series showed at the last look.
    last: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Starts at one member.
#[derive(Debug, Clone, Default, PartialEq)]
struct Starts {
    all: f64,
    failed: f64,
    /// How many took no longer, by the time in seconds as the metrics write it.
    within: Vec<(f64, f64)>,
}

impl Health {
    /// Of these members; nothing has been seen yet.
    pub fn new(namespace: &str, members: &[String]) -> Self {
        let starts = members.iter().map(|member| (member.clone(), Starts::default())).collect();
        let (namespace, last) = (namespace.to_owned(), BTreeMap::new());
        Self { namespace, starts, tasks: 0.0, synced: 0.0, last }
    }

    /// Takes what each control server shows. The first look at one only begins its count; what a restart has set back
    /// counts from 0.
    pub fn look(&mut self, of_each: &BTreeMap<String, String>) {
        for (server, text) in of_each {
            let now: BTreeMap<String, f64> = text.lines().filter_map(series).collect();
            let before = self.last.insert(server.clone(), now.clone());
            let Some(before) = before else { continue };
            for (name, value) in now {
                let was = before.get(&name).copied().unwrap_or(0.0);
                let more = if value < was { value } else { value - was };
                if more > 0.0 {
                    self.count(&name, more);
                }
            }
        }
    }

    fn count(&mut self, series: &str, more: f64) {
        if label(series, "namespace") != Some(&self.namespace) {
            return;
        }
        let name = series.split('{').next().unwrap_or_default();
        match name {
            "panko_tasks_handed_over_total" => self.tasks += more,
            "panko_tasks_poll_sync_total" => self.synced += more,
            _ => {}
        }
        let member = label(series, "member").and_then(|member| self.starts.get_mut(member));
        let Some(starts) = member else { return };
        match (name, label(series, "le").and_then(|le| le.parse().ok())) {
            ("panko_start_seconds_count", _) => {
                starts.all += more;
                if label(series, "outcome") == Some("failed") {
                    starts.failed += more;
                }
            }
            ("panko_start_seconds_bucket", Some(seconds)) => starts.took(seconds, more),
            _ => {}
        }
    }

    /// Which limit has been passed, if one has.
    pub fn judge(&self, limits: &Limits) -> Option<String> {
        for (member, starts) in &self.starts {
            let rate = starts.error_rate();
            if rate > limits.max_error_rate {
                return Some(format!(
                    "{} of {} starts at {member} have failed, which is more than {:.1} %",
                    starts.failed,
                    starts.all,
                    limits.max_error_rate * 100.0
                ));
            }
            let p99 = starts.p99().filter(|_| starts.all >= ENOUGH);
            if let (Some(p99), Some(limit)) = (p99, limits.max_start_p99)
                && p99 > limit.as_secs_f64()
            {
                let limit = humantime::format_duration(limit);
                return Some(format!(
                    "more than 1 % of the starts at {member} took longer than {limit}"
                ));
            }
        }
        let sync = self.poll_sync().filter(|_| self.tasks >= ENOUGH);
        if let (Some(sync), Some(limit)) = (sync, limits.min_poll_sync)
            && sync < limit
        {
            let (sync, limit) = (sync * 100.0, limit * 100.0);
            return Some(format!(
                "{sync:.1} % of the tasks found a waiting poll, which is less than {limit:.1} %"
            ));
        }
        None
    }

    fn poll_sync(&self) -> Option<f64> {
        (self.tasks > 0.0).then(|| self.synced / self.tasks)
    }

    /// For people.
    pub fn table(&self) -> comfy_table::Table {
        let mut rows = show::table(&["member", "starts", "failed", "99 % within", "poll sync"]);
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let sync = self.poll_sync().map_or("no task".to_owned(), percent);
        for (member, starts) in &self.starts {
            let (failed, within) = match starts.p99() {
                Some(p99) => (percent(starts.error_rate()), seconds(p99)),
                None => ("no start".to_owned(), "no start".to_owned()),
            };
            rows.add_row([member, &starts.all.to_string(), &failed, &within, &sync]);
        }
        rows
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let members = self.starts.iter().map(|(member, starts)| {
            json!({
                "member": member, "starts": starts.all, "failed": starts.failed,
                "p99_seconds": starts.p99().filter(|p99| p99.is_finite()),
            })
        });
        json!({ "members": Value::from_iter(members), "tasks": self.tasks, "poll_sync": self.poll_sync() })
    }
}

impl Starts {
    /// So many more took no longer than this.
    fn took(&mut self, seconds: f64, more: f64) {
        match self.within.iter_mut().find(|(within, _)| *within == seconds) {
            Some((_, count)) => *count += more,
            None => {
                self.within.push((seconds, more));
                self.within.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            }
        }
    }

    fn error_rate(&self) -> f64 {
        if self.all > 0.0 { self.failed / self.all } else { 0.0 }
    }

    /// In which time 99 of 100 were done, as far as the buckets tell; none without a start.
    fn p99(&self) -> Option<f64> {
        let within = self.within.iter().find(|(_, count)| *count >= self.all * 0.99);
        (self.all > 0.0).then(|| within.map_or(f64::INFINITY, |(within, _)| *within))
    }
}

fn seconds(of: f64) -> String {
    if of.is_finite() { format!("{of:.3} s") } else { "longer than counted".to_owned() }
}

/// A line of the metrics: the series, and its value.
fn series(line: &str) -> Option<(String, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    (!line.starts_with('#')).then_some((series.to_owned(), value.parse().ok()?))
}

/// A label's value. Names of namespaces and members have nothing that would be escaped.
fn label<'a>(series: &'a str, name: &str) -> Option<&'a str> {
    let (_, labels) = series.trim_end_matches('}').split_once('{')?;
    let value = labels.split(',').find_map(|label| label.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_error_rate: 0.01,
        max_start_p99: Some(Duration::from_millis(500)),
        min_poll_sync: Some(0.9),
    };

    /// What a control server shows after so many starts at `b`, and so many that failed.
    fn shows(ok: u32, failed: u32, slow: u32) -> BTreeMap<String, String> {
        let text = format!(
            r#"# TYPE panko_start_seconds histogram
panko_start_seconds_count{{namespace="default",member="b",outcome="ok"}} {all}
panko_start_seconds_bucket{{le="0.256",namespace="default",member="b",outcome="ok"}} {ok}
panko_start_seconds_bucket{{le="1.024",namespace="default",member="b",outcome="ok"}} {all}
panko_start_seconds_bucket{{le="+Inf",namespace="default",member="b",outcome="ok"}} {all}
panko_start_seconds_count{{namespace="default",member="b",outcome="failed"}} {failed}
panko_start_seconds_bucket{{le="1.024",namespace="default",member="b",outcome="failed"}} {failed}
panko_start_seconds_count{{namespace="default",member="a",outcome="failed"}} 1000
panko_start_seconds_count{{namespace="other",member="b",outcome="failed"}} 1000
"#,
            all = ok + slow
        );
        [("server".to_owned(), text)].into()
    }

    fn after(first: BTreeMap<String, String>, second: BTreeMap<String, String>) -> Health {
        let mut health = Health::new("default", &["b".to_owned()]);
        health.look(&first);
        health.look(&second);
        health
    }

    #[test]
    fn what_was_before_does_not_count() {
        let health = after(shows(100, 100, 100), shows(200, 100, 100));
        assert_eq!(health.judge(&LIMITS), None);
        assert_eq!((health.starts["b"].all, health.starts["b"].p99()), (100.0, Some(0.256)));
    }

    #[test]
    fn failures_and_slow_starts_trip() {
        let failed = after(shows(100, 0, 0), shows(198, 2, 0)).judge(&LIMITS).unwrap();
        assert!(failed.contains("2 of 100 starts at b have failed"), "{failed}");
        let slow = after(shows(0, 0, 0), shows(98, 0, 2)).judge(&LIMITS).unwrap();
        assert!(slow.contains("took longer than 500ms"), "{slow}");
        assert_eq!(after(shows(0, 0, 0), shows(99, 0, 1)).judge(&LIMITS), None);
    }

    #[test]
    fn a_control_server_that_was_restarted_counts_from_nothing() {
        let health = after(shows(1000, 0, 0), shows(5, 1, 0));
        assert_eq!((health.starts["b"].all, health.starts["b"].failed), (6.0, 1.0));
    }

    #[test]
    fn tasks_that_wait_trip() {
        let shows = |synced: u32| {
            let text = format!(
                "panko_tasks_handed_over_total{{namespace=\"default\",method=\"p\"}} {}\npanko_tasks_poll_sync_total{{namespace=\"default\",method=\"p\"}} {synced}\n",
                synced * 2
            );
            BTreeMap::from([("server".to_owned(), text)])
        };
        let why = after(shows(0), shows(50)).judge(&LIMITS).unwrap();
        assert!(why.contains("50.0 % of the tasks"), "{why}");
    }
}
