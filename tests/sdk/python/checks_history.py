"""Checks of reading a workflow's history."""

from temporalio.api.enums.v1 import EventType

import expect
from context import Context
from registry import check
from workflows import Counter


@check
async def a_history_can_be_read_page_by_page(ctx: Context) -> None:
    handle = await ctx.start(Counter.run)
    for amount in range(5):
        await handle.signal(Counter.add, amount)
    await handle.signal(Counter.finish)
    await handle.result()
    pages = [event async for event in handle.fetch_history_events(page_size=2)]
    whole = list((await handle.fetch_history()).events)
    expect.equal(pages, whole)
    expect.equal([event.event_id for event in whole], list(range(1, len(whole) + 1)))
    expect.equal(whole[0].event_type, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)
    expect.equal(
        whole[-1].event_type, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
    )


@check
async def a_history_is_followed_until_the_workflow_closes(ctx: Context) -> None:
    handle = await ctx.start(Counter.run)
    seen = []
    async for event in handle.fetch_history_events(wait_new_event=True):
        seen.append(event.event_type)
        # Each signal is sent because an event was seen: a reader that does not
        # follow the running workflow never gets to its end.
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            tasks = seen.count(event.event_type)
            if tasks == 1:
                await handle.signal(Counter.add, 1)
            if tasks == 2:
                await handle.signal(Counter.finish)
    expect.equal(seen.count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED), 2)
    expect.equal(seen[-1], EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED)
    expect.equal(await handle.result(), 1)
