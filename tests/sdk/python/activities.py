"""The activities of the checklist, one for each way an activity can end."""

import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError

import notes

RUNNING = "activity runs"
CANCEL_REQUESTED = "cancellation is requested"


@activity.defn
async def greet() -> str:
    """Succeeds at once."""
    return f"hello from {activity.info().workflow_id}"


@activity.defn
async def fails_once() -> int:
    """Fails on its first attempt; returns the number of the one that succeeds."""
    attempt = activity.info().attempt
    if attempt == 1:
        raise ApplicationError("the first attempt fails on purpose")
    return attempt


@activity.defn
async def fails_for_good() -> None:
    """Fails, and is not to be retried."""
    raise ApplicationError("broken on purpose", type="Broken", non_retryable=True)


@activity.defn
async def resumes_from_heartbeat() -> str:
    """Fails after a heartbeat; the next attempt returns that heartbeat's details."""
    info = activity.info()
    if info.attempt == 1:
        activity.heartbeat("half way")
        raise ApplicationError("the first attempt fails on purpose")
    return ", ".join(info.heartbeat_details)


@activity.defn
async def heartbeats_until_cancelled() -> None:
    """Ends by a cancellation, which only a heartbeat's answer can bring.

    The first heartbeat waits until the server knows of the cancellation. The
    SDK holds later ones back for most of the heartbeat timeout, and the check
    would take as long.
    """
    workflow_id = activity.info().workflow_id
    assert workflow_id
    notes.leave(workflow_id, RUNNING)
    await notes.find(workflow_id, CANCEL_REQUESTED)
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.1)


@activity.defn
async def ends_elsewhere() -> None:
    """Hands its token and ids to the check, which ends it through the client."""
    info = activity.info()
    assert info.workflow_id
    notes.leave(info.workflow_id, RUNNING, info)
    activity.raise_complete_async()


ALL = [
    greet,
    fails_once,
    fails_for_good,
    resumes_from_heartbeat,
    heartbeats_until_cancelled,
    ends_elsewhere,
]

RETRIED_ON_PURPOSE = {fails_once.__name__, resumes_from_heartbeat.__name__}
"""The only activities that may have an attempt after their first."""
