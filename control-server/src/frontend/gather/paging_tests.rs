//! Paging through several members: every row once, in the global order, also while rows come and go.
//!
//! The members here are fakes of how visibility stores page; `tests/lists.rs` asks real ones.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proptest::prelude::*;
use tonic::Status;

use super::super::page_token::{self, Position};
use super::merge_rows::{in_order, in_turn};
use super::pages::{Page, Pages, Source};
use super::row::RowKey;

/// What a fake member pages like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    /// A token with a full page only.
    Sql,
    /// A token with any page that has rows, so that the last one may be empty.
    Elasticsearch,
}

/// A fake of one member's visibility: rows in order, tokens that name the last row given out.
#[derive(Debug, Clone)]
struct FakeStore {
    rows: Arc<Mutex<BTreeSet<RowKey>>>,
    flavour: Flavour,
}

impl Source for FakeStore {
    async fn page(&self, token: Bytes, size: usize) -> Result<Page, Status> {
        let rows = self.rows.lock().unwrap();
        let after = (!token.is_empty()).then(|| read_token(&token));
        let mut left = rows.iter().filter(|key| after.as_ref().is_none_or(|after| *key > after));
        let page: Vec<_> = left.by_ref().take(size).cloned().collect();
        let has_token = match self.flavour {
            Flavour::Sql => page.len() == size,
            Flavour::Elasticsearch => !page.is_empty(),
        };
        let next = page.last().filter(|_| has_token).map(token_of).unwrap_or_default();
        Ok(Page { rows: page.into_iter().map(|key| (key.clone(), key.id)).collect(), next })
    }
}

/// A token of the fake: a token of ours with the one position.
fn token_of(key: &RowKey) -> Bytes {
    let position = Position::In { token: Bytes::new(), after: Some(key.clone()) };
    page_token::write(0, &[0], &[position])
}

fn read_token(token: &[u8]) -> RowKey {
    match page_token::read(token, 0, &[0]).unwrap().remove(0) {
        Position::In { after: Some(key), .. } => key,
        other => panic!("{other:?}"),
    }
}

/// A caller who pages through, with the token as bytes between two pages.
struct Caller {
    stores: Vec<FakeStore>,
    token: Option<Bytes>,
}

impl Caller {
    fn next(&mut self, size: usize, ordered: bool) -> Vec<Bytes> {
        let members: Vec<u64> = (0..self.stores.len() as u64).collect();
        let positions = match &self.token {
            None => vec![Position::start(); members.len()],
            Some(token) => page_token::read(token, 7, &members).unwrap(),
        };
        let stores = self.stores.iter().cloned().zip(positions);
        let mut pages: Vec<_> = stores.map(|(store, at)| Pages::new(store, at)).collect();
        let never = |_, status| Err(status);
        let rows = futures_util::future::FutureExt::now_or_never(async {
            match ordered {
                true => in_order(&mut pages, size, never).await,
                false => in_turn(&mut pages, size, never).await,
            }
        });
        let positions: Vec<_> = pages.into_iter().map(Pages::position).collect();
        let more = positions.iter().any(|position| matches!(position, Position::In { .. }));
        self.token = more.then(|| page_token::write(7, &members, &positions));
        rows.unwrap().unwrap()
    }
}

fn key() -> impl Strategy<Value = RowKey> {
    // Few times, so that many are equal.
    (proptest::option::of(0..4i128), 0..4i128, 0..10_000u32).prop_map(|(closed, started, id)| {
        RowKey { closed, started, id: id.to_be_bytes().to_vec().into() }
    })
}

/// 1 to 8 members with rows, each with an id of its own.
fn members() -> impl Strategy<Value = Vec<(Flavour, Vec<RowKey>)>> {
    let flavour = prop_oneof![Just(Flavour::Sql), Just(Flavour::Elasticsearch)];
    let member = (flavour, proptest::collection::vec(key(), 0..40));
    proptest::collection::vec(member, 1..=8).prop_map(|mut members| {
        for (index, (_, rows)) in members.iter_mut().enumerate() {
            for (n, row) in rows.iter_mut().enumerate() {
                let id = [row.id.as_ref(), &[index as u8], &(n as u16).to_be_bytes()].concat();
                row.id = id.into();
            }
        }
        members
    })
}

fn stores(members: &[(Flavour, Vec<RowKey>)]) -> Vec<FakeStore> {
    let store = |(flavour, rows): &(Flavour, Vec<RowKey>)| FakeStore {
        rows: Arc::new(Mutex::new(rows.iter().cloned().collect())),
        flavour: *flavour,
    };
    members.iter().map(store).collect()
}

proptest! {
    #[test]
    fn every_row_comes_once_in_the_global_order(
        members in members(), sizes in proptest::collection::vec(1..30usize, 1..20),
    ) {
        let mut caller = Caller { stores: stores(&members), token: None };
        let mut all: Vec<_> = members.iter().flat_map(|(_, rows)| rows.clone()).collect();
        all.sort();
        let (mut seen, mut sizes) = (Vec::new(), sizes.into_iter().cycle());
        loop {
            let size = sizes.next().unwrap();
            let rows = caller.next(size, true);
            let left = all.len() - seen.len();
            prop_assert_eq!(rows.len(), size.min(left), "page sizes are exact");
            seen.extend(rows);
            if caller.token.is_none() {
                break;
            }
        }
        let expected: Vec<_> = all.into_iter().map(|key| key.id).collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn lists_without_times_come_whole_one_member_after_the_other(
        members in members(), sizes in proptest::collection::vec(1..30usize, 1..20),
    ) {
        let mut caller = Caller { stores: stores(&members), token: None };
        let (mut seen, mut sizes) = (Vec::new(), sizes.into_iter().cycle());
        loop {
            seen.extend(caller.next(sizes.next().unwrap(), false));
            if caller.token.is_none() {
                break;
            }
        }
        let sorted = members.iter().flat_map(|(_, rows)| rows.iter().cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(seen, sorted.map(|key| key.id).collect::<Vec<_>>());
    }

    /// What one server promises: a row that was there all the time and did not change comes exactly
    /// once; one that is added or closes meanwhile comes once, twice (before and after it closed) or not
    /// at all.
    #[test]
    fn rows_that_stay_come_once_while_others_come_and_close(
        members in members(),
        sizes in proptest::collection::vec(1..20usize, 1..20),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), key(), any::<bool>()), 0..40),
    ) {
        let stores = stores(&members);
        let mut caller = Caller { stores: stores.clone(), token: None };
        let mut stay: BTreeSet<Bytes> =
            members.iter().flat_map(|(_, rows)| rows.iter().map(|key| key.id.clone())).collect();
        let (mut seen, mut sizes, mut changes) =
            (Vec::new(), sizes.into_iter().cycle(), changes.into_iter().enumerate());
        loop {
            seen.extend(caller.next(sizes.next().unwrap(), true));
            if caller.token.is_none() {
                break;
            }
            let Some((n, (at, new, closes))) = changes.next() else { continue };
            let mut rows = at.get(&stores).rows.lock().unwrap();
            if closes {
                let Some(mut open) = rows.iter().find(|key| key.closed.is_none()).cloned() else { continue };
                rows.remove(&open);
                stay.remove(&open.id);
                open.closed = Some(n as i128);
                rows.insert(open);
            } else {
                let id = [new.id.as_ref(), b"new", &(n as u16).to_be_bytes()].concat();
                rows.insert(RowKey { id: id.into(), ..new });
            }
        }
        for id in stay {
            let times = seen.iter().filter(|row| **row == id).count();
            prop_assert_eq!(times, 1, "a row that stayed");
        }
    }
}
