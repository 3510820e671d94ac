//! Which member gets which slots: by weight, with as few moves as possible.

use super::MemberIndex;
use crate::key::SLOTS;

/// Gives every slot to a member in proportion to `weights` (one per member; a member that is
/// cordoned has weight 0).
///
/// Each member gets its exact share, rounded by the largest remainder. Slots of `previous` stay
/// with their owner as far as its share allows, so only what has to move moves. `None` when no
/// weight is above 0: there is nobody to give slots to.
#[must_use]
pub fn assign(
    weights: &[u32],
    previous: Option<&[MemberIndex; SLOTS]>,
) -> Option<Box<[MemberIndex; SLOTS]>> {
    let mut quotas = quotas(weights)?;
    let mut owners = Box::new([None; SLOTS]);
    if let Some(previous) = previous {
        for (owner, before) in owners.iter_mut().zip(previous) {
            if let Some(left @ 1..) = quotas.get_mut(usize::from(before.0)) {
                *left -= 1;
                *owner = Some(*before);
            }
        }
    }
    let mut heirs = quotas
        .iter()
        .zip(0u16..)
        .flat_map(|(&left, member)| std::iter::repeat_n(MemberIndex(member), left));
    let mut slots = Box::new([MemberIndex(0); SLOTS]);
    for (slot, owner) in slots.iter_mut().zip(owners.iter()) {
        *slot = owner.or_else(|| heirs.next())?;
    }
    Some(slots)
}

/// How many slots each member gets; they add up to [`SLOTS`].
fn quotas(weights: &[u32]) -> Option<Vec<usize>> {
    let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
    if total == 0 {
        return None;
    }
    let share = |weight: u32| u64::from(weight) * SLOTS as u64;
    let mut quotas: Vec<usize> =
        weights.iter().map(|&w| usize::try_from(share(w) / total).unwrap_or(SLOTS)).collect();
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder
        .sort_by_key(|&m| std::cmp::Reverse(weights.get(m).map_or(0, |&w| share(w) % total)));
    let missing = SLOTS.saturating_sub(quotas.iter().sum());
    for member in by_remainder.into_iter().take(missing) {
        if let Some(quota) = quotas.get_mut(member) {
            *quota += 1;
        }
    }
    Some(quotas)
}
