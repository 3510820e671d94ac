"""Runs orders through Panko's one address and proves on the clusters where they live.

`python -m demo.run --address HOST:PORT --cluster a=HOST:PORT --cluster b=HOST:PORT`
"""

import argparse
import asyncio
import sys
import time
import traceback
from pathlib import Path

if not __package__:
    # Run as a file: Python then looks beside it, and `demo` is one folder up.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from rich.console import Console
from temporalio.client import Client

from demo.board import Board
from demo.clusters import Cluster, ClusterError, homes, read_records
from demo.customer import Outcome, place_order
from demo.order import order_worker
from demo.process import leave, log_to_stderr
from demo.report import print_latencies, print_next, print_table, print_verdict
from demo.verdict import judge

IN_FLIGHT = 20


class Unreachable(Exception):
    """An address does not answer as a Temporal frontend does."""


def parse_arguments() -> argparse.Namespace:
    """Reads the command line; `cluster` and `ui` become dicts from name to address."""
    parser = argparse.ArgumentParser(description="Run orders through Panko and judge the result.")
    parser.add_argument("--address", required=True, metavar="HOST:PORT", help="Panko's one address")
    parser.add_argument(
        "--cluster",
        required=True,
        action="append",
        type=named,
        metavar="NAME=HOST:PORT",
        help="a cluster's own address, to see which orders live there; once for each",
    )
    parser.add_argument(
        "--ui", action="append", default=[], type=named, metavar="NAME=URL", help="its Web UI"
    )
    parser.add_argument("--workflows", type=int, default=100, metavar="N", help="default: 100")
    parser.add_argument("--check", action="store_true", help="only judge; no hints afterwards")
    arguments = parser.parse_args()
    if arguments.workflows < 1:
        parser.error("--workflows must be 1 or more")
    clusters = dict(arguments.cluster)
    if len(clusters) < len(arguments.cluster):
        parser.error("two --cluster have the same name: give each its own")
    arguments.cluster, arguments.ui = clusters, dict(arguments.ui)
    return arguments


def named(text: str) -> tuple[str, str]:
    """Splits NAME=VALUE."""
    name, _, value = text.partition("=")
    if not (name and value):
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=VALUE, such as a=localhost:7233")
    return name, value


async def connect(address: str) -> Client:
    """Connects to a frontend, with the SDK's defaults."""
    try:
        return await Client.connect(address)
    except RuntimeError as error:
        raise Unreachable(f"cannot reach {address}: is the sandbox running? ({error})") from error


async def run_orders(
    client: Client, clusters: list[Cluster], board: Board, ids: list[str]
) -> list[Outcome]:
    """Places all orders, some at a time, and shows where each one lives."""
    turns = asyncio.Semaphore(IN_FLIGHT)

    async def run_order(workflow_id: str) -> Outcome:
        async with turns:
            outcome = await place_order(client, workflow_id)
            board.order_done(await homes(clusters, workflow_id))
            return outcome

    async with order_worker(client):
        return await asyncio.gather(*map(run_order, ids))


async def demo(arguments: argparse.Namespace, console: Console) -> bool:
    """The whole demo; returns whether every promise was kept."""
    names = list(arguments.cluster)
    client = await connect(arguments.address)
    clusters = [Cluster(name, await connect(own)) for name, own in arguments.cluster.items()]

    # A prefix of its own for each run: the same sandbox takes the demo any number of times.
    prefix = time.strftime("demo-%m%d-%H%M%S")
    ids = [f"{prefix}-order-{number:04}" for number in range(1, arguments.workflows + 1)]
    console.print(
        f"{len(ids)} orders through {arguments.address}; behind it: {', '.join(names)}.\n"
        f"Workflow ids: {ids[0]} and so on.\n"
    )
    with Board(console, names, len(ids)) as board:
        outcomes = await run_orders(client, clusters, board, ids)

    records = await read_records(clusters, ids)
    promises = judge(outcomes, records, names)
    print_table(console, names, records)
    print_latencies(console, outcomes)
    print_verdict(console, promises)
    if not arguments.check:
        print_next(console, arguments.address, arguments.cluster, arguments.ui, ids[0])
    return not any(promise.broken for promise in promises)


def main() -> int:
    """Exit status: 0 when every promise was kept, else 1."""
    arguments = parse_arguments()
    log_to_stderr()
    # What is no terminal gets plain text, whatever FORCE_COLOR and the like say.
    console = Console(
        force_terminal=sys.stdout.isatty(), markup=False, highlight=False, emoji=False
    )
    try:
        return 0 if asyncio.run(demo(arguments, console)) else 1
    except KeyboardInterrupt:
        return 130
    except (Unreachable, ClusterError) as error:
        print(f"demo: {error}", file=sys.stderr)
    except Exception:
        # Not left to Python: after its traceback comes its exit, which may hang (see leave).
        traceback.print_exc()
    return 1


if __name__ == "__main__":
    leave(main())
