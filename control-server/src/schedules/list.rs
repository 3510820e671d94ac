//! Which member has which schedules.

use panko_placement::State;
use panko_routing::Key;
use tonic::Status;

use super::description::is_moving;
use crate::locate::lists::LISTS;
use crate::topology::VirtualNamespace;

/// A schedule, where it lives, and who owns its slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lives {
    /// The schedule's id.
    pub id: String,
    /// The position of the member that has it.
    pub at: usize,
    /// The position of its slot's owner.
    pub owner: usize,
    /// Whether it is paused in the middle of a move.
    pub moving: bool,
}

/// All schedules of these members, by id. Those that cannot be asked are named beside it, with the reason.
pub async fn list(
    namespace: &VirtualNamespace,
    state: &State,
    members: &[usize],
) -> (Vec<Lives>, Vec<(usize, Status)>) {
    let [_, schedules, ..] = LISTS;
    let (mut all, mut silent) = (Vec::new(), Vec::new());
    for &at in members {
        let Some(member) = namespace.members.get(at) else { continue };
        let mut note = |row: &[u8]| {
            let (id, moving) = (schedules.id(row)?, is_moving(row)?);
            let slot = state.slots.get(Key { kind: schedules.kind, id }.slot().index());
            let owner = slot.map_or(at, |slot| usize::from(slot.owner.0));
            all.push(Lives { id: String::from_utf8_lossy(id).into_owned(), at, owner, moving });
            Ok(())
        };
        if let Err(status) =
            schedules.rows(&namespace.name, member, "", usize::MAX, &mut note).await
        {
            silent.push((at, status));
        }
    }
    all.sort_unstable();
    (all, silent)
}
