//! Whether the promise is kept: no id is open on several members, by the members' own lists.

use std::collections::HashMap;

use futures_util::future::join_all;
use panko_placement::State;
use panko_routing::Key;
use panko_routing::placement::MemberIndex;

use crate::locate::Target;
use crate::locate::lists::{LISTS, OPEN};
use crate::locate::look::{Found, look};
use crate::topology::VirtualNamespace;

/// How many pages of a thousand are looked at on each member.
const PAGES: usize = 1000;

/// How many ids that two lists have are looked at again.
const LOOKED_AT_AGAIN: usize = 1000;

/// What the members' lists show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Open workflows that were looked at.
    pub open: u64,
    /// Those at a member that neither owns their slot nor did before: children and scheduled runs.
    pub away: u64,
    /// Ids that are open on several members, and the members' positions, by id.
    pub duplicates: Vec<(String, Vec<usize>)>,
    /// Members that were not looked at to the end, and why; none for what concerns no member.
    pub incomplete: Vec<(Option<usize>, String)>,
}

/// Looks through all open workflows of a namespace. Workflows end and begin while lists are read, so what two lists have
/// is looked at again: only what is open on several members at one moment counts.
pub async fn verify(namespace: &VirtualNamespace, state: &State) -> Report {
    let (mut open, mut report) = (HashMap::<Box<[u8]>, Vec<usize>>::new(), Report::default());
    let [workflows, ..] = LISTS;
    for (at, member) in namespace.members.iter().enumerate() {
        let mut note = |id: &[u8]| {
            let members = open.entry(id.into()).or_default();
            // A list may have several runs of an id that continues as new meanwhile.
            if members.last() != Some(&at) {
                members.push(at);
            }
        };
        match workflows.each(&namespace.name, member, OPEN, PAGES, &mut note).await {
            Ok(true) => {}
            Ok(false) => {
                let more = "it has more than are looked at".to_owned();
                report.incomplete.push((Some(at), more));
            }
            Err(status) => report.incomplete.push((Some(at), status.message().to_owned())),
        }
    }
    let mut several = Vec::new();
    for (id, members) in open {
        report.open += members.len() as u64;
        let slot = state.slots.get(Key { kind: workflows.kind, id: &id }.slot().index());
        let has_to_do = |member: usize| {
            let member = MemberIndex(u16::try_from(member).unwrap_or(u16::MAX));
            slot.is_some_and(|slot| slot.owner == member || slot.former.contains(&member))
        };
        report.away += members.iter().filter(|member| !has_to_do(**member)).count() as u64;
        if members.len() > 1 {
            several.push((id, members));
        }
    }
    several.sort_unstable();
    if several.len() > LOOKED_AT_AGAIN {
        let why = format!(
            "{} ids seem to be open on several members; the first {LOOKED_AT_AGAIN} were looked at again",
            several.len()
        );
        report.incomplete.push((None, why));
    }
    for (id, members) in several.into_iter().take(LOOKED_AT_AGAIN) {
        let members = open_at_once(namespace, &id, &members).await;
        if members.len() > 1 {
            report.duplicates.push((String::from_utf8_lossy(&id).into_owned(), members));
        }
    }
    report
}

/// Of these members those that have an id open at one moment: all are asked, and then all again. What is the same open run
/// both times was open in between.
async fn open_at_once(namespace: &VirtualNamespace, id: &[u8], members: &[usize]) -> Vec<usize> {
    let target = Target {
        namespace: namespace.name.clone(),
        kind: "workflow",
        id: id.into(),
        run: Box::default(),
    };
    let ask = || join_all(members.iter().map(|at| open_run(namespace, *at, &target)));
    let (first, second) = (ask().await, ask().await);
    let both = members.iter().zip(first.into_iter().zip(second));
    both.filter(|(_, (first, second))| first.is_some() && first == second)
        .map(|(at, _)| *at)
        .collect()
}

async fn open_run(namespace: &VirtualNamespace, at: usize, target: &Target) -> Option<Found> {
    let member = namespace.members.get(at)?;
    // One that does not answer is not known to have it open; the next look sees.
    look(member, target).await.ok().flatten().filter(|found| found.open)
}
