//! One member's rows, page by page.

use std::collections::VecDeque;

use bytes::Bytes;
use tonic::Status;

use super::super::page_token::Position;
use super::row::RowKey;

/// A page as a member gave it.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    /// Its rows, in the member's order.
    pub rows: Vec<(RowKey, Bytes)>,
    /// The member's token for what follows; empty at the end.
    pub next: Bytes,
}

/// Where the pages come from.
pub(super) trait Source {
    /// The page of at most `size` rows that a token of the member's gets; an empty one gets the first.
    fn page(&self, token: Bytes, size: usize) -> impl Future<Output = Result<Page, Status>> + Send;
}

/// How far a member has been read, and what has been fetched and not yet given out.
#[derive(Debug)]
pub(super) struct Pages<S> {
    source: S,
    position: Position,
    fetched: VecDeque<(RowKey, Bytes)>,
    /// What follows `fetched`; `None` while nothing has been fetched.
    next: Option<Bytes>,
    /// Whether the last row given out is behind us: in this page, or in one before it. The page that a
    /// token gets may be smaller now than it was.
    passed: bool,
}

/// The most pages without a row to give that are read in one go: those whose rows have all been given
/// out, and Elasticsearch's empty last one.
const EMPTY_PAGES: usize = 100;

impl<S: Source> Pages<S> {
    /// From a position on.
    pub(super) fn new(source: S, position: Position) -> Self {
        Self { source, position, fetched: VecDeque::new(), next: None, passed: false }
    }

    /// Makes sure that the next row is there, if there is one. Pages of `size` rows are fetched.
    pub(super) async fn fill(&mut self, size: usize) -> Result<(), Status> {
        for _ in 0..EMPTY_PAGES {
            if !self.fetched.is_empty() {
                return Ok(());
            }
            if let Some(next) = self.next.take() {
                self.position = self.after_page(next);
            }
            let Position::In { token, after } = &self.position else { return Ok(()) };
            let page = self.source.page(token.clone(), size).await?;
            self.next = Some(page.next);
            let (rows, passed) = rest(page.rows, after.as_ref());
            (self.fetched, self.passed) = (rows.into(), passed);
        }
        Err(Status::internal("a member's list goes on without rows; ask again with another query"))
    }

    /// The next row's key. [`Pages::fill`] comes before it.
    pub(super) fn head(&self) -> Option<&RowKey> {
        self.fetched.front().map(|(key, _)| key)
    }

    /// Gives out the next row.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let (key, row) = self.fetched.pop_front()?;
        if let Position::In { after, .. } = &mut self.position {
            *after = Some(key);
            self.passed = true;
        }
        Some(row)
    }

    /// Says that the member has no part in this listing.
    pub(super) fn skip(&mut self) {
        (self.position, self.next) = (Position::Skipped, None);
        self.fetched.clear();
    }

    /// Where to go on.
    pub(super) fn position(mut self) -> Position {
        match self.next.take() {
            Some(next) if self.fetched.is_empty() => self.after_page(next),
            _ => self.position,
        }
    }

    /// Where the page ends whose token for what follows is `next`.
    fn after_page(&self, next: Bytes) -> Position {
        match &self.position {
            Position::In { .. } if next.is_empty() => Position::Done,
            Position::In { after, .. } => {
                let after = after.clone().filter(|_| !self.passed);
                Position::In { token: next, after }
            }
            other => other.clone(),
        }
    }
}

/// The rows of a page that come after one that has been given out, and whether that one is in the page.
/// It may have moved meanwhile, when it closed: then what comes after its old place.
fn rest(mut rows: Vec<(RowKey, Bytes)>, after: Option<&RowKey>) -> (Vec<(RowKey, Bytes)>, bool) {
    let Some(after) = after else { return (rows, true) };
    match rows.iter().position(|(key, _)| key == after) {
        Some(at) => (rows.split_off(at + 1), true),
        None => {
            rows.retain(|(key, _)| key > after);
            (rows, false)
        }
    }
}
