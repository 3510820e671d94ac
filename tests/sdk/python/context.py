"""What a check gets: a client of the address, and ids that live on one cluster."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHandle

from clusters import Cluster, Homes

Handle = WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class Context:
    """One check's view of one cluster."""

    client: Client
    """Connected to the address under test; checks use no other, but for setting up."""
    cluster: Cluster
    """Where the workflows of this check have to live."""
    homes: Homes
    task_queue: str

    def new_id(self) -> str:
        """An unused id, on record as living on this cluster."""
        workflow_id = self.homes.take(self.cluster.name)
        self.homes.of[workflow_id] = self.cluster.name
        return workflow_id

    async def start(
        self, workflow: Any, *args: Any, id: str | None = None, **options: Any
    ) -> Handle:
        """Start a workflow on this cluster, under a new id unless one is given."""
        return await self.client.start_workflow(
            workflow, args=args, **self.start_options(id), **options
        )

    def start_options(self, id: str | None = None) -> dict[str, Any]:
        """What every start of the checklist has in common."""
        return {
            "id": id or self.new_id(),
            "task_queue": self.task_queue,
            # What a failed check leaves open ends by itself.
            "execution_timeout": timedelta(minutes=2),
        }


async def event_types(handle: Handle) -> list[EventType.ValueType]:
    """The types of all events of a run, in order."""
    return [event.event_type async for event in handle.fetch_history_events()]


async def wait_for_event(handle: Handle, wanted: EventType.ValueType) -> None:
    """Follow a run until it has an event of the wanted type."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == wanted:
            return
    raise AssertionError(f"{handle.id} closed without {EventType.Name(wanted)}")
