//! Replaces namespace names in a whole message, wherever they are in it.

use panko_proto::names::{At, at};

use super::Error;
use super::fields::{Value, fields, put_bytes};

/// How deep messages may be in each other, as protobuf's own parsers have it.
const DEEPEST: usize = 100;

/// What begins a Nexus link to something in a namespace.
const LINK: &[u8] = b"temporal:///namespaces/";

/// `message`, whose type is `node`, with other names. None if there is nothing to replace.
///
/// `name` gives the new name for one that has another. All else stays byte for byte.
pub fn replaced<'n>(
    message: &[u8],
    node: u16,
    name: &impl Fn(&[u8]) -> Option<&'n [u8]>,
) -> Result<Option<Vec<u8>>, Error> {
    inner(message, node, name, DEEPEST)
}

fn inner<'n>(
    message: &[u8],
    node: u16,
    name: &impl Fn(&[u8]) -> Option<&'n [u8]>,
    deep: usize,
) -> Result<Option<Vec<u8>>, Error> {
    let deep = deep.checked_sub(1).ok_or(Error::TooDeep)?;
    // What has been copied, and up to where.
    let (mut edited, mut position, mut copied) = (Vec::new(), 0, 0);
    for field in fields(message) {
        let field = field?;
        let start = position;
        position += field.raw.len();
        let Some(at) = at(node, field.number) else { continue };
        let Value::Bytes(value) = field.value else { return Err(Error::WireType) };
        let new = match at {
            At::Name => name(value).map(<[u8]>::to_vec),
            At::LinkUrl => link(value, name),
            At::Message(node) => inner(value, node, name, deep)?,
        };
        if let Some(new) = new {
            edited.extend_from_slice(message.get(copied..start).unwrap_or_default());
            put_bytes(&mut edited, field.number, &new);
            copied = position;
        }
    }
    if copied == 0 {
        return Ok(None);
    }
    edited.extend_from_slice(message.get(copied..).unwrap_or_default());
    Ok(Some(edited))
}

fn link<'n>(url: &[u8], name: &impl Fn(&[u8]) -> Option<&'n [u8]>) -> Option<Vec<u8>> {
    let rest = url.strip_prefix(LINK)?;
    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    let (old, after) = rest.split_at_checked(end)?;
    Some([LINK, name(old)?, after].concat())
}
