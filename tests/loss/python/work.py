"""The load's work: a workflow of one activity. Its twin in Go is `go/work.go`."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

WORKFLOW = "OneActivity"


@dataclass
class Work:
    """What a workflow is told. Times are in seconds."""

    seconds: float
    """How long the activity takes."""
    timeout: float
    """Its start-to-close timeout: when a cluster starts a lost one again."""
    heartbeat: float
    """Its heartbeat timeout; 0 for none."""


class Forgetful:
    """Decides which activities a worker forgets: never ends, as if their task had been lost."""

    def __init__(self, percent: float) -> None:
        self._percent = percent
        self._debt = 0.0

    def forgets(self) -> bool:
        """Evenly spread, so that two runs lose the same number."""
        self._debt += self._percent / 100
        if self._debt < 1:
            return False
        self._debt -= 1
        return True


class Activities:
    """The one activity."""

    def __init__(self, forgetful: Forgetful) -> None:
        self._forgetful = forgetful

    @activity.defn(name="work")
    async def work(self, work: Work) -> str:
        """Takes its time, and says now and then that it is alive."""
        if self._forgetful.forgets():
            await asyncio.sleep(work.timeout * 2)
        left = work.seconds
        while work.heartbeat and left > 1:
            activity.heartbeat()
            await asyncio.sleep(1)
            left -= 1
        await asyncio.sleep(left)
        return "done"


@workflow.defn(name=WORKFLOW)
class OneActivity:
    """Runs the activity, and again until one attempt is done."""

    @workflow.run
    async def run(self, work: Work) -> str:
        """Returns what the activity returns."""
        return await workflow.execute_activity(
            "work",
            work,
            result_type=str,
            start_to_close_timeout=timedelta(seconds=work.timeout),
            heartbeat_timeout=timedelta(seconds=work.heartbeat) if work.heartbeat else None,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=100), backoff_coefficient=1
            ),
        )
