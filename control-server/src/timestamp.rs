//! `google.protobuf.Timestamp` on the wire.

use panko_routing::wire::Error;
use panko_routing::wire::fields::{Value, fields};

/// A timestamp's nanoseconds since 1970.
pub fn nanos(timestamp: &[u8]) -> Result<i128, Error> {
    let mut total = 0;
    for field in fields(timestamp) {
        let field = field?;
        match (field.number, field.value) {
            // Both are two's complement on the wire.
            (1, Value::Varint(seconds)) => total += i128::from(seconds as i64) * 1_000_000_000,
            (2, Value::Varint(nanos)) => total += i128::from(nanos as i64),
            _ => {}
        }
    }
    Ok(total)
}
