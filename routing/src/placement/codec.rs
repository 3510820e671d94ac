//! Placements on the placement stream: slots as runs, UUIDs as text.

use panko_proto::v1;

use super::{Error, Member, MemberIndex, NamespaceUuid, Placement, PlacementVersion, Starts};
use crate::key::SLOTS;

impl From<&Placement> for v1::Placement {
    fn from(placement: &Placement) -> Self {
        let mut runs: Vec<v1::SlotRun> = Vec::new();
        for (owner, starts) in placement.slots().iter().zip(placement.all_starts()) {
            let (owner, starts) = (u32::from(owner.0), v1::Starts::from(*starts) as i32);
            match runs.last_mut() {
                Some(run) if (run.owner, run.starts) == (owner, starts) => run.length += 1,
                _ => runs.push(v1::SlotRun { length: 1, owner, starts }),
            }
        }
        let members = placement.members().iter().map(|member| v1::Member {
            cluster: member.cluster.to_string(),
            namespace: member.namespace.to_string(),
            namespace_uuid: member.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
        });
        let spread = placement
            .spread()
            .map(|(queue, parts)| v1::Spread { task_queue: queue.to_owned(), parts });
        v1::Placement {
            namespace: placement.namespace().to_owned(),
            version: placement.version().0,
            members: members.collect(),
            slots: runs,
            spread: spread.collect(),
            locate_before_start: placement.locate_before_start(),
        }
    }
}

impl TryFrom<v1::Placement> for Placement {
    type Error = Error;

    fn try_from(sent: v1::Placement) -> Result<Self, Error> {
        let namespace = sent.namespace;
        let mut slots = Box::new([MemberIndex(0); SLOTS]);
        let mut starts = Box::new([Starts::Direct; SLOTS]);
        let mut covered = 0usize;
        for run in &sent.slots {
            let Ok(owner) = u16::try_from(run.owner) else {
                let members = sent.members.len();
                return Err(Error::UnknownOwner {
                    namespace,
                    slot: covered,
                    owner: run.owner,
                    members,
                });
            };
            let end = covered.saturating_add(run.length as usize);
            let Some(part) = slots.get_mut(covered..end) else {
                return Err(Error::SlotCount { namespace, slots: end });
            };
            part.fill(MemberIndex(owner));
            if let Some(part) = starts.get_mut(covered..end) {
                part.fill(run.starts().into());
            }
            covered = end;
        }
        if covered != SLOTS {
            return Err(Error::SlotCount { namespace, slots: covered });
        }
        let mut members = Vec::with_capacity(sent.members.len());
        for member in sent.members {
            let uuid = NamespaceUuid::parse(member.namespace_uuid.as_bytes());
            if uuid.is_none() && !member.namespace_uuid.is_empty() {
                let (cluster, uuid) = (member.cluster, member.namespace_uuid);
                return Err(Error::Uuid { namespace, cluster, uuid });
            }
            members.push(Member {
                cluster: member.cluster.into(),
                namespace: member.namespace.into(),
                uuid,
            });
        }
        let spread = sent.spread.iter().map(|spread| (spread.task_queue.as_str(), spread.parts));
        let version = PlacementVersion(sent.version);
        let placement = Placement::new(&namespace, version, members, slots)?;
        let locate = sent.locate_before_start;
        Ok(placement.with_spread(spread).with_locate_before_start(locate).with_starts(starts))
    }
}
