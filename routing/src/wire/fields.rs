//! The top-level fields of a complete message, as they lie in its bytes.

use super::Error;

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field's number.
    pub number: u32,
    /// Its value.
    pub value: Value<'a>,
    /// Tag and value as they stand in the message: what to copy when the field passes through.
    pub raw: &'a [u8],
}

/// A field's value by wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire types 1 and 5, little-endian.
    Fixed(&'a [u8]),
    /// Wire type 2: strings, bytes, messages, packed lists.
    Bytes(&'a [u8]),
}

/// Iterates over the fields of `message`; the last item is the error, if it has one.
pub fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, Error>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = next_field(&mut rest);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

/// The last value of a length-delimited field, as protobuf says (empty when it is not there).
pub fn last_bytes(message: &[u8], number: u32) -> Result<&[u8], Error> {
    let mut last: &[u8] = &[];
    for field in fields(message) {
        let field = field?;
        match field.value {
            Value::Bytes(bytes) if field.number == number => last = bytes,
            _ => {}
        }
    }
    Ok(last)
}

/// The first value that is not empty at the end of a path of field numbers: the one by which a call is
/// routed (`docs/design/first-field-wins.md`). None if there is none.
pub fn first_at<'a>(message: &'a [u8], path: &[u32]) -> Result<Option<&'a [u8]>, Error> {
    let Some((&number, below)) = path.split_first() else {
        return Ok(Some(message).filter(|value| !value.is_empty()));
    };
    for field in fields(message) {
        let field = field?;
        if let (true, Value::Bytes(bytes)) = (field.number == number, field.value)
            && let Some(found) = first_at(bytes, below)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length-delimited field.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a varint field.
pub fn put_uint(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, value);
}

fn next_field<'a>(rest: &mut &'a [u8]) -> Result<Field<'a>, Error> {
    let start = *rest;
    let tag = varint(rest)?;
    let number = u32::try_from(tag >> 3).map_err(|_| Error::Tag)?;
    if number == 0 || number > 0x1fff_ffff {
        return Err(Error::Tag);
    }
    let value = match tag & 7 {
        0 => Value::Varint(varint(rest)?),
        1 => Value::Fixed(take(rest, 8)?),
        2 => {
            let length = varint(rest)?;
            Value::Bytes(take(rest, usize::try_from(length).map_err(|_| Error::Truncated)?)?)
        }
        5 => Value::Fixed(take(rest, 4)?),
        _ => return Err(Error::Tag),
    };
    let raw = start.get(..start.len() - rest.len()).unwrap_or_default();
    Ok(Field { number, value, raw })
}

fn varint(rest: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, tail) = rest.split_first().ok_or(Error::Truncated)?;
        *rest = tail;
        if shift == 63 && byte > 1 {
            return Err(Error::Varint);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::Varint)
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Result<&'a [u8], Error> {
    let (head, tail) = rest.split_at_checked(n).ok_or(Error::Truncated)?;
    *rest = tail;
    Ok(head)
}
