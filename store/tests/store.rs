//! What the store promises, over SQLite, and over PostgreSQL where `PANKO_POSTGRES` names one (`make postgres`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use panko_placement::{Change, Member, Participant, State};
use panko_routing::SLOTS;
use panko_routing::placement::MemberIndex;
use panko_store::{
    Applied, Entry, Error, FormerOwner, Heard, KeyLock, Lead, Shared, SqlStore, Store, Versions,
    Write,
};

/// A store of its own: a file, or a schema of the database.
struct Fresh {
    store: SqlStore,
    address: String,
    _dir: tempfile::TempDir,
}

async fn sqlite() -> Fresh {
    let dir = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", dir.path().join("panko.db").display());
    Fresh { store: SqlStore::open(&address).await.unwrap(), address, _dir: dir }
}

async fn postgres(name: &str) -> Fresh {
    let database = std::env::var("PANKO_POSTGRES").expect("PANKO_POSTGRES: see `make postgres`");
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&database).await.unwrap();
    sqlx::query(&format!("DROP SCHEMA IF EXISTS {name} CASCADE")).execute(&pool).await.unwrap();
    sqlx::query(&format!("CREATE SCHEMA {name}")).execute(&pool).await.unwrap();
    let address = format!("{database}?options=-c%20search_path%3D{name}");
    let store = SqlStore::open(&address).await.unwrap();
    Fresh { store, address, _dir: tempfile::tempdir().unwrap() }
}

fn member(cluster: &str) -> Member {
    let (cluster, namespace) = (cluster.to_owned(), "default".to_owned());
    Member {
        cluster,
        namespace,
        weight: 1,
        cordoned: false,
        fenced: false,
        looked_at: None,
        uuid: None,
    }
}

fn first() -> State {
    State::new(vec![member("a"), member("b")], [MemberIndex(0); SLOTS])
}

fn entry(state: &State, what: &str) -> Entry {
    let (who, why) = ("a test".to_owned(), "because".to_owned());
    Entry { version: state.version, at: 1_000, who, what: what.to_owned(), why }
}

async fn write(
    store: &SqlStore,
    from: u64,
    state: &State,
    lead: Option<&Lead>,
) -> Result<(), Error> {
    let entry = entry(state, "a change");
    store
        .write(Write {
            namespace: "default",
            from,
            state,
            entry: &entry,
            lead,
            hands_over: false,
            emptied: &[],
        })
        .await
}

async fn changes_are_whole_and_from_what_was_read(fresh: Fresh) {
    let store = &fresh.store;
    assert_eq!(store.version("default").await.unwrap(), 0);
    assert_eq!(store.placement("default").await.unwrap(), None);
    let one = first();
    write(store, 0, &one, None).await.unwrap();
    assert!(matches!(write(store, 0, &one, None).await, Err(Error::Conflict(_))));
    let two = one.after(&Change::Begin(vec![(7, MemberIndex(1))])).unwrap();
    write(store, 1, &two, None).await.unwrap();
    let other = one.after(&Change::Begin(vec![(8, MemberIndex(1))])).unwrap();
    assert!(matches!(write(store, 1, &other, None).await, Err(Error::Conflict(_))));
    assert_eq!(store.placement("default").await.unwrap(), Some(two.clone()));
    let history = store.history("default", 10).await.unwrap();
    assert_eq!(history, [entry(&two, "a change"), entry(&one, "a change")]);
    assert_eq!(store.at_version("default", 1).await.unwrap(), Some(one));
    // Whoever opens it again finds it.
    let again = SqlStore::open(&fresh.address).await.unwrap();
    assert_eq!(again.placement("default").await.unwrap(), Some(two.clone()));
    // A namespace that is given up leaves its history.
    assert!(matches!(store.end("default", 1).await, Err(Error::Conflict(_))));
    store.end("default", 2).await.unwrap();
    assert_eq!(store.placement("default").await.unwrap(), None);
    assert_eq!(store.history("default", 1).await.unwrap(), [entry(&two, "a change")]);
}

async fn what_is_applied_is_from_what_was_read(fresh: Fresh) {
    let store = &fresh.store;
    assert_eq!(store.applied().await.unwrap(), None);
    let entry = |version| Entry {
        version,
        at: version,
        who: "somebody".to_owned(),
        what: "all".to_owned(),
        why: String::new(),
    };
    store.apply(0, "asked", "first", &entry(1)).await.unwrap();
    assert!(matches!(store.apply(0, "x", "y", &entry(1)).await, Err(Error::Overtaken)));
    assert!(matches!(store.apply(2, "x", "y", &entry(3)).await, Err(Error::Overtaken)));
    store.apply(1, "asked again", "second", &entry(2)).await.unwrap();
    let newest = Applied { version: 2, body: "second".to_owned() };
    assert_eq!(store.applied().await.unwrap(), Some(newest));
    assert!(store.was_applied("asked").await.unwrap());
    assert!(!store.was_applied("first").await.unwrap(), "that is what came of it");
    assert_eq!(store.applied_history(5).await.unwrap(), [entry(2), entry(1)]);
    write(store, 0, &first(), None).await.unwrap();
    let placements = [("default".to_owned(), 1)].into();
    assert_eq!(store.versions().await.unwrap(), Versions { applied: 2, placements });
}

async fn a_deposed_leader_writes_nothing(fresh: Fresh) {
    let store = &fresh.store;
    write(store, 0, &first(), None).await.unwrap();
    let old = store.lead("one", 1_000, 2_000).await.unwrap().unwrap();
    assert_eq!(store.lead("two", 1_500, 9_000).await.unwrap(), None, "its time is not over");
    assert_eq!(store.lead("one", 1_900, 3_000).await.unwrap(), Some(old.clone()), "it stays");
    let new = store.lead("two", 3_001, 9_000).await.unwrap().unwrap();
    assert!(new.fence > old.fence);
    let begun = first().after(&Change::Begin(vec![(7, MemberIndex(1))])).unwrap();
    assert!(matches!(write(store, 1, &begun, Some(&old)).await, Err(Error::NotLeader)));
    assert_eq!(store.version("default").await.unwrap(), 1);
    write(store, 1, &begun, Some(&new)).await.unwrap();
    assert_eq!(store.history("default", 10).await.unwrap().len(), 2);
}

/// Has filters say that they are connected, and acknowledge versions. Returns those that counted as gone.
async fn said(
    store: &SqlStore,
    filters: Vec<(Participant, Option<u64>)>,
    now: u64,
) -> Vec<Participant> {
    let heard = filters.into_iter().map(|(filter, version)| Heard {
        filter,
        acknowledged: version.map(|version| ("default".to_owned(), version)).into_iter().collect(),
    });
    store.heard(&heard.collect::<Vec<_>>(), now).await.unwrap()
}

async fn filters_that_speak_at_once_are_all_remembered(fresh: Fresh) {
    let store = &fresh.store;
    let filter = |number: u32| Participant {
        node: format!("envoy-{}", number % 40),
        process: u64::from(number % 40),
        vm: number,
    };
    let namespaces: Vec<_> = (0..20).map(|number| format!("ns-{number}")).collect();
    store.came(&(0..99).map(filter).collect::<Vec<_>>(), 0, 100).await.unwrap();
    let all = |version| namespaces.iter().map(move |name| (name.clone(), version)).collect();
    // One of them twice, and one that did not come.
    let heard = (0..100)
        .chain([7])
        .map(|number| Heard { filter: filter(number), acknowledged: all(u64::from(number) + 1) });
    let mut heard: Vec<_> = heard.collect();
    heard[100].acknowledged = all(3);
    assert_eq!(store.heard(&heard, 0).await.unwrap(), [filter(99)]);
    for namespace in &namespaces {
        let known = store.participants(namespace).await.unwrap();
        let known: Vec<_> = known.iter().map(|(filter, said)| (filter.vm, said.version)).collect();
        assert_eq!(known.len(), 100);
        assert!(known.iter().all(|(vm, version)| u64::from(*vm) + 1 == *version), "{known:?}");
    }
}

async fn filters_are_remembered_with_what_they_said(fresh: Fresh) {
    let store = &fresh.store;
    let vm = |process, vm| Participant { node: "envoy-1".to_owned(), process, vm };
    store.came(&[vm(u64::MAX, 0)], 0, 100).await.unwrap();
    store.came(&[vm(u64::MAX, 1)], 0, 100).await.unwrap();
    said(store, vec![(vm(u64::MAX, 0), Some(5))], 0).await;
    said(store, vec![(vm(u64::MAX, 0), Some(4))], 0).await;
    let all = store.participants("default").await.unwrap();
    assert!(all.quiet_since(5, 0).is_none(), "one has said nothing");
    said(store, vec![(vm(u64::MAX, 1), Some(6))], 0).await;
    let all = store.participants("default").await.unwrap();
    assert!(all.quiet_since(5, 0).is_some() && all.quiet_since(6, 0).is_none());
    assert!(store.participants("other").await.unwrap().quiet_since(1, 0).is_none());
    // One routes by a version while something of its own is on its way.
    store.routes(&vm(u64::MAX, 0), "default", 7).await.unwrap();
    store.routes(&vm(u64::MAX, 1), "default", 7).await.unwrap();
    store.routes(&vm(u64::MAX, 1), "default", 3).await.unwrap();
    let all = store.participants("default").await.unwrap();
    assert!(all.routed_since(7).is_some() && all.quiet_since(6, 0).is_none());
    assert!(store.participants("other").await.unwrap().routed_since(1).is_none());
    // A new start of the same Envoy.
    store.came(&[vm(2, 0)], 1_000, 1_100).await.unwrap();
    said(store, vec![(vm(2, 0), Some(6))], 0).await;
    let all = store.participants("default").await.unwrap();
    assert!(all.quiet_since(6, 1_099).is_none() && all.quiet_since(6, 1_100).is_some());
    store.came(&[vm(2, 1)], 1_200, 1_300).await.unwrap();
    let all = store.participants("default").await.unwrap();
    assert_eq!(all.iter().count(), 2, "those that are gone for certain are not kept");
    // One of several VMs that counts as gone is not the others.
    store.came(&[vm(3, 0)], 1_200, 1_250).await.unwrap();
    said(store, vec![(vm(2, 0), None)], 1_240).await;
    store.came(&[vm(2, 0)], 1_300, 1_400).await.unwrap();
    let all = store.participants("default").await.unwrap();
    assert!(all.iter().any(|(filter, said)| *filter == vm(2, 0) && said.version == 6));
    assert!(!all.iter().any(|(filter, _)| *filter == vm(2, 1)), "it has not been here since");
    // Two that run under one node id.
    store.came(&[vm(3, 0)], 2_000, 2_100).await.unwrap();
    let both = || vec![(vm(2, 0), None), (vm(3, 0), None)];
    assert_eq!(said(store, both(), 2_050).await, [vm(2, 0)]);
    assert_eq!(said(store, both(), 2_050).await, []);
    let all = store.participants("default").await.unwrap();
    assert!(all.missing(7, 9_999).any(|filter| *filter == vm(2, 0)), "it is asked again");
    assert!(store.forget("envoy-1").await.unwrap() && !store.forget("envoy-1").await.unwrap());
}

async fn a_lock_is_shared_by_calls_to_one_member_until_the_last_has_left(fresh: Fresh) {
    let (store, (namespace, key)) = (&fresh.store, ("default", "workflow:1"));
    let of = |holder| KeyLock { namespace, key, holder };
    let lock = async |now, until| store.lock(namespace, key, "next", now, until).await.unwrap();
    assert!(store.lock(namespace, key, "one", 0, 100).await.unwrap());
    assert_eq!(store.join(namespace, key, 50).await.unwrap(), None, "it is not shared");
    assert!(!store.share(&of("two"), "a/default", 0, 900).await.unwrap(), "it is not its own");
    assert!(store.share(&of("one"), "a/default", 0, 300).await.unwrap());
    let joined = store.join(namespace, key, 250).await.unwrap();
    assert_eq!(joined, Some(Shared { holder: "one".to_owned(), to: "a/default".to_owned() }));
    assert_eq!(store.join(namespace, key, 300).await.unwrap(), None, "it does not last so long");
    // Whoever leaves first leaves it to the other.
    store.leave(&of("one")).await.unwrap();
    assert!(!lock(250, 400).await);
    assert!(store.share(&of("one"), "a/default", 250, 350).await.unwrap());
    assert!(!lock(340, 400).await, "it lasts longer now");
    store.leave(&of("one")).await.unwrap();
    assert!(lock(250, 400).await);
    // The next one has it alone.
    assert_eq!(store.join(namespace, key, 300).await.unwrap(), None);
    // Whoever does not leave, as it crashed, has it until its time is over.
    assert!(store.share(&of("next"), "a/default", 300, 0).await.unwrap());
    assert!(store.join(namespace, key, 300).await.unwrap().is_some());
    store.leave(&of("next")).await.unwrap();
    assert!(!store.lock(namespace, key, "last", 399, 500).await.unwrap());
    assert!(store.lock(namespace, key, "last", 400, 500).await.unwrap());
    assert!(!store.share(&of("next"), "a/default", 400, 900).await.unwrap(), "it is another's");
}

async fn a_key_is_locked_by_one_until_its_time_is_over(fresh: Fresh) {
    let store = &fresh.store;
    let lock = async |key: &str, holder: &str, now, until| {
        store.lock("default", key, holder, now, until).await.unwrap()
    };
    assert!(lock("workflow:1", "one", 0, 100).await);
    assert!(!lock("workflow:1", "two", 99, 200).await && lock("workflow:2", "two", 99, 200).await);
    let held = store.locks("default", 99).await.unwrap();
    assert!(held.len() == 2 && held.contains(&("one".to_owned(), 100)), "{held:?}");
    assert_eq!(store.locks("default", 100).await.unwrap(), [("two".to_owned(), 200)]);
    assert!(store.locks("other", 0).await.unwrap().is_empty());
    store.unlock("default", "workflow:1", "two").await.unwrap();
    assert!(!lock("workflow:1", "two", 99, 200).await, "it was not its to unlock");
    assert!(lock("workflow:1", "two", 100, 200).await, "its time was over");
    store.unlock("default", "workflow:1", "two").await.unwrap();
    assert!(lock("workflow:1", "three", 100, 200).await);
    let racing = (0..20).map(|n| {
        let store = store.clone();
        tokio::spawn(
            async move { store.lock("default", "race", &n.to_string(), 0, 9).await.unwrap() },
        )
    });
    let mut won = 0;
    for one in racing.collect::<Vec<_>>() {
        won += u32::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
}

async fn no_start_waits_for_what_scans_write(fresh: Fresh) {
    let store = &fresh.store;
    let former =
        |slot| FormerOwner { slot, cluster: "a".to_owned(), physical: "default".to_owned() };
    let all: Vec<_> = (0..4 * SLOTS).map(former).collect();
    let scan = tokio::spawn({
        let (store, all) = (store.clone(), all.clone());
        async move { store.found_empty("default", &all, 5).await.unwrap() }
    });
    let mut turns = 0;
    while !scan.is_finished() {
        store.lock("default", "workflow:1", "one", 0, 9).await.unwrap();
        turns += 1;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(turns > 3, "{turns} starts had their turn meanwhile");
    assert_eq!(scan.await.unwrap().len(), all.len());
    // What is not among them is empty no more.
    let some = store.found_empty("default", &all[..1], 6).await.unwrap();
    assert_eq!(some, [(all[0].clone(), 5)]);
    let again = store.found_empty("default", &all, 7).await.unwrap();
    assert!(again.iter().all(|(former, since)| *since == if *former == all[0] { 5 } else { 7 }));
}

async fn what_is_empty_is_so_since_it_was_found(fresh: Fresh) {
    let store = &fresh.store;
    let former =
        |slot| FormerOwner { slot, cluster: "a".to_owned(), physical: "default".to_owned() };
    let found = async |slots: &[usize], now| {
        let empty: Vec<_> = slots.iter().map(|slot| former(*slot)).collect();
        let found = store.found_empty("default", &empty, now).await.unwrap();
        found.into_iter().map(|(former, since)| (former.slot, since)).collect::<Vec<_>>()
    };
    assert_eq!(found(&[1, 2], 10).await, [(1, 10), (2, 10)]);
    assert_eq!(found(&[1, 2, 3], 20).await, [(1, 10), (2, 10), (3, 20)]);
    assert_eq!(found(&[1, 3], 30).await, [(1, 10), (3, 20)]);
    assert_eq!(found(&[1, 2, 3], 40).await, [(1, 10), (2, 40), (3, 20)], "2 was not empty");
    store.returns("default", &former(3)).await.unwrap();
    assert_eq!(found(&[1, 3], 50).await, [(1, 10), (3, 50)]);
    // A release needs that it is still empty.
    let (one, entry) = (first(), entry(&first(), "a release"));
    let released = |from, state, slot| {
        let emptied = vec![former(slot)];
        let entry = &entry;
        async move {
            let emptied = &emptied;
            store
                .write(Write {
                    namespace: "default",
                    from,
                    state,
                    entry,
                    lead: None,
                    hands_over: false,
                    emptied,
                })
                .await
        }
    };
    assert!(matches!(released(0, &one, 2).await, Err(Error::Conflict(_))));
    released(0, &one, 1).await.unwrap();
    assert_eq!(found(&[1, 3], 60).await, [(1, 60), (3, 50)]);
}

macro_rules! over_both {
    ($($test:ident)*) => {
        mod over_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::sqlite().await).await;
            })*
        }
        mod over_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "needs PostgreSQL: make test-all"]
            async fn $test() {
                super::$test(super::postgres(stringify!($test)).await).await;
            })*
        }
    };
}

over_both! {
    changes_are_whole_and_from_what_was_read
    what_is_applied_is_from_what_was_read
    a_deposed_leader_writes_nothing
    filters_are_remembered_with_what_they_said
    filters_that_speak_at_once_are_all_remembered
    a_key_is_locked_by_one_until_its_time_is_over
    a_lock_is_shared_by_calls_to_one_member_until_the_last_has_left
    no_start_waits_for_what_scans_write
    what_is_empty_is_so_since_it_was_found
}

#[tokio::test]
async fn a_bad_address_says_what_to_write() {
    for bad in ["", "mysql://x", "sqlite:"] {
        let error = SqlStore::open(bad).await.unwrap_err().to_string();
        assert!(error.contains("sqlite:panko.db"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_open_a_new_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let address = format!("sqlite:{}", dir.path().join("panko.db").display());
    let opening = (0..8).map(|_| {
        tokio::spawn({
            let address = address.clone();
            async move { SqlStore::open(&address).await.map(drop) }
        })
    });
    for one in opening.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
}
