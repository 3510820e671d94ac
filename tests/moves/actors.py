"""What clients do: each actor has ids of its own, so it knows what every answer has to be."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from book import Book
from workflows import TASK_QUEUE, Account, Greets, Tick

T = TypeVar("T")

PAUSE = 0.1
"""Between two things that an actor does: the machine has others to serve, too."""

USE_EXISTING = WorkflowIDConflictPolicy.USE_EXISTING


class Fresh:
    """Starts under ids that nobody has used, and waits for the results."""

    def __init__(self, book: Book, client: Client, name: str) -> None:
        self._book, self._client, self._name = book, client, name
        self._numbers = count()

    async def step(self) -> None:
        """One workflow from its start to its result."""
        name = f"py-fresh-{self._name}-{next(self._numbers)}"
        book, client = self._book, self._client
        start = client.start_workflow(Greets.run, name, id=name, task_queue=TASK_QUEUE)
        handle = await book.call("start", lambda: start)
        # By its id alone: where it lives is not the client's to know.
        handle = client.get_workflow_handle_for(Greets.run, name)
        described = await book.call("describe", handle.describe)
        book.expect(f"{name} as described", described.id, name)
        result = await book.result(handle.result)
        book.expect(f"the result of {name}", result, f"hello {name}")
        history = await book.call("history", handle.fetch_history)
        book.expect(f"the first event of {name}", history.events[0].event_id, 1)
        await asyncio.sleep(PAUSE)


class Entity:
    """One id for long: it gets signals, updates and queries, ends, and begins anew."""

    def __init__(self, book: Book, client: Client, name: str) -> None:
        self._book, self._client, self._id = book, client, f"py-entity-{name}"
        self._handle: WorkflowHandle[Account, int] | None = None

    async def step(self) -> None:
        """One run. What went wrong before it may have left open is ended first."""
        book, client, own = self._book, self._client, self._id
        if self._handle:
            self._handle = None
            await client.get_workflow_handle(own).terminate()
        started = await book.call("start", lambda: self._start())
        self._handle = started
        # By its id alone.
        handle = client.get_workflow_handle_for(Account.run, own)
        total = 0
        for amount in range(1, 9):
            await book.call("signal", lambda: handle.signal(Account.add, amount))
            total += amount
            seen = await book.call("query", lambda: handle.query(Account.total))
            book.expect(f"{own}: a query after a signal", seen, total)
            update = handle.execute_update(Account.add_and_total, amount)
            total += amount
            book.expect(f"{own}: an update", await book.call("update", lambda: update), total)
            total += amount
            with_start = self._update_with_start(amount)
            seen = await book.call("update with start", lambda: with_start)
            book.expect(f"{own}: an update with start", seen, total)
            signalled = await book.call("signal with start", lambda: self._signal_with_start(amount))
            total += amount
            same = (signalled.result_run_id or signalled.first_execution_run_id or "")
            book.expect(f"{own}: the run of a signal with start", same, started.result_run_id)
            described = await book.call("describe", handle.describe)
            book.expect(f"{own}: the run that is described", described.run_id, started.result_run_id)
            book.expect(f"{own}: its status", described.status, WorkflowExecutionStatus.RUNNING)
            try:
                again = await book.call("start an open id", lambda: self._start())
                book.expect(f"{own}: a start while it is open", again.result_run_id, "refused")
            except WorkflowAlreadyStartedError:
                pass
            await asyncio.sleep(PAUSE)
            if book.stopping:
                break
        await book.call("signal", lambda: handle.signal(Account.end, "complete"))
        result = await book.result(handle.result)
        self._handle = None
        book.expect(f"{own}: its result", result, total)

    async def _start(self) -> WorkflowHandle[Account, int]:
        return await self._client.start_workflow(Account.run, id=self._id, task_queue=TASK_QUEUE)

    async def _update_with_start(self, amount: int) -> int:
        start = WithStartWorkflowOperation(
            Account.run, id=self._id, task_queue=TASK_QUEUE, id_conflict_policy=USE_EXISTING
        )
        return await self._client.execute_update_with_start_workflow(
            Account.add_and_total, amount, start_workflow_operation=start
        )

    async def _signal_with_start(self, amount: int) -> WorkflowHandle[Account, int]:
        return await self._client.start_workflow(
            Account.run,
            id=self._id,
            task_queue=TASK_QUEUE,
            id_conflict_policy=USE_EXISTING,
            start_signal="add",
            start_signal_args=[amount],
        )


class Scheduled:
    """One schedule that fires each second; and the workflows that it starts are found."""

    def __init__(self, book: Book, client: Client, name: str) -> None:
        self._book, self._client, self._name = book, client, name
        self._numbers = count()

    async def step(self) -> None:
        """One schedule from its creation to its end."""
        book, name = self._book, f"py-schedule-{self._name}-{next(self._numbers)}"
        action = ScheduleActionStartWorkflow(Tick.run, id=f"{name}-run", task_queue=TASK_QUEUE)
        spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=1))])
        schedule = Schedule(action=action, spec=spec)
        await book.call("create schedule", lambda: self._client.create_schedule(name, schedule))
        handle = self._client.get_schedule_handle(name)
        fired = 0
        for _ in range(8):
            if book.stopping:
                break
            await asyncio.sleep(1)
            described = await book.call("describe schedule", handle.describe)
            book.expect(f"{name} loses actions", described.info.num_actions >= fired, True)
            fired = described.info.num_actions
            for recent in described.info.recent_actions[-1:]:
                run: Any = recent.action
                found = self._client.get_workflow_handle(run.workflow_id)
                await book.call("describe a scheduled run", found.describe)
            await book.call("trigger", handle.trigger)
            await book.call("update schedule", lambda: handle.update(same))
        book.expect(f"{name} fires", fired > 0 or book.stopping, True)
        await book.call("delete schedule", handle.delete)


async def same(given: Any) -> ScheduleUpdate:
    """The schedule as it is."""
    return ScheduleUpdate(schedule=given.description.schedule)
