//! Reading what is on the wire, as little of it as decides.
//!
//! A request body is gRPC frames, the first one perhaps gzip, inside it protobuf. Each layer is a
//! push parser: it takes the next bytes in chunks of any size, keeps what it must across chunks,
//! and never holds the message.

pub mod fields;
pub mod frame;
pub mod gzip;
pub mod names;
pub mod scanner;
pub mod whole;

/// Why bytes are not the protobuf message, the frame or the gzip stream that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The message ends inside a field.
    #[error("the message ends inside a field")]
    Truncated,
    /// A varint of more than ten bytes, or one that does not fit its place.
    #[error("a varint is too long")]
    Varint,
    /// Field number 0, or a wire type that proto3 does not have (groups included).
    #[error("a field has an invalid tag")]
    Tag,
    /// A field that decides has another wire type than the API gives it.
    #[error("the field that decides has the wrong wire type")]
    WireType,
    /// A nested message that is longer than the one around it.
    #[error("a nested message is longer than the message around it")]
    Overrun,
    /// An id longer than any server takes ([`scanner::MAX_VALUE`] bytes).
    #[error("an id is longer than {max} bytes", max = scanner::MAX_VALUE)]
    ValueTooLong,
    /// The gRPC frame's flag byte is neither 0 nor 1.
    #[error("the gRPC frame has an invalid flag")]
    FrameFlag,
    /// Not a gzip stream, or a corrupt one.
    #[error("the gzip stream is corrupt")]
    Gzip,
    /// Messages in each other, deeper than protobuf's own parsers go.
    #[error("messages are in each other more than 100 deep")]
    TooDeep,
    /// The fields that decide did not come within [`frame::MAX_READ`] bytes.
    #[error("the fields that decide are not within the first {max} bytes", max = frame::MAX_READ)]
    TooFar,
}
