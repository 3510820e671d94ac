//! UUIDs of physical namespaces.

use std::fmt;

/// The UUID that a cluster gave a namespace when it was registered: field 1 of every task token
/// (`temporal.server.api.token.v1`). Random, so it names one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceUuid([u8; 16]);

impl NamespaceUuid {
    /// Reads the text form `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, in either case.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        let mut digits = text.iter().enumerate().filter_map(|(at, &byte)| match (at, byte) {
            (8 | 13 | 18 | 23, b'-') => None,
            (8 | 13 | 18 | 23, _) => Some(None),
            _ => Some((byte as char).to_digit(16)),
        });
        let mut bytes = [0u8; 16];
        for byte in &mut bytes {
            let (high, low) = (digits.next()??, digits.next()??);
            *byte = (high << 4 | low) as u8;
        }
        digits.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for NamespaceUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
