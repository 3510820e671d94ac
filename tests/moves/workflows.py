"""What the load runs, each as small as its checks allow."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

TASK_QUEUE = "moves-python"


@activity.defn
async def greet(name: str) -> str:
    """Greets."""
    return f"hello {name}"


@workflow.defn
class Greets:
    """Ends with what its activity returns."""

    @workflow.run
    async def run(self, name: str) -> str:
        """One activity."""
        timeout = timedelta(seconds=10)
        return await workflow.execute_activity(greet, name, start_to_close_timeout=timeout)


@workflow.defn
class Account:
    """Adds up what signals and updates bring, until it is told to end."""

    def __init__(self) -> None:
        self._total = 0
        self._end = ""

    @workflow.run
    async def run(self) -> int:
        """The total, or a failure if it is told to fail."""
        await workflow.wait_condition(lambda: self._end != "")
        if self._end == "fail":
            raise ApplicationError("as it was told", type="Told")
        return self._total

    @workflow.signal
    def add(self, amount: int) -> None:
        """Adds."""
        self._total += amount

    @workflow.signal
    def end(self, how: str) -> None:
        """Ends it: `complete` or `fail`."""
        self._end = how

    @workflow.query
    def total(self) -> int:
        """What has come so far."""
        return self._total

    @workflow.update
    async def add_and_total(self, amount: int) -> int:
        """Adds, and tells the total."""
        self._total += amount
        return self._total


@workflow.defn
class Tick:
    """What schedules run."""

    @workflow.run
    async def run(self) -> None:
        """Ends at once."""
