"""Checks of what is seen of many workflows at once: lists, schedules, batches."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.api.batch.v1 import BatchOperationTermination
from temporalio.api.workflowservice.v1 import StartBatchOperationRequest
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
)
from temporalio.exceptions import TerminatedError
from temporalio.service import RPCError, RPCStatusCode

import expect
from context import Context
from registry import check
from workflows import Counter, Echo


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
