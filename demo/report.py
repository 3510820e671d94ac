"""What is printed when the orders are done: table, latencies, verdict, what to try next."""

import math
import os
import shlex
import statistics
import sys
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from demo import order
from demo.clusters import Record
from demo.customer import Outcome
from demo.verdict import Promise

# Enough to see what is wrong; a hundred lines of the same would hide it.
EXAMPLES = 5


def print_table(console: Console, clusters: list[str], records: list[Record]) -> None:
    """Where the orders live, and what their histories say."""
    table = Table(box=box.SIMPLE)
    table.add_column("cluster")
    for heading in ("orders", "share", "WorkflowTaskTimedOut", "activity retries"):
        table.add_column(heading, justify="right")
    for name in clusters:
        here = [record for record in records if record.cluster == name]
        share = len(here) / len(records) if records else 0
        timeouts = sum(record.task_timeouts for record in here)
        retries = sum(record.activity_retries for record in here)
        table.add_row(name, str(len(here)), f"{share:.0%}", str(timeouts), str(retries))
    console.print(table)


def print_latencies(console: Console, outcomes: list[Outcome]) -> None:
    """How long orders took, their one-second timer included."""
    times = sorted(o.seconds for o in outcomes if o.seconds is not None)
    if not times:
        return
    p95 = times[math.ceil(0.95 * len(times)) - 1]
    console.print(
        f"Start to result: median {statistics.median(times):.2f} s, p95 {p95:.2f} s"
        " (1 s of it is the order's timer).\n"
    )


def print_verdict(console: Console, promises: list[Promise]) -> None:
    """One line when every promise was kept; else each broken one with examples."""
    broken = [promise for promise in promises if promise.broken]
    if not broken:
        sentences = ", ".join(promise.sentence for promise in promises)
        console.print(f"PASS: {sentences}.", style="bold green", soft_wrap=True)
        return
    console.print("FAIL: not everything is as it should be.", style="bold red")
    for promise in broken:
        console.print(f"  Not true: {promise.sentence}.", soft_wrap=True)
        for example in promise.broken[:EXAMPLES]:
            console.print(f"    {example}", soft_wrap=True)
        if len(promise.broken) > EXAMPLES:
            console.print(f"    and {len(promise.broken) - EXAMPLES} more")


def print_next(
    console: Console, address: str, clusters: dict[str, str], uis: dict[str, str], done: str
) -> None:
    """What a visitor can do now, with commands that work as they stand."""
    new = "my-order"
    at = f"--address {address}"
    worker = shlex.join([_from_here(sys.executable), _from_here(order.__file__)])
    new_order = """'{"item": "teapot", "cents": 4200, "address": "1 Old Road"}'"""

    def section(title: str, *lines: str) -> None:
        console.print(f"\n{title}", style="bold")
        for line in lines:
            console.print(f"  {line}", soft_wrap=True)

    section(
        "Point any SDK at the one address",
        f'Client.connect("{address}")    # Python; namespace "default", no other setting',
    )
    section(
        "Find an order through it, then on the clusters: only one of them knows it",
        f"temporal workflow describe -w {done} {at}",
        *(
            f"temporal workflow describe -w {done} --address {own}    # {name}"
            for name, own in clusters.items()
        ),
    )
    section(
        "Place an order of your own (the worker in a second terminal)",
        f"{worker} {at}",
        f"temporal workflow start -w {new} --type Order --task-queue {order.TASK_QUEUE}"
        f" --input {new_order} {at}",
        f"temporal workflow query -w {new} --name status {at}",
        f"temporal workflow signal -w {new} --name approve_payment {at}",
        f"temporal workflow result -w {new} {at}",
    )
    if uis:
        section("Look into each cluster", *(f"{name}: {url}" for name, url in uis.items()))


def _from_here(path: str) -> str:
    """Short when it is below the current folder, and a name that works in any case."""
    absolute = Path(os.path.abspath(path))
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)
