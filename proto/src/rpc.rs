//! The table of every RPC of Temporal's public API.

/// One RPC and how Panko routes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// The RPC's position in [`METHODS`]. Not stable between releases.
    pub index: usize,
    /// The HTTP/2 `:path` of its calls.
    pub path: &'static str,
    /// The RPC's name without its service.
    pub name: &'static str,
    /// Whether a call can open a run (Panko's design calls these start-type).
    pub start_type: bool,
    /// Whether it is a start-type call of a key that need not be there yet.
    pub creates_key: bool,
    /// Whether a closed run answers it as well as an open one.
    pub answers_closed: bool,
    /// What decides where a call goes.
    pub class: Class,
    /// Where the way to the namespace names in its request begins ([`crate::names`]).
    pub names_in_request: Option<u16>,
    /// Where the way to those in its answer begins.
    pub names_in_answer: Option<u16>,
}

/// How a call is routed. Every RPC has exactly one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// By the key that the request names, within the placement of its virtual namespace.
    Key {
        /// Path of the request's `namespace` field.
        namespace: &'static [u32],
        /// Where the key is; the first alternative that is not empty decides.
        keys: &'static [KeyPath],
        /// Field numbers from the request down to the run id that goes with the key; none if the
        /// request has no place for one.
        run: &'static [u32],
    },
    /// By the namespace UUID inside the task token.
    Token {
        /// Field numbers from the request through its task token to the UUID.
        uuid: &'static [u32],
    },
    /// By the control server's pool of polls: by the one that has those of the task queue.
    Poll {
        /// Path of the request's `namespace` field.
        namespace: &'static [u32],
        /// Where the task queue's name is, and which of its tasks are asked for.
        queue: KeyPath,
    },
    /// The control server asks every member and merges.
    Gather {
        /// Path of the request's `namespace` field; empty where it concerns whole clusters.
        namespace: &'static [u32],
    },
    /// The control server tells every member.
    Broadcast {
        /// Path of the request's `namespace` field; empty where it concerns whole clusters.
        namespace: &'static [u32],
    },
    /// The control server answers by itself.
    Local,
    /// Nobody: it has no meaning over several clusters.
    Refused {
        /// What the caller can do instead.
        instead: &'static str,
    },
}

/// A place in a request that holds a key's id, or the name of a poll's task queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPath {
    /// What stands before the id in the key: `workflow`, `schedule`, `activity`, … Of a task queue:
    /// which of its tasks.
    pub kind: &'static str,
    /// Field numbers from the request down to the id.
    pub path: &'static [u32],
}

include!(concat!(env!("OUT_DIR"), "/rpc_table.rs"));

impl Method {
    /// The RPC with this `:path`, if the API that this build knows has it.
    pub fn by_path(path: &str) -> Option<&'static Method> {
        METHODS.binary_search_by(|method| method.path.cmp(path)).ok().and_then(|at| METHODS.get(at))
    }
}

impl Class {
    /// The class's name as metrics and documents write it.
    pub fn name(&self) -> &'static str {
        match self {
            Class::Key { .. } => "key",
            Class::Token { .. } => "token",
            Class::Poll { .. } => "poll",
            Class::Gather { .. } => "gather",
            Class::Broadcast { .. } => "broadcast",
            Class::Local => "local",
            Class::Refused { .. } => "refused",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_rpc_of_both_services_and_health() {
        let count = |service| METHODS.iter().filter(|m| m.path.contains(service)).count();
        assert_eq!(count(".WorkflowService/"), 123);
        assert_eq!(count(".OperatorService/"), 12);
        assert_eq!(count(".Health/"), 2);
        assert_eq!(count(".ServerReflection/"), 2);
        assert_eq!(METHODS.len(), 139);
    }

    #[test]
    fn the_run_id_stands_beside_the_key() {
        let run = |name: &str| match METHODS.iter().find(|m| m.name == name).unwrap().class {
            Class::Key { run, .. } => run,
            _ => panic!("{name} has no key"),
        };
        assert_eq!(run("SignalWorkflowExecution"), [2, 2]);
        assert_eq!(run("PollWorkflowExecutionUpdate"), [2, 1, 2]);
        assert_eq!(run("RespondActivityTaskCompletedById"), [3]);
        assert_eq!(run("DescribeActivityExecution"), [3]);
        assert!(run("DescribeSchedule").is_empty() && run("StartWorkflowExecution").is_empty());
    }

    #[test]
    fn the_table_is_sorted_so_that_every_path_is_found() {
        for method in METHODS {
            assert_eq!(Method::by_path(method.path), Some(method));
        }
        assert_eq!(Method::by_path("/temporal.api.workflowservice.v1.WorkflowService/Nope"), None);
        assert_eq!(Method::by_path(""), None);
    }
}
