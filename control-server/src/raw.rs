//! A codec of raw bytes: messages that pass through are never decoded and encoded again.

use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Messages up to this many bytes get a buffer of their own.
const SMALL: usize = 4096;

/// Hands a message's bytes through, both ways.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = from.remaining();
        // What is small would keep all of the buffer that it came in: 8 KiB for a poll of 200 bytes.
        if length <= SMALL {
            let mut message = vec![0; length];
            from.copy_to_slice(&mut message);
            return Ok(Some(message.into()));
        }
        Ok(Some(from.copy_to_bytes(length)))
    }
}
