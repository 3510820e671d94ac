//! Where namespace names are in requests and answers, generated from the API's descriptors.
//!
//! A name can be deep in a message (the parent in the first event of a history, the target of a command), and
//! types hold each other in circles (failures have causes). So this is a graph: [`NODES`] has the message types from
//! which a name can be reached; a [`Method`](crate::rpc::Method) says where its request and its answer begin.

/// What a field is on the way to a namespace's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The name itself.
    Name,
    /// A Nexus link, `temporal:///namespaces/<name>/…`.
    LinkUrl,
    /// A message, repeated or not, of this node.
    Message(u16),
}

include!(concat!(env!("OUT_DIR"), "/names.rs"));

/// What a field of a node's message type is; none if no name can be reached by it.
#[must_use]
pub fn at(node: u16, field: u32) -> Option<At> {
    let fields = NODES.get(usize::from(node))?;
    let found = fields.binary_search_by_key(&field, |(number, _)| *number).ok()?;
    fields.get(found).map(|(_, at)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::METHODS;

    fn leads(node: u16, path: &[u32]) -> Option<At> {
        let (last, way) = path.split_last()?;
        let node = way.iter().try_fold(node, |node, field| match at(node, *field)? {
            At::Message(next) => Some(next),
            _ => None,
        });
        at(node?, *last)
    }

    #[test]
    fn names_are_found_where_the_api_has_them() {
        let method = |name: &str| METHODS.iter().find(|method| method.name == name).unwrap();
        let history = method("GetWorkflowExecutionHistory").names_in_answer.unwrap();
        // history.events[].workflow_execution_started_event_attributes.parent_workflow_namespace
        assert_eq!(leads(history, &[1, 1, 6, 2]), Some(At::Name));
        // … .continued_failure.cause.cause.child_workflow_execution_failure_info.namespace
        assert_eq!(leads(history, &[1, 1, 6, 12, 4, 4, 12, 1]), Some(At::Name));
        let complete = method("RespondWorkflowTaskCompleted").names_in_request.unwrap();
        assert_eq!(at(complete, 9), Some(At::Name));
        let activity = method("PollActivityTaskQueue").names_in_answer.unwrap();
        assert_eq!(at(activity, 2), Some(At::Name));
        let nexus = method("PollNexusTaskQueue").names_in_answer.unwrap();
        // request.start_operation.links[].url
        assert_eq!(leads(nexus, &[2, 3, 7, 1]), Some(At::LinkUrl));
        assert_eq!(method("TerminateWorkflowExecution").names_in_answer, None);
    }
}
