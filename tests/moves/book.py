"""What has been seen, by phase: how long calls took, what was tried again, what went wrong."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio.runtime import MetricBuffer
from temporalio.service import RPCError, RPCStatusCode

T = TypeVar("T")

SDK_TRIES_FOR = 10
"""Seconds from a call's beginning in which the SDK tries it again."""

FAILURES = {"temporal_request_failure", "temporal_long_request_failure"}
"""The SDK core's counters of answers that were errors, each try by itself."""

ANSWERS = {"ALREADY_EXISTS", "NOT_FOUND"}
"""Codes that are answers here: what is wrong about them the checks say."""


class Phase:
    """What was seen during one phase."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.took: defaultdict[str, list[float]] = defaultdict(list)
        self.raw: Counter[str] = Counter()


class Book:
    """All phases. A call counts in the phase in which it ends."""

    def __init__(self, buffer: MetricBuffer) -> None:
        self._buffer = buffer
        self._phases = [Phase("nothing moves")]
        self.wrong: list[str] = []
        self.stopping = False

    def begin(self, name: str) -> None:
        """What follows happens during this."""
        self._read_metrics()
        self._phases.append(Phase(name))

    async def call(self, kind: str, call: Callable[[], Awaitable[T]]) -> T:
        """Makes a call once: whatever is tried again, the SDK tries."""
        began = time.monotonic()
        try:
            return await call()
        except Exception as error:
            error.add_note(f"{kind}, after {time.monotonic() - began:.1f} s")
            raise
        finally:
            took = (time.monotonic() - began) * 1000
            self._phases[-1].took[kind].append(took)

    async def result(self, call: Callable[[], Awaitable[T]]) -> T:
        """Waits for a workflow's result, and again when the wait is cut off.

        A long poll that a connection's end cuts off more than 10 s after it began the SDK does not try again, whoever
        ends the connection: that is for the client to do. It is counted.
        """
        while True:
            began = time.monotonic()
            try:
                return await self.call("result", call)
            except RPCError as error:
                late = time.monotonic() - began > SDK_TRIES_FOR
                if error.status != RPCStatusCode.UNAVAILABLE or not late:
                    raise
                self._phases[-1].raw["result, asked again"] += 1

    def expect(self, what: str, seen: Any, wanted: Any) -> None:
        """Writes down what is not as it has to be."""
        if seen != wanted:
            self.wrong.append(f"{self._phases[-1].name}: {what}: {seen!r}, not {wanted!r}")

    async def until_stopped(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Does something again and again. An error is written down, and the next step begins anew."""
        while not self.stopping:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
                notes = "; ".join(getattr(error, "__notes__", []))
                cause = f" ({error.__cause__!r})" if error.__cause__ else ""
                self.wrong.append(f"{self._phases[-1].name}: {name}: {notes}: {error!r}{cause}")
                await asyncio.sleep(0.5)

    def _read_metrics(self) -> None:
        for update in self._buffer.retrieve_updates():
            if update.metric.name not in FAILURES:
                continue
            code = str(update.attributes.get("status_code", "?")).upper()
            if code not in ANSWERS:
                operation = update.attributes.get("operation", "?")
                self._phases[-1].raw[f"{operation} {code}"] += int(update.value)

    def as_json(self) -> dict[str, Any]:
        """For whoever shows it."""
        self._read_metrics()
        phases = [
            {"name": phase.name, "took": phase.took, "raw": phase.raw} for phase in self._phases
        ]
        return {"phases": phases, "wrong": self.wrong}
