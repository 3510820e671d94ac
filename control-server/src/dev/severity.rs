//! How serious a line of a log is.

/// How serious a line of a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Trace and debug.
    Debug,
    /// What is expected.
    Info,
    /// What may need a look.
    Warn,
    /// What has gone wrong.
    Error,
}

/// In all the formats of Temporal (slog, zap), Envoy (spdlog) and Panko (tracing; text and JSON
/// alike) the level is among the first few words of letters.
const WORDS: usize = 6;

/// Reads the severity of a log line; `None` when it does not tell, as in a stack trace.
#[must_use]
pub fn severity(line: &str) -> Option<Severity> {
    let words = line.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    words.take(WORDS).find_map(|word| {
        Some(match word.to_ascii_lowercase().as_str() {
            "trace" | "debug" => Severity::Debug,
            "info" => Severity::Info,
            "warn" | "warning" => Severity::Warn,
            "error" | "critical" | "fatal" | "panic" | "dpanic" => Severity::Error,
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_programs_format_is_understood() {
        let lines = [
            (r#"time=2026-11-21T10:00:19.566 level=INFO msg="a warning""#, Severity::Info),
            ("2026-11-21T10:00:19.117Z\twarn\tFailed to poll for task.\t{}", Severity::Warn),
            (r#"{"level":"error","ts":"2026-11-21T10:00:19.117Z","msg":"x"}"#, Severity::Error),
            (
                "[2026-11-21 10:00:24.209][17658][warning][main] [source/server.cc] x",
                Severity::Warn,
            ),
            ("[2026-11-21 10:00:24.209][17658][critical][wasm] panko: x", Severity::Error),
            ("2026-11-21T10:00:24.209123Z  INFO panko::serve: an error is counted", Severity::Info),
            (
                r#"{"timestamp":"2026-11-21T10:00:24.2Z","level":"DEBUG","fields":{}}"#,
                Severity::Debug,
            ),
            ("panic: runtime error: index out of range", Severity::Error),
        ];
        for (line, expected) in lines {
            assert_eq!(severity(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_line_without_a_level_has_none() {
        for line in ["", "goroutine 1 [running]:", "Server:  localhost:7233", "\tmain.go:12 +0x1d"]
        {
            assert_eq!(severity(line), None, "{line}");
        }
    }
}
