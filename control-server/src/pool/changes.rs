//! The namespace of a pool changes: members come and go, or all of it goes.

use std::sync::Arc;

use tonic::Status;

use super::event::Event;
use super::shell::Shell;
use crate::topology::VirtualNamespace;

impl Shell {
    /// Brings the pool's members up to date. Costs nothing where they are.
    pub(super) fn members_changed(&mut self, namespace: &Arc<VirtualNamespace>) {
        let events = self.roster.update(namespace);
        if events.is_empty() {
            return;
        }
        for (number, member) in self.roster.members().enumerate() {
            self.metrics.name_member(number, &member.name);
        }
        self.steps(events);
    }

    fn steps(&mut self, members: Vec<Event>) {
        members.into_iter().for_each(|event| self.step(event));
        self.step(Event::Tick);
    }

    /// The namespace is gone: nobody waits here any more, and what is open or held ends as it would
    /// without workers.
    pub(super) fn namespace_gone(&mut self) {
        let left = self.roster.close();
        self.steps(left);
        let gone = gone(&self.newest.namespace);
        self.candidates_end(&gone);
        for (poll, parked) in std::mem::take(&mut self.parked) {
            // A poll that has just gone wants no answer.
            let _ = parked.answer.send(Err(gone.clone()));
            self.step(Event::PollLeft { poll });
        }
    }
}

/// What polls of a namespace are told that is no more.
pub(super) fn gone(namespace: &str) -> Status {
    Status::not_found(format!(
        "Namespace {namespace} is not found: it was taken out of Panko; stop its workers, or add it again"
    ))
}
