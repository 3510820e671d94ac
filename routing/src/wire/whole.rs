//! A whole gRPC message, for what has to be edited.

use std::borrow::Cow;

use super::Error;
use super::frame::{Encoding, FrameError};
use super::gzip;

/// Length of a gRPC frame's prefix: a flag and the message's length.
const PREFIX: usize = 5;

/// The length of the first frame of a body, its prefix included. None as long as that has not come.
#[must_use]
pub fn frame_length(body: &[u8]) -> Option<u64> {
    let (_, length) = body.get(..PREFIX)?.split_first()?;
    Some(u64::from(u32::from_be_bytes(length.try_into().ok()?)) + PREFIX as u64)
}

/// The message in the frame that `body` begins with, all of which has come, inflated.
///
/// Fails when it would have more than `most` bytes, and when it is compressed otherwise than it says.
pub fn message(body: &[u8], encoding: Encoding, most: u64) -> Result<Cow<'_, [u8]>, FrameError> {
    let end = frame_length(body).and_then(|length| usize::try_from(length).ok());
    let message = end.and_then(|end| body.get(PREFIX..end)).ok_or(FrameError::Truncated)?;
    match (body.first(), encoding) {
        (Some(0), _) if message.len() as u64 <= most => Ok(message.into()),
        (Some(0), _) => Err(Error::TooFar.into()),
        (Some(1), Encoding::Gzip) => Ok(inflated(message, most)?.into()),
        (Some(1), _) => Err(FrameError::Encoding),
        _ => Err(Error::FrameFlag.into()),
    }
}

/// A frame with a message that is not compressed.
#[must_use]
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(PREFIX + message.len());
    frame.push(0);
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(message);
    frame
}

fn inflated(compressed: &[u8], most: u64) -> Result<Vec<u8>, Error> {
    let mut inflater = gzip::take();
    inflater.inflate_all();
    let mut whole = Vec::new();
    let result = inflater.push(compressed, |piece| {
        whole.extend_from_slice(piece);
        if whole.len() as u64 > most { Err(Error::TooFar) } else { Ok(false) }
    });
    let done = inflater.is_done();
    gzip::give_back(inflater);
    result?;
    if done { Ok(whole) } else { Err(Error::Gzip) }
}
