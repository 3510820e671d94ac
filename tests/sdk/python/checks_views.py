"""Checks of what is seen of many workflows at once: lists, schedules, batches."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone

from temporalio.api.batch.v1 import BatchOperationTermination
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import StartBatchOperationRequest
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleBackfill,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import TerminatedError
from temporalio.service import RPCError, RPCStatusCode

import expect
from context import Context
from registry import check
from workflows import MARK, Counter, Echo, Marked


@check
async def lists_and_counts_have_the_workflows_of_all_clusters(ctx: Context) -> None:
    started = {(await ctx.start(Echo.run, "listed")).id for _ in range(3)}
    query = f"TaskQueue = '{ctx.task_queue}' AND WorkflowType = 'Echo'"

    async def all_once() -> bool:
        rows = [row async for row in ctx.client.list_workflows(query, page_size=5)]
        # Others close meanwhile, and a row that moves may come twice or not at all:
        # look again, until nothing has moved.
        if len({row.run_id for row in rows}) != len(rows):
            return False
        counted = await ctx.client.count_workflows(query)
        return started <= {row.id for row in rows} and counted.count == len(rows)

    await until("all of them are listed", all_once)


@check
async def a_schedule_is_made_triggered_listed_and_deleted(ctx: Context) -> None:
    schedule_id = f"schedule-{ctx.homes.take(ctx.cluster.name)}"
    action = ScheduleActionStartWorkflow(
        Echo.run, "scheduled", id=f"by-{schedule_id}", task_queue=ctx.task_queue
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])
    handle = await ctx.client.create_schedule(
        schedule_id, Schedule(action=action, spec=spec)
    )
    await handle.trigger()
    found: list[str] = []

    async def has_run() -> bool:
        info = (await handle.describe()).info
        found.extend(result.action.workflow_id for result in info.recent_actions)
        return bool(found)

    await until("the scheduled run", has_run)
    run = ctx.client.get_workflow_handle(found[0], result_type=str)
    expect.equal(await run.result(), "scheduled")

    async def is_listed() -> bool:
        listed = await ctx.client.list_schedules(page_size=1)
        return schedule_id in [schedule.id async for schedule in listed]

    await until("the schedule in the list", is_listed)
    await handle.delete()


@check
async def a_schedule_is_paused_changed_and_backfilled(ctx: Context) -> None:
    schedule_id = f"schedule-{ctx.homes.take(ctx.cluster.name)}"
    action = ScheduleActionStartWorkflow(
        Echo.run, "before", id=f"by-{schedule_id}", task_queue=ctx.task_queue
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(hours=1))])
    handle = await ctx.client.create_schedule(
        schedule_id, Schedule(action=action, spec=spec)
    )
    await handle.pause(note="a test")
    described = await handle.describe()
    expect.equal(described.schedule.state.paused, True)
    expect.equal(described.schedule.state.note, "a test")
    await handle.unpause()

    def changed(update: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = update.description.schedule
        schedule.action = dataclasses.replace(action, args=["changed"])
        return ScheduleUpdate(schedule)

    await handle.update(changed)
    end = datetime.now(timezone.utc) - timedelta(hours=24)
    await handle.backfill(
        ScheduleBackfill(
            start_at=end - timedelta(minutes=150),
            end_at=end,
            overlap=ScheduleOverlapPolicy.ALLOW_ALL,
        )
    )
    runs: list[str] = []

    async def has_run() -> bool:
        info = (await handle.describe()).info
        runs[:] = [result.action.workflow_id for result in info.recent_actions]
        return len(runs) >= 2

    await until("the hours of before", has_run)
    for run in runs:
        past = ctx.client.get_workflow_handle(run, result_type=str)
        expect.equal(await past.result(), "changed")
    await handle.delete()


@check
async def a_memo_and_search_attributes_are_set_changed_and_searched(
    ctx: Context,
) -> None:
    await ensure_attribute(ctx)
    value = f"value-{ctx.homes.take(ctx.cluster.name)}"
    handle = await ctx.start(
        Marked.run,
        f"{value}-changed",
        memo={"note": "kept"},
        search_attributes=TypedSearchAttributes([SearchAttributePair(MARK, value)]),
    )

    async def is_found(wanted: str) -> bool:
        query = f"{MARK.name} = '{wanted}'"
        rows = [row async for row in ctx.client.list_workflows(query)]
        return [row.id for row in rows] == [handle.id]

    await until("it is found", lambda: is_found(value))
    expect.equal((await (await handle.describe()).memo())["note"], "kept")
    await handle.signal(Marked.change)
    await handle.result()
    await until("it is found by the new one", lambda: is_found(f"{value}-changed"))
    expect.equal((await (await handle.describe()).memo())["note"], "changed")


async def ensure_attribute(ctx: Context) -> None:
    """Servers take a moment until they know a new attribute."""
    request = AddSearchAttributesRequest(namespace=ctx.client.namespace)
    request.search_attributes[MARK.name] = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    try:
        await ctx.client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise

    async def is_known() -> bool:
        try:
            await ctx.client.count_workflows(f"{MARK.name} = 'none'")
        except RPCError as error:
            if error.status == RPCStatusCode.INVALID_ARGUMENT:
                return False
            raise
        return True

    await until("the attribute is known", is_known)


@check
async def a_batch_terminates_by_query(ctx: Context) -> None:
    handle = await ctx.start(Counter.run)
    query = f"WorkflowId = '{handle.id}' AND ExecutionStatus = 'Running'"

    async def is_visible() -> bool:
        return (await ctx.client.count_workflows(query)).count == 1

    await until("it is visible", is_visible)
    request = StartBatchOperationRequest(
        namespace=ctx.client.namespace,
        visibility_query=query,
        job_id=f"batch-{handle.id}",
        reason="a test",
        termination_operation=BatchOperationTermination(identity="a test"),
    )

    async def has_begun() -> bool:
        try:
            await ctx.client.workflow_service.start_batch_operation(request)
        except RPCError as error:
            # A cluster runs one batch at a time, and other checks have theirs.
            if error.status == RPCStatusCode.RESOURCE_EXHAUSTED:
                return False
            raise
        return True

    await until("the batch begins", has_begun)
    await expect.workflow_fails(handle, TerminatedError)


async def until(what: str, done: Callable[[], Awaitable[bool]]) -> None:
    """Ask again for what takes a moment."""
    end = time.monotonic() + 20
    while not await done():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not in time")
        # Servers let a namespace ask its visibility ten times a second.
        await asyncio.sleep(1)
