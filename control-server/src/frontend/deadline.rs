//! The `grpc-timeout` header.

use std::time::Duration;

/// Reads a timeout as gRPC writes it: at most eight digits and a unit.
#[must_use]
pub fn parse(timeout: &str) -> Option<Duration> {
    let unit = timeout.chars().next_back().filter(char::is_ascii)?;
    let digits = timeout.get(..timeout.len() - 1)?;
    if digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(n * 3600),
        'M' => Duration::from_secs(n * 60),
        'S' => Duration::from_secs(n),
        'm' => Duration::from_millis(n),
        'u' => Duration::from_micros(n),
        'n' => Duration::from_nanos(n),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read_and_nothing_else() {
        assert_eq!(parse("70S"), Some(Duration::from_secs(70)));
        assert_eq!(parse("69999m"), Some(Duration::from_millis(69_999)));
        assert_eq!(parse("5M"), Some(Duration::from_secs(300)));
        assert_eq!(parse("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(parse("7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse("7n"), Some(Duration::from_nanos(7)));
        for wrong in ["", "S", "70", "-1S", "123456789S", "7d", "7é"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
