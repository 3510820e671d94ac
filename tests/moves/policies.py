"""Ids that collide, under each policy: what clients are told is what one cluster would tell."""

import asyncio
from itertools import count

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy as Conflict
from temporalio.common import WorkflowIDReusePolicy as Reuse
from temporalio.exceptions import WorkflowAlreadyStartedError

from book import Book
from workflows import TASK_QUEUE, Account

PAUSE = 0.5
"""Between two rounds of one pair of policies."""

AT_ONCE = 3
"""How many start one id at the same time."""

PAIRS = [
    (reuse, conflict)
    for reuse in (
        Reuse.ALLOW_DUPLICATE,
        Reuse.ALLOW_DUPLICATE_FAILED_ONLY,
        Reuse.REJECT_DUPLICATE,
    )
    for conflict in Conflict
    # Servers refuse this pair.
    if (reuse, conflict) != (Reuse.REJECT_DUPLICATE, Conflict.TERMINATE_EXISTING)
] + [(Reuse.TERMINATE_IF_RUNNING, Conflict.UNSPECIFIED)]

Handle = WorkflowHandle[Account, int]


class Pair:
    """One pair of policies, on one fresh id after the other."""

    def __init__(
        self, book: Book, client: Client, name: str, reuse: Reuse, conflict: Conflict
    ) -> None:
        self._book, self._client = book, client
        self._reuse, self._conflict = reuse, conflict
        self._name = f"py-{name}-{reuse.name}-{conflict.name}".lower().replace("_", "-")
        self._numbers = count()

    async def step(self) -> None:
        """Several start one id; it ends, completed or failed in turn; it is started again."""
        number = next(self._numbers)
        own, book = f"{self._name}-{number}", self._book
        started = await asyncio.gather(*(self._start(own) for _ in range(AT_ONCE)))
        runs = {run for run in started if run}
        refused = started.count(None)
        wanted = {"runs": AT_ONCE, "refused": 0}
        if self._conflict == Conflict.USE_EXISTING:
            wanted = {"runs": 1, "refused": 0}
        elif not self._terminates():
            wanted = {"runs": 1, "refused": AT_ONCE - 1}
        book.expect(f"{own}: starts at once", {"runs": len(runs), "refused": refused}, wanted)

        handle = self._client.get_workflow_handle_for(Account.run, own)
        await book.call("signal", lambda: handle.signal(Account.add, 7))
        seen = await book.call("query", lambda: handle.query(Account.total))
        book.expect(f"{own}: a query after a signal", seen, 7)
        open_run = (await book.call("describe", handle.describe)).run_id
        book.expect(f"{own}: the open run is one that was started", open_run in runs, True)
        how = ("complete", "fail")[number % 2]
        await self._end(handle, how, 7)

        again = await self._start(own)
        anew = self._reuse in (Reuse.ALLOW_DUPLICATE, Reuse.TERMINATE_IF_RUNNING) or (
            self._reuse == Reuse.ALLOW_DUPLICATE_FAILED_ONLY and how == "fail"
        )
        book.expect(f"{own}: begins anew after {how}", again is not None, anew)
        if again is not None:
            book.expect(f"{own}: a new run", again in runs, False)
            await self._end(handle, "complete", 0)
        await asyncio.sleep(PAUSE)

    def _terminates(self) -> bool:
        return (
            self._conflict == Conflict.TERMINATE_EXISTING
            or self._reuse == Reuse.TERMINATE_IF_RUNNING
        )

    async def _start(self, own: str) -> str | None:
        """The run's id, or none if it is refused as started."""
        start = self._client.start_workflow(
            Account.run,
            id=own,
            task_queue=TASK_QUEUE,
            id_reuse_policy=self._reuse,
            id_conflict_policy=self._conflict,
        )
        try:
            return (await self._book.call("start a colliding id", lambda: start)).result_run_id
        except WorkflowAlreadyStartedError:
            return None

    async def _end(self, handle: Handle, how: str, total: int) -> None:
        await self._book.call("signal", lambda: handle.signal(Account.end, how))
        try:
            result = await self._book.result(handle.result)
            self._book.expect(f"{handle.id}: its result", (how, result), ("complete", total))
        except WorkflowFailureError:
            self._book.expect(f"{handle.id}: its end", "fail", how)
