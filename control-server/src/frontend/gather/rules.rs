//! How each answer is merged: every field that is not simply the first member's.

use crate::merge::{Rule, Rules};

/// `TaskQueueStats`: what all members have together; the oldest task's age.
const STATS: Rules = &[
    (1, Rule::Add),      // approximate_backlog_count
    (2, Rule::Latest),   // approximate_backlog_age
    (3, Rule::Add),      // tasks_add_rate
    (4, Rule::Add),      // tasks_dispatch_rate
    (5, Rule::Greatest), // rate_limiting_active
];

/// `map<int32, TaskQueueStats>`.
const STATS_BY_KEY: Rule = Rule::Rows { id: &[&[1]], rules: &[(2, Rule::Message(STATS))] };

/// `PollerInfo`, of one identity and deployment: Panko polls every member in the name of each worker.
const POLLERS: Rule = Rule::Rows {
    id: &[&[2], &[5]],
    rules: &[
        (1, Rule::Latest), // last_access_time
        (3, Rule::Add),    // rate_per_second, which is divided among the members
    ],
};

/// `RateLimitConfig`: `rate_limit.requests_per_second` is divided among the members.
const RATE_LIMIT: Rules = &[(1, Rule::Message(&[(1, Rule::Add)]))];

/// `TaskQueueConfig`.
pub(in super::super) const TASK_QUEUE_CONFIG: Rules = &[
    (1, Rule::Message(RATE_LIMIT)), // queue_rate_limit
    (2, Rule::Message(RATE_LIMIT)), // fairness_keys_rate_limit_default
];

/// `BuildIdTaskReachability`: reachable, closed workflows only, unreachable.
const BUILD_ID_REACHABILITY: Rule = Rule::Preferred(&[1, 2, 3]);

/// `TaskQueueTypeInfo`.
const TYPE_INFO: Rules = &[(1, POLLERS), (2, Rule::Message(STATS))];

/// `TaskQueueVersionInfo`.
const VERSION_INFO: Rules = &[
    (1, Rule::Rows { id: &[&[1]], rules: &[(2, Rule::Message(TYPE_INFO))] }), // types_info
    (2, BUILD_ID_REACHABILITY),                                               // task_reachability
];

/// `DescribeTaskQueueResponse`. `versioning_info` is set on all members alike.
pub(super) const DESCRIBE_TASK_QUEUE: Rules = &[
    (1, POLLERS),
    // task_queue_status: backlog_count_hint and rate_per_second; the levels mean something to one member
    // only.
    (2, Rule::Message(&[(1, Rule::Add), (4, Rule::Add)])),
    (3, Rule::Rows { id: &[&[1]], rules: &[(2, Rule::Message(VERSION_INFO))] }), // versions_info
    (5, Rule::Message(STATS)),
    (6, Rule::Message(TASK_QUEUE_CONFIG)),
    (7, Rule::Message(&[(1, Rule::Add)])), // effective_rate_limit.requests_per_second
    (8, STATS_BY_KEY),
];

/// `ListTaskQueuePartitionsResponse`: of partitions with the same key the first member's, as one cluster has
/// each key once.
pub(super) const TASK_QUEUE_PARTITIONS: Rules =
    &[(1, Rule::Rows { id: &[&[1]], rules: &[] }), (2, Rule::Rows { id: &[&[1]], rules: &[] })];

/// `TaskQueueReachability`: what a build id can be reached by on any member.
const TASK_QUEUE_REACHABILITY: Rule =
    Rule::Rows { id: &[&[1]], rules: &[(2, Rule::DistinctNumbers)] };

/// `GetWorkerTaskReachabilityResponse`.
pub(super) const WORKER_TASK_REACHABILITY: Rules =
    &[(1, Rule::Rows { id: &[&[1]], rules: &[(2, TASK_QUEUE_REACHABILITY)] })];

/// `GetSearchAttributesResponse`: those that all members have, since a query asks all of them.
pub(super) const SEARCH_ATTRIBUTES: Rules = &[(1, Rule::CommonRows { id: &[&[1]], rules: &[] })];

/// `ListSearchAttributesResponse`: custom and system attributes and how they are stored, likewise.
pub(super) const LIST_SEARCH_ATTRIBUTES: Rules = &[
    (1, Rule::CommonRows { id: &[&[1]], rules: &[] }),
    (2, Rule::CommonRows { id: &[&[1]], rules: &[] }),
    (3, Rule::CommonRows { id: &[&[1]], rules: &[] }),
];

/// `CountWorkersResponse`: a worker's heartbeats go to all members, so that each counts all of them.
pub(super) const COUNT_WORKERS: Rules = &[(1, Rule::Greatest)];

/// An answer that is the same on all members that have one.
pub(super) const SAME: Rules = &[];

/// `VersionDrainageInfo`: draining before drained.
const DRAINAGE: Rules = &[
    (1, Rule::Preferred(&[1, 2])), // status
    (2, Rule::Latest),             // last_changed_time
    (3, Rule::Earliest),           // last_checked_time
];

/// `WorkerDeploymentVersionStatus`: current, ramping, draining, drained, inactive, created: a version is
/// what it is on the member where it is most.
const VERSION_STATUS: Rule = Rule::Preferred(&[2, 3, 4, 5, 1, 6]);

/// `WorkerDeploymentVersionSummary`.
const VERSION_SUMMARY: Rules = &[
    (2, Rule::Earliest),           // create_time
    (3, Rule::Preferred(&[1, 2])), // drainage_status
    (5, Rule::Message(DRAINAGE)),
    (11, VERSION_STATUS),
];

/// `DescribeWorkerDeploymentResponse.worker_deployment_info`. Its routing is set on all members alike.
pub(super) const WORKER_DEPLOYMENT: Rules = &[(
    2,
    Rule::Message(&[
        (2, Rule::Rows { id: &[&[1], &[4]], rules: VERSION_SUMMARY }), // version_summaries
        (3, Rule::Earliest),                                           // create_time
        (7, Rule::Preferred(&[1, 2])), // routing_config_update_state: in progress, completed
    ]),
)];

/// `DescribeWorkerDeploymentVersionResponse`.
pub(super) const WORKER_DEPLOYMENT_VERSION: Rules = &[
    (
        1,
        Rule::Message(&[
            (4, Rule::Latest),                                 // routing_changed_time
            (8, Rule::Rows { id: &[&[1], &[2]], rules: &[] }), // task_queue_infos
            (9, Rule::Message(DRAINAGE)),
            (14, VERSION_STATUS),
        ]),
    ),
    // version_task_queues
    (2, Rule::Rows { id: &[&[1], &[2]], rules: &[(3, Rule::Message(STATS)), (4, STATS_BY_KEY)] }),
];

/// `WorkerDeploymentSummary`.
pub(super) const WORKER_DEPLOYMENT_SUMMARY: Rules = &[
    (2, Rule::Earliest), // create_time
    (4, Rule::Message(VERSION_SUMMARY)),
    (5, Rule::Message(VERSION_SUMMARY)),
    (6, Rule::Message(VERSION_SUMMARY)),
];

/// `DeploymentInfo`.
const DEPLOYMENT_INFO: Rules = &[
    (2, Rule::Earliest), // create_time
    // task_queue_infos with first_poller_time
    (3, Rule::Rows { id: &[&[1], &[2]], rules: &[(3, Rule::Earliest)] }),
    (5, Rule::Greatest), // is_current
];

/// `DescribeDeploymentResponse` and `GetCurrentDeploymentResponse`.
pub(super) const DEPLOYMENT: Rules = &[(1, Rule::Message(DEPLOYMENT_INFO))];

/// `GetDeploymentReachabilityResponse`: reachable, closed workflows only, unreachable.
pub(super) const DEPLOYMENT_REACHABILITY: Rules = &[
    (1, Rule::Message(DEPLOYMENT_INFO)),
    (2, Rule::Preferred(&[1, 2, 3])),
    (3, Rule::Earliest), // last_update_time
];

/// `DeploymentListInfo`.
pub(super) const DEPLOYMENT_ROW: Rules = &[
    (2, Rule::Earliest), // create_time
    (3, Rule::Greatest), // is_current
];

/// `BatchOperationState`: running, failed, completed: over when it is over everywhere, and failed where it
/// failed anywhere.
const BATCH_STATE: Rule = Rule::Preferred(&[1, 3, 2]);

/// `DescribeBatchOperationResponse`.
pub(super) const BATCH_OPERATION: Rules = &[
    (3, BATCH_STATE),
    (4, Rule::Earliest),    // start_time
    (5, Rule::LatestOfAll), // close_time
    (6, Rule::Add),         // total_operation_count
    (7, Rule::Add),         // complete_operation_count
    (8, Rule::Add),         // failure_operation_count
    (12, Rule::Distinct),   // executions
];

/// `BatchOperationInfo`.
pub(super) const BATCH_ROW: Rules = &[
    (2, BATCH_STATE),
    (3, Rule::Earliest),    // start_time
    (4, Rule::LatestOfAll), // close_time
];

/// `DescribeWorkflowRuleResponse`.
pub(super) const WORKFLOW_RULE: Rules = &[(1, Rule::Message(WORKFLOW_RULE_ROW))];

/// `WorkflowRule`.
pub(super) const WORKFLOW_RULE_ROW: Rules = &[(1, Rule::Earliest)]; // create_time
