//! Finds a few fields in a protobuf message that arrives in pieces.

use super::Error;

/// The longest id that is read, in bytes. Temporal's default limit for ids is 1,000
/// (`limit.maxIDLength`).
pub const MAX_VALUE: usize = 8 * 1024;

/// The most fields that one scan looks for: a namespace and two alternatives for a key.
pub const MAX_WANTED: usize = 3;

/// The deepest path (`update_ref.workflow_execution.workflow_id`, `operations.start_workflow.…`).
pub const MAX_DEPTH: usize = 4;

/// A push parser over one protobuf message that keeps the values of the wanted fields.
///
/// The first occurrence of a field with a value decides; a later one is not looked for
/// (`docs/design/first-field-wins.md` says why that is safe). Fields may come in any order.
#[derive(Debug)]
pub struct Scanner {
    wanted: [Wanted; MAX_WANTED],
    count: usize,
    /// End offsets of the nested messages that the position is in.
    ends: [u64; MAX_DEPTH],
    /// Field numbers from the root to the nested message that the position is in.
    path: [u32; MAX_DEPTH],
    depth: usize,
    /// Bytes consumed so far.
    position: u64,
    state: State,
}

/// A wanted field and what was found of it.
#[derive(Debug, Default)]
struct Wanted {
    path: &'static [u32],
    value: Vec<u8>,
    found: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between fields, or inside a tag's varint.
    Tag(Varint),
    /// Inside the length of a length-delimited field.
    Length { field: u32, varint: Varint },
    /// Inside a varint value that nobody wants.
    SkipVarint(Varint),
    /// Inside bytes that nobody wants.
    Skip { left: u64 },
    /// Inside the value of a wanted field.
    Value { wanted: usize, left: u64 },
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Varint {
    value: u64,
    bytes: u32,
}

impl Varint {
    /// Takes the next byte; the value once the varint is complete.
    fn push(&mut self, byte: u8) -> Result<Option<u64>, Error> {
        let low = u64::from(byte & 0x7f);
        if self.bytes > 9 || (self.bytes == 9 && low > 1) {
            return Err(Error::Varint);
        }
        self.value |= low << (7 * self.bytes);
        self.bytes += 1;
        Ok((byte & 0x80 == 0).then_some(self.value))
    }
}

impl Scanner {
    /// A scanner for the fields at these paths, [`MAX_WANTED`] at most, each [`MAX_DEPTH`] deep at
    /// most. What is beyond is not looked for.
    #[must_use]
    pub fn new(paths: impl IntoIterator<Item = &'static [u32]>) -> Self {
        let mut wanted: [Wanted; MAX_WANTED] = Default::default();
        let mut count = 0;
        for (slot, path) in wanted.iter_mut().zip(paths) {
            slot.path = path;
            count += 1;
        }
        Self {
            wanted,
            count,
            ends: [0; MAX_DEPTH],
            path: [0; MAX_DEPTH],
            depth: 0,
            position: 0,
            state: State::Tag(Varint::default()),
        }
    }

    /// The value of the n-th wanted field, once it is complete and not empty.
    #[must_use]
    pub fn value(&self, n: usize) -> Option<&[u8]> {
        self.wanted.get(n).filter(|w| w.found).map(|w| w.value.as_slice())
    }

    /// Whether the n-th wanted field has been found.
    #[must_use]
    pub fn has(&self, n: usize) -> bool {
        self.wanted.get(n).is_some_and(|w| w.found)
    }

    /// How many of the next bytes cannot matter: the caller need not even fetch them, if it says
    /// so with [`Scanner::skip`].
    #[must_use]
    pub fn indifferent(&self) -> u64 {
        match self.state {
            State::Skip { left } => left,
            _ => 0,
        }
    }

    /// Passes over `bytes` of the message unseen, at most [`Scanner::indifferent`].
    pub fn skip(&mut self, bytes: u64) {
        if let State::Skip { left } = self.state {
            let bytes = bytes.min(left);
            self.position += bytes;
            self.after_bytes(State::Skip { left: left - bytes });
        }
    }

    /// Takes the message's next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.state {
                State::Skip { left } => {
                    let n = clamp(left, bytes.len());
                    self.position += n as u64;
                    bytes = bytes.get(n..).unwrap_or_default();
                    self.after_bytes(State::Skip { left: left - n as u64 });
                }
                State::Value { wanted, left } => {
                    let n = clamp(left, bytes.len());
                    let (value, rest) = bytes.split_at(n);
                    if let Some(slot) = self.wanted.get_mut(wanted) {
                        slot.value.extend_from_slice(value);
                        slot.found = left == n as u64;
                    }
                    self.position += n as u64;
                    bytes = rest;
                    self.after_bytes(State::Value { wanted, left: left - n as u64 });
                }
                _ => {
                    let Some((&byte, rest)) = bytes.split_first() else { break };
                    bytes = rest;
                    self.position += 1;
                    self.step(byte)?;
                }
            }
        }
        Ok(())
    }

    /// Says that the message is complete. Fails when it ends inside a field.
    pub fn finish(&self) -> Result<(), Error> {
        let between = self.state == State::Tag(Varint::default());
        if between && self.depth == 0 { Ok(()) } else { Err(Error::Truncated) }
    }

    /// One byte of a tag, a length or a varint value.
    fn step(&mut self, byte: u8) -> Result<(), Error> {
        match &mut self.state {
            State::Tag(varint) => {
                let Some(tag) = varint.push(byte)? else { return self.inside() };
                self.begin_field(tag)?;
            }
            State::SkipVarint(varint) => {
                if varint.push(byte)?.is_none() {
                    return self.inside();
                }
                self.end_field();
            }
            State::Length { field, varint } => {
                let Some(length) = varint.push(byte)? else { return self.inside() };
                let field = *field;
                self.begin_bytes(field, length)?;
            }
            State::Skip { .. } | State::Value { .. } => {}
        }
        Ok(())
    }

    fn begin_field(&mut self, tag: u64) -> Result<(), Error> {
        let field = u32::try_from(tag >> 3).map_err(|_| Error::Tag)?;
        if field == 0 || field > 0x1fff_ffff {
            return Err(Error::Tag);
        }
        let wire_type = tag & 7;
        if wire_type != 2 && self.on_the_way(field).is_some() {
            return Err(Error::WireType);
        }
        self.state = match wire_type {
            0 => State::SkipVarint(Varint::default()),
            1 => State::Skip { left: 8 },
            2 => State::Length { field, varint: Varint::default() },
            5 => State::Skip { left: 4 },
            _ => return Err(Error::Tag),
        };
        self.fits(if let State::Skip { left } = self.state { left } else { 1 })
    }

    /// A length-delimited field: a wanted value, a message on the way to one, or nothing to us.
    fn begin_bytes(&mut self, field: u32, length: u64) -> Result<(), Error> {
        self.fits(length)?;
        let next = match self.on_the_way(field) {
            Some(Match::Value(wanted)) => {
                if length > MAX_VALUE as u64 {
                    return Err(Error::ValueTooLong);
                }
                State::Value { wanted, left: length }
            }
            Some(Match::Message) => {
                let (end, path) = (self.ends.get_mut(self.depth), self.path.get_mut(self.depth));
                if let (Some(end), Some(path)) = (end, path) {
                    *end = self.position + length;
                    *path = field;
                    self.depth += 1;
                }
                self.end_field();
                return Ok(());
            }
            None => State::Skip { left: length },
        };
        self.after_bytes(next);
        Ok(())
    }

    /// What a field of the current message is to the scan.
    fn on_the_way(&self, field: u32) -> Option<Match> {
        let here = self.path.get(..self.depth)?;
        self.wanted.iter().take(self.count).enumerate().find_map(|(n, wanted)| {
            let (&next, below) = wanted.path.strip_prefix(here)?.split_first()?;
            match (next == field && !wanted.found, below.is_empty()) {
                (true, true) => Some(Match::Value(n)),
                (true, false) => Some(Match::Message),
                (false, _) => None,
            }
        })
    }

    /// Ends the field if nothing of it is left.
    fn after_bytes(&mut self, state: State) {
        match state {
            State::Skip { left: 0 } | State::Value { left: 0, .. } => self.end_field(),
            _ => self.state = state,
        }
    }

    /// After a field: leaves the nested messages that end here.
    fn end_field(&mut self) {
        while self.depth > 0 && self.end() == self.position {
            self.depth -= 1;
        }
        self.state = State::Tag(Varint::default());
    }

    /// Whether `bytes` more fit into the current nested message.
    fn fits(&self, bytes: u64) -> Result<(), Error> {
        let end = self.position.checked_add(bytes).ok_or(Error::Overrun)?;
        if self.depth > 0 && end > self.end() { Err(Error::Overrun) } else { Ok(()) }
    }

    /// Inside a varint there has to be room for another byte.
    fn inside(&self) -> Result<(), Error> {
        self.fits(1)
    }

    fn end(&self) -> u64 {
        self.depth.checked_sub(1).and_then(|at| self.ends.get(at)).copied().unwrap_or(u64::MAX)
    }
}

enum Match {
    Value(usize),
    Message,
}

/// The smaller of a count of wanted bytes and a slice's length.
fn clamp(left: u64, available: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(available)
}
