"""The workflows of the checklist, each as small as its checks allow."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    import activities
    import notes
    from nexus_service import Greeter


@workflow.defn
class Echo:
    """Returns what it was given."""

    @workflow.run
    async def run(self, text: str) -> str:
        return text


MARK = SearchAttributeKey.for_keyword("PankoMark")
"""A search attribute of the checklist's own."""


@workflow.defn
class Marked:
    """Changes its memo and its search attribute once it is told to."""

    def __init__(self) -> None:
        self._told = False

    @workflow.run
    async def run(self, mark: str) -> None:
        await workflow.wait_condition(lambda: self._told)
        workflow.upsert_memo({"note": "changed"})
        workflow.upsert_search_attributes([MARK.value_set(mark)])

    @workflow.signal
    def change(self) -> None:
        self._told = True


@workflow.defn
class Fails:
    """Ends as failed."""

    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("this workflow fails on purpose", type="Broken")


@workflow.defn
class Counter:
    """Counts what signals and updates add, until it is told to finish."""

    def __init__(self) -> None:
        self._total = 0
        self._finished = False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self._finished)
        return self._total

    @workflow.signal
    def add(self, amount: int) -> None:
        self._total += amount

    @workflow.signal
    def finish(self) -> None:
        self._finished = True

    @workflow.query
    def total(self) -> int:
        return self._total

    @workflow.query
    def broken(self) -> int:
        raise ValueError("this query fails on purpose")

    @workflow.update
    async def add_and_total(self, amount: int) -> int:
        # A timer between acceptance and result, so that they are two answers.
        await asyncio.sleep(0.1)
        self._total += amount
        return self._total

    @add_and_total.validator
    def validate_add_and_total(self, amount: int) -> None:
        if amount < 0:
            raise ValueError("only upwards")


@workflow.defn
class Sleeper:
    """Waits for a timer."""

    @workflow.run
    async def run(self, seconds: float) -> str:
        await workflow.sleep(seconds)
        return "awake"


@workflow.defn
class Countdown:
    """Continues as new until nothing is left; returns its last run's id."""

    @workflow.run
    async def run(self, left: int) -> str:
        if left > 0:
            workflow.continue_as_new(left - 1)
        return workflow.info().run_id


@workflow.defn
class Parent:
    """Runs one child to its end, under the id that it is given."""

    @workflow.run
    async def run(self, child: str, child_id: str, args: list[Any]) -> Any:
        return await workflow.execute_child_workflow(child, args=args, id=child_id)


@workflow.defn
class FailsFirstTask:
    """Its first workflow task fails (not the workflow), the next one succeeds."""

    @workflow.run
    async def run(self) -> str:
        if notes.first_time(workflow.info().run_id):
            raise RuntimeError("the first workflow task fails on purpose")
        return "recovered"


@workflow.defn
class CallsActivity:
    """Runs one activity, and waits for it to end even when it is cancelled."""

    @workflow.run
    async def run(self, activity: str, heartbeat_seconds: float | None = None) -> Any:
        return await workflow.execute_activity(
            activity,
            # Long enough for a slow machine; a task that got lost comes again
            # after it, still inside the check's time, and `health` sees that.
            start_to_close_timeout=timedelta(seconds=10),
            heartbeat_timeout=(
                timedelta(seconds=heartbeat_seconds) if heartbeat_seconds else None
            ),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class CallsManyActivities:
    """Runs activities side by side."""

    @workflow.run
    async def run(self, count: int) -> int:
        calls = (
            workflow.execute_activity(
                activities.greet, start_to_close_timeout=timedelta(seconds=10)
            )
            for _ in range(count)
        )
        return len(await asyncio.gather(*calls))


@workflow.defn
class CallsLocalActivity:
    """Runs an activity inside the worker."""

    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_local_activity(
            activities.greet, start_to_close_timeout=timedelta(seconds=10)
        )


@workflow.defn
class CallsNexus:
    """Calls one operation of the Nexus service, through an endpoint."""

    @workflow.run
    async def run(self, endpoint: str, operation: str, name: Any) -> str:
        client = workflow.create_nexus_client(service=Greeter, endpoint=endpoint)
        return await client.execute_operation(
            operation,
            name,
            output_type=str,
            schedule_to_close_timeout=timedelta(seconds=20),
        )


ALL = [
    Echo,
    Fails,
    Counter,
    Marked,
    Sleeper,
    Countdown,
    Parent,
    FailsFirstTask,
    CallsActivity,
    CallsManyActivities,
    CallsLocalActivity,
    CallsNexus,
]
