//! Inflates as little of a gzip stream as is asked for.

use std::cell::Cell;
use std::fmt;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, TINFL_LZ_DICT_SIZE, decompress_with_limit};

use super::Error;

/// Inflated bytes per step. The deciding fields of most calls are within the first step.
const STEP: usize = 256;

/// A push parser over one gzip stream (RFC 1952), with the 32 KiB window that deflate needs.
///
/// The checksum at the end is not verified: the cluster inflates the whole and does so.
pub struct Inflater {
    header: Header,
    state: DecompressorOxide,
    window: [u8; TINFL_LZ_DICT_SIZE],
    at: usize,
    /// Inflated bytes per step.
    step: usize,
    done: bool,
}

/// How much of the gzip header has been read.
#[derive(Clone, Copy)]
enum Header {
    /// The ten fixed bytes; `flags` is the fourth.
    Fixed {
        read: u8,
        flags: u8,
    },
    /// The two bytes of the extra field's length.
    ExtraLength {
        read: u8,
        length: u16,
        flags: u8,
    },
    Extra {
        left: u16,
        flags: u8,
    },
    /// A zero-terminated file name or comment.
    Text {
        flags: u8,
    },
    Checksum {
        left: u8,
    },
    Over,
}

const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;

thread_local! {
    static SPARE: Cell<Option<Box<Inflater>>> = const { Cell::new(None) };
}

/// An inflater at the beginning of a stream: this thread's spare one, or a new one.
#[must_use]
pub fn take() -> Box<Inflater> {
    let mut inflater = SPARE.take().unwrap_or_else(Inflater::boxed);
    inflater.header = Header::Fixed { read: 0, flags: 0 };
    inflater.state.init();
    (inflater.at, inflater.step) = (0, STEP);
    inflater.done = false;
    inflater
}

/// Keeps an inflater for this thread's next stream: its 43 KiB need not be made anew.
pub fn give_back(inflater: Box<Inflater>) {
    SPARE.set(Some(inflater));
}

impl Inflater {
    fn boxed() -> Box<Self> {
        Box::new(Self {
            header: Header::Over,
            state: DecompressorOxide::new(),
            window: [0; TINFL_LZ_DICT_SIZE],
            at: 0,
            step: STEP,
            done: false,
        })
    }

    /// Inflates in steps as large as they can be: all of the stream is wanted.
    pub fn inflate_all(&mut self) {
        self.step = TINFL_LZ_DICT_SIZE;
    }

    /// Whether the deflate stream has come to its end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Takes the stream's next bytes and hands what they inflate to, in small pieces, to `each`,
    /// until that returns true (enough) or an error.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        while let (false, Some((&byte, rest))) =
            (matches!(self.header, Header::Over), bytes.split_first())
        {
            self.header = self.header.push(byte)?;
            bytes = rest;
        }
        while !self.done && matches!(self.header, Header::Over) {
            let (status, read, written) = decompress_with_limit(
                &mut self.state,
                bytes,
                &mut self.window,
                self.at,
                self.step,
                TINFL_FLAG_HAS_MORE_INPUT,
            );
            bytes = bytes.get(read..).unwrap_or_default();
            let inflated = self.window.get(self.at..self.at + written).unwrap_or_default();
            let enough = !inflated.is_empty() && each(inflated)?;
            self.at = (self.at + written) % TINFL_LZ_DICT_SIZE;
            match status {
                TINFLStatus::Done => self.done = true,
                TINFLStatus::HasMoreOutput => {}
                TINFLStatus::NeedsMoreInput => return Ok(()),
                _ => return Err(Error::Gzip),
            }
            if enough {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Header {
    fn push(self, byte: u8) -> Result<Header, Error> {
        Ok(match self {
            Header::Fixed { read, flags } => {
                let expected = match read {
                    0 => Some(0x1f),
                    1 => Some(0x8b),
                    2 => Some(8),
                    _ => None,
                };
                if expected.is_some_and(|expected| expected != byte) {
                    return Err(Error::Gzip);
                }
                let flags = if read == 3 { byte } else { flags };
                if read == 9 {
                    Header::next(flags)
                } else {
                    Header::Fixed { read: read + 1, flags }
                }
            }
            Header::ExtraLength { read, length, flags } => {
                let length = length | u16::from(byte) << (8 * read);
                match (read, length) {
                    (0, _) => Header::ExtraLength { read: 1, length, flags },
                    (_, 0) => Header::next(flags),
                    (_, left) => Header::Extra { left, flags },
                }
            }
            Header::Extra { left: 1, flags } => Header::next(flags),
            Header::Extra { left, flags } => Header::Extra { left: left - 1, flags },
            Header::Text { flags } if byte == 0 => Header::next(flags),
            Header::Text { flags } => Header::Text { flags },
            Header::Checksum { left: 1 } | Header::Over => Header::Over,
            Header::Checksum { left } => Header::Checksum { left: left - 1 },
        })
    }

    /// The part that the remaining flags announce, in RFC 1952's order, its flag cleared.
    fn next(flags: u8) -> Header {
        if flags & FEXTRA != 0 {
            Header::ExtraLength { read: 0, length: 0, flags: flags & !FEXTRA }
        } else if flags & FNAME != 0 {
            Header::Text { flags: flags & !FNAME }
        } else if flags & FCOMMENT != 0 {
            Header::Text { flags: flags & !FCOMMENT }
        } else if flags & FHCRC != 0 {
            Header::Checksum { left: 2 }
        } else {
            Header::Over
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("done", &self.done).finish_non_exhaustive()
    }
}
