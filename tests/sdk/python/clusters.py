"""The clusters behind the address, asked directly: what is there, and what is not."""

from collections.abc import Iterator
from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode


@dataclass(frozen=True)
class Cluster:
    """One cluster, under the name that the caller gave it."""

    name: str
    client: Client
    """Connected to the cluster itself, past the address under test."""

    async def describe(self, workflow_id: str) -> WorkflowExecutionDescription | None:
        """What this cluster knows of a workflow's latest run, if anything."""
        return await describe(self.client, workflow_id)


async def describe(
    client: Client, workflow_id: str
) -> WorkflowExecutionDescription | None:
    """The description of a workflow's latest run, or None where it is unknown."""
    try:
        return await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise


class Homes:
    """Hands out workflow ids, and remembers on which cluster each has to live."""

    def __init__(self, free: dict[str, Iterator[str]]) -> None:
        """`free` gives, for each cluster, ids that belong there."""
        self._free = free
        self.of: dict[str, str | None] = {}
        """The cluster of each id; None for what must be on no cluster at all."""

    def clusters(self) -> list[str]:
        """The clusters that ids may belong to."""
        return list(self._free)

    def take(self, cluster: str) -> str:
        """An unused id of a cluster; nothing is on record about it yet."""
        workflow_id = next(self._free[cluster], None)
        if workflow_id is None:
            raise LookupError(f"the ids of cluster {cluster} are used up: give more")
        return workflow_id
