//! Text as YAML reads it back.

/// Words that YAML 1.1, which Envoy reads, takes for a boolean or for nothing.
const RESERVED: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// `text` as a YAML scalar: plain where that is safe, else quoted.
#[must_use]
pub(crate) fn scalar(text: &str) -> String {
    let starts_plainly = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let reserved = RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word));
    if starts_plainly && text.chars().all(plain) && !reserved {
        return text.to_owned();
    }
    // A JSON string is a YAML scalar.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn what_yaml_would_misread_is_quoted() {
        for plain in ["a", "east-1", "/etc/panko/a.pem", "panko_filter.wasm"] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in ["", "1", "n", "Off", "-a", "a b", "a, b", "x}", "~"] {
            assert_eq!(scalar(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(scalar(r#"C:\"x""#), r#""C:\\\"x\"""#);
    }
}
