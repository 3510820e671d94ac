"""What the clusters know: each is asked on its own address, past Panko.

Clients and workers never do this. The demo does, to prove where the orders live.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

# Histories are read after the last order is done; more at once only queue in the server.
READS_AT_ONCE = 20

Answer = TypeVar("Answer")


class ClusterError(Exception):
    """A cluster could not say what it knows."""


@dataclass(frozen=True)
class Cluster:
    """One Temporal cluster behind the one address."""

    name: str
    client: Client


@dataclass(frozen=True)
class Record:
    """What one cluster's history says of one order."""

    workflow_id: str
    cluster: str
    task_timeouts: int
    activity_retries: int


async def homes(clusters: list[Cluster], workflow_id: str) -> list[str]:
    """The names of the clusters that know this workflow: one, if all is well."""
    knows = await asyncio.gather(*(_knows(cluster, workflow_id) for cluster in clusters))
    return [cluster.name for cluster, known in zip(clusters, knows, strict=True) if known]


async def read_records(clusters: list[Cluster], workflow_ids: Iterable[str]) -> list[Record]:
    """Reads every order's history from every cluster that has one."""
    turns = asyncio.Semaphore(READS_AT_ONCE)

    async def read(workflow_id: str, cluster: Cluster) -> Record | None:
        async with turns:
            return await _read_record(cluster, workflow_id)

    found = await asyncio.gather(
        *(read(workflow_id, cluster) for workflow_id in workflow_ids for cluster in clusters)
    )
    return [record for record in found if record]


async def _knows(cluster: Cluster, workflow_id: str) -> bool:
    handle = cluster.client.get_workflow_handle(workflow_id)
    return await _unless_not_found(cluster, handle.describe()) is not None


async def _read_record(cluster: Cluster, workflow_id: str) -> Record | None:
    handle = cluster.client.get_workflow_handle(workflow_id)
    history = await _unless_not_found(cluster, handle.fetch_history())
    return _record(cluster, history) if history else None


async def _unless_not_found(cluster: Cluster, call: Awaitable[Answer]) -> Answer | None:
    try:
        return await call
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise ClusterError(f"cluster {cluster.name} does not answer: {error}") from error


def _record(cluster: Cluster, history: WorkflowHistory) -> Record:
    timeouts = retries = 0
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
            timeouts += 1
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            # Written once, when the activity ends, with the attempt that ended it.
            retries += event.activity_task_started_event_attributes.attempt - 1
    return Record(history.workflow_id, cluster.name, timeouts, retries)
