//! gRPC's framing of messages: a flag, a length, the message.

use std::io::Write;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};
use h2::RecvStream;

/// Bytes before each message.
pub const PREFIX: usize = 5;

/// A message as it is.
pub fn plain(message: &[u8]) -> Bytes {
    frame(0, message)
}

/// A message with gzip, for calls that say `grpc-encoding: gzip`.
pub fn gzip(message: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message)?;
    Ok(frame(1, &encoder.finish()?))
}

fn frame(flag: u8, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + message.len());
    frame.put_u8(flag);
    frame.put_u32(message.len() as u32);
    frame.put_slice(message);
    frame.freeze()
}

/// The length of the message that a prefix announces.
pub fn announced(prefix: [u8; PREFIX]) -> usize {
    let [_flag, length @ ..] = prefix;
    u32::from_be_bytes(length) as usize
}

/// All of a body that is small, as it comes.
pub async fn read(mut body: RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut read = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        read.extend_from_slice(&chunk);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_announces_its_message() {
        let frame = plain(&[7; 300]);
        assert_eq!(frame.len(), PREFIX + 300);
        assert_eq!(announced(frame[..PREFIX].try_into().unwrap()), 300);
    }
}
