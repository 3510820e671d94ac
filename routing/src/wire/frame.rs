//! The first gRPC frame of a body, and through its gzip to the protobuf fields inside.

use super::gzip::Inflater;
use super::scanner::Scanner;
use super::{Error, gzip};

/// How many bytes of a message are read, inflated or not, in search of what decides. Frontends
/// take no message above 4 MiB (`rpc.MaxHTTPAPIRequestBytes`, grpc-go's default).
pub const MAX_READ: u64 = 4 * 1024 * 1024;

/// Length of a gRPC frame's prefix: a flag and the message's length.
const PREFIX: usize = 5;

/// What a frame with the flag "compressed" is compressed with (`grpc-encoding`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// None was named, or `identity`.
    Identity,
    /// `gzip`.
    Gzip,
    /// One that Panko cannot read.
    Unknown,
}

/// Reads the first frame of a body into a [`Scanner`].
#[derive(Debug)]
pub struct FrameReader {
    prefix: [u8; PREFIX],
    prefix_read: usize,
    /// Bytes of the message that are still to come.
    left: u64,
    /// Bytes given to the scanner.
    read: u64,
    inflater: Option<Box<Inflater>>,
}

/// Why the message cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The bytes are wrong.
    Wire(Error),
    /// The frame is compressed with something that Panko cannot inflate.
    Encoding,
    /// The body ends before its frame does.
    Truncated,
    /// There is no frame at all.
    Empty,
}

impl From<Error> for FrameError {
    fn from(error: Error) -> Self {
        FrameError::Wire(error)
    }
}

impl Drop for FrameReader {
    fn drop(&mut self) {
        if let Some(inflater) = self.inflater.take() {
            gzip::give_back(inflater);
        }
    }
}

impl Default for FrameReader {
    fn default() -> Self {
        Self { prefix: [0; PREFIX], prefix_read: 0, left: 0, read: 0, inflater: None }
    }
}

impl FrameReader {
    /// Takes the body's next bytes, until `done` says that the scanner has what is wanted.
    ///
    /// True once the message is over, or `done`.
    pub fn push(
        &mut self,
        mut body: &[u8],
        encoding: Encoding,
        scanner: &mut Scanner,
        done: impl Fn(&Scanner) -> bool,
    ) -> Result<bool, FrameError> {
        while self.prefix_read < PREFIX {
            let Some((&byte, rest)) = body.split_first() else { return Ok(false) };
            if let Some(slot) = self.prefix.get_mut(self.prefix_read) {
                *slot = byte;
            }
            self.prefix_read += 1;
            body = rest;
            if self.prefix_read == PREFIX {
                self.begin(encoding)?;
            }
        }
        let message = body.get(..usize::try_from(self.left).unwrap_or(usize::MAX)).unwrap_or(body);
        self.left -= message.len() as u64;
        match &mut self.inflater {
            None => {
                let bound = MAX_READ.saturating_sub(self.read);
                scanner.push(message.get(..bound as usize).unwrap_or(message))?;
                self.read += message.len() as u64;
            }
            Some(inflater) => {
                inflater.push(message, |inflated| {
                    self.read += inflated.len() as u64;
                    scanner.push(inflated)?;
                    Ok(done(scanner) || self.read > MAX_READ)
                })?;
            }
        }
        if done(scanner) {
            return Ok(true);
        }
        if self.read > MAX_READ {
            return Err(Error::TooFar.into());
        }
        if self.left == 0 {
            if self.inflater.as_ref().is_some_and(|inflater| !inflater.is_done()) {
                return Err(Error::Gzip.into());
            }
            scanner.finish()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// What to say when the body has ended and the message has not.
    #[must_use]
    pub fn truncated(&self) -> FrameError {
        if self.prefix_read == 0 { FrameError::Empty } else { FrameError::Truncated }
    }

    /// Bytes of the body from here on that the scanner will not look at.
    #[must_use]
    pub fn indifferent(&self, scanner: &Scanner) -> u64 {
        if self.inflater.is_some() { 0 } else { scanner.indifferent().min(self.left) }
    }

    /// Passes over `bytes` of the body unseen, at most [`FrameReader::indifferent`].
    pub fn skip(&mut self, bytes: u64, scanner: &mut Scanner) {
        let bytes = bytes.min(self.indifferent(scanner));
        self.left -= bytes;
        self.read += bytes;
        scanner.skip(bytes);
    }

    fn begin(&mut self, encoding: Encoding) -> Result<(), FrameError> {
        let [flag, length @ ..] = self.prefix;
        self.left = u64::from(u32::from_be_bytes(length));
        match (flag, encoding) {
            (0, _) => Ok(()),
            (1, Encoding::Gzip) => {
                self.inflater = Some(gzip::take());
                Ok(())
            }
            (1, _) => Err(FrameError::Encoding),
            _ => Err(Error::FrameFlag.into()),
        }
    }
}
