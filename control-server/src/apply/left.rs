//! What a member that is to leave still has.

use std::fmt;

use tonic::Status;

use crate::locate::lists::LISTS;
use crate::topology::Member;

/// How many pages of a thousand are looked at of each kind.
const PAGES: usize = 100;

/// How many ids are named of each kind.
const NAMED: usize = 10;

/// What a member has.
#[derive(Debug, Clone, Default)]
pub struct Left {
    kinds: Vec<Kind>,
    /// Why it cannot be told.
    unknown: Option<String>,
}

#[derive(Debug, Clone)]
struct Kind {
    kind: &'static str,
    count: usize,
    more: bool,
    first: Vec<String>,
}

impl Left {
    /// Whether there is nothing for certain.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.kinds.is_empty() && self.unknown.is_none()
    }
}

/// Asks the member's own lists: open and closed workflows, schedules, and so on.
pub async fn on(namespace: &str, member: &Member) -> Left {
    let mut left = Left::default();
    if let Err(status) = look(namespace, member, &mut left).await {
        left.unknown = Some(status.message().to_owned());
    }
    left
}

async fn look(namespace: &str, member: &Member, left: &mut Left) -> Result<(), Status> {
    for list in LISTS {
        let (mut count, mut first) = (0, Vec::new());
        let mut note = |id: &[u8]| {
            count += 1;
            if first.len() < NAMED {
                first.push(String::from_utf8_lossy(id).into_owned());
            }
        };
        let whole = list.each(namespace, member, "", PAGES, &mut note).await?;
        if count > 0 {
            left.kinds.push(Kind { kind: list.kind, count, more: !whole, first });
        }
    }
    Ok(())
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |kind: &Kind| {
            let (more, dots) =
                (if kind.more { "more than " } else { "" }, kind.first.len() < kind.count);
            let first = kind.first.join(", ");
            format!(
                "{more}{} of kind {} ({first}{})",
                kind.count,
                kind.kind,
                if dots { ", …" } else { "" }
            )
        };
        let mut parts: Vec<_> = self.kinds.iter().map(kind).collect();
        parts.extend(self.unknown.iter().map(|why| format!("what it does not tell: {why}")));
        match parts.is_empty() {
            true => f.write_str("nothing"),
            false => f.write_str(&parts.join("; ")),
        }
    }
}
