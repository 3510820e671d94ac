"""After the run: do the histories show a task that got lost on its way?

A lost task comes again after a timeout, and its check still succeeds. Its
history tells: a workflow task that timed out, or an activity with a second
attempt that no failure of its own explains.
"""

import time
from collections.abc import AsyncIterator, Iterator, Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

import activities
import pace
from clusters import Cluster, Homes
from registry import Row

TIMEOUTS = "no workflow task timed out"
ATTEMPTS = "no activity needed another attempt"


async def health_rows(clusters: list[Cluster], homes: Homes) -> list[Row]:
    """Two rows for each cluster, from all histories that it has of the run."""
    return [row for cluster in clusters for row in await cluster_rows(cluster, homes)]


async def cluster_rows(cluster: Cluster, homes: Homes) -> list[Row]:
    """The two rows of one cluster."""
    started = time.monotonic()
    timeouts: list[str] = []
    attempts: list[str] = []

    async def examine(workflow_id: str) -> None:
        async for run_id, events in histories(cluster, workflow_id):
            run = f"{workflow_id} (run {run_id})"
            timeouts.extend(f"{run}: {what}" for what in task_timeouts(events))
            attempts.extend(f"{run}: {what}" for what in late_attempts(events))

    await pace.gather(examine(workflow_id) for workflow_id in homes.of)
    seconds = time.monotonic() - started
    return [
        Row(TIMEOUTS, cluster.name, seconds, summary(timeouts)),
        Row(ATTEMPTS, cluster.name, seconds, summary(attempts)),
    ]


def summary(faults: list[str]) -> str | None:
    """The number of faults and each of them, or None."""
    return "\n  ".join([f"{len(faults)} found", *faults]) if faults else None


async def histories(
    cluster: Cluster, workflow_id: str
) -> AsyncIterator[tuple[str, Sequence[HistoryEvent]]]:
    """Every run of a workflow on a cluster, the latest first.

    Each run names the one before it. Lists would name them all, but lag behind.
    """
    latest = await cluster.describe(workflow_id)
    run_id = latest.run_id if latest else ""
    while run_id:
        handle = cluster.client.get_workflow_handle(workflow_id, run_id=run_id)
        events = (await handle.fetch_history()).events
        yield run_id, events
        run_id = previous_run(events)


def previous_run(events: Sequence[HistoryEvent]) -> str:
    """The run that continued as this one, or of which this is a reset, or ''."""
    for event in events:
        started = event.workflow_execution_started_event_attributes
        reset = event.workflow_task_failed_event_attributes
        if run_id := started.continued_execution_run_id or reset.base_run_id:
            return run_id
    return ""


def task_timeouts(events: Sequence[HistoryEvent]) -> Iterator[str]:
    """The workflow tasks of a run that timed out."""
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
            yield f"event {event.event_id}"


def late_attempts(events: Sequence[HistoryEvent]) -> Iterator[str]:
    """The activities of a run that were tried more often than they fail on purpose."""
    for event in events:
        started = event.activity_task_started_event_attributes
        if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            continue
        scheduled = events[started.scheduled_event_id - 1]
        name = scheduled.activity_task_scheduled_event_attributes.activity_type.name
        if started.attempt > (2 if name in activities.RETRIED_ON_PURPOSE else 1):
            yield f"{name}, attempt {started.attempt}"
