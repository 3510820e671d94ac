"""After the load: what do the clusters' histories say of each workflow? Reads past Panko.

One line of JSON for each workflow: where it is, what was lost, how long its tasks waited.
"""

import argparse
import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from demo.process import leave, log_to_stderr
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode


AT_ONCE = 16
"""More only queue in the server."""
PANKO = "panko"
"""Who gave a task back, as histories name it."""


class Audit:
    """The clusters, by name."""

    def __init__(self, clusters: dict[str, Client]) -> None:
        self._clusters = clusters
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def examine(self, workflow_id: str) -> dict[str, Any]:
        """What all clusters know of one workflow."""
        found = {}
        for name, client in self._clusters.items():
            async with self._turns:
                if events := await history(client, workflow_id):
                    found[name] = events
        every = [event for events in found.values() for event in events]
        return {
            "id": workflow_id,
            "clusters": list(found),
            "faults": [fault for events in found.values() for fault in faults(events)],
            "workflow_waits": list(workflow_waits(every)),
            "activity_waits": list(activity_waits(every)),
        }


async def history(client: Client, workflow_id: str) -> Sequence[HistoryEvent]:
    """All events of a workflow on a cluster; none where it is unknown. They fit on one page."""
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
    )
    try:
        answer = await client.workflow_service.get_workflow_execution_history(request, retry=True)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return []
        raise
    return answer.history.events


def faults(events: Sequence[HistoryEvent]) -> Iterator[dict[str, Any]]:
    """Everything that a task had to be handed out again for."""
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
            timed_out = event.workflow_task_timed_out_event_attributes
            start = timed_out.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE
            kind = "start-to-close" if start else "schedule-to-start"
            yield fault(kind, event, started_by(events, timed_out.started_event_id))
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failed = event.workflow_task_failed_event_attributes
            kind = "given-back" if failed.identity == PANKO else "task-failed"
            cause = WorkflowTaskFailedCause.Name(failed.cause)
            yield fault(kind, event, f"{failed.identity}: {cause}: {failed.failure.message}")
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
            # Histories have the first failure or timeout of a task. What became of the attempts
            # between the second and the one that ended it is written nowhere.
            attempt = event.workflow_task_scheduled_event_attributes.attempt
            for _ in range(attempt - 2):
                yield fault("unrecorded", event, f"attempt {attempt}")
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            # Written once, when the activity ends, with the attempt that ended it.
            started = event.activity_task_started_event_attributes
            for _ in range(started.attempt - 1):
                yield fault("attempt", event, reason(started.last_failure))


def fault(kind: str, event: HistoryEvent, why: str) -> dict[str, Any]:
    """One fault, with what is needed to look for its reason in logs."""
    at = event.event_time.ToJsonString()
    return {"kind": kind, "event": event.event_id, "at": at, "why": why}


def started_by(events: Sequence[HistoryEvent], event_id: int) -> str:
    """Whose poll got a workflow task, and when."""
    for event in events:
        if event.event_id == event_id:
            identity = event.workflow_task_started_event_attributes.identity
            return f"started {event.event_time.ToJsonString()} for {identity}"
    return "not started"


def reason(failure: Failure) -> str:
    """Why an activity needed another attempt: a timeout of which type, or what its worker said."""
    if failure.HasField("timeout_failure_info"):
        return TimeoutType.Name(failure.timeout_failure_info.timeout_type)
    return failure.message or "no failure given"


def workflow_waits(events: Iterable[HistoryEvent]) -> Iterator[float]:
    """How long workflow tasks waited to be started, in seconds."""
    yield from waits(
        events,
        EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
        lambda event: event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
        and event.workflow_task_started_event_attributes.scheduled_event_id,
    )


def activity_waits(events: Iterable[HistoryEvent]) -> Iterator[float]:
    """How long activities waited for their first attempt, in seconds."""
    yield from waits(
        events,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        lambda event: event.activity_task_started_event_attributes.attempt == 1
        and event.activity_task_started_event_attributes.scheduled_event_id,
    )


def waits(events: Iterable[HistoryEvent], scheduled: Any, started: Any) -> Iterator[float]:
    """From each scheduling to its start; `started` gives the scheduling event's id, or false."""
    since = {}
    for event in events:
        if event.event_type == scheduled:
            since[event.event_id] = event.event_time.ToNanoseconds()
        elif (scheduling := started(event)) in since:
            yield (event.event_time.ToNanoseconds() - since[scheduling]) / 1e9


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description="Read workflows' histories from their clusters.")
    parser.add_argument("--cluster", action="append", required=True, metavar="NAME=HOST:PORT")
    parser.add_argument("--load", type=Path, required=True, help="what load.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    """Examines every workflow of the load."""
    named = dict(cluster.split("=", 1) for cluster in options.cluster)
    audit = Audit({name: await Client.connect(address) for name, address in named.items()})
    ids = [json.loads(line)["id"] for line in options.load.read_text().splitlines()]
    found = await asyncio.gather(*map(audit.examine, ids))
    options.out.write_text("".join(json.dumps(record) + "\n" for record in found))


if __name__ == "__main__":
    log_to_stderr()
    asyncio.run(main(parse()))
    leave(0)
