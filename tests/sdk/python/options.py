"""The command line."""

import argparse
import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from uuid import uuid4


@dataclass(frozen=True)
class ClusterOption:
    """`--cluster NAME=HOST:PORT[/NAMESPACE]`."""

    name: str
    address: str
    namespace: str | None


def parse() -> argparse.Namespace:
    """Read the command line, or leave with what is wrong about it.

    The result has `pools`: for each cluster, unused ids of workflows that live there.
    """
    parser = argparse.ArgumentParser(
        description="Check every feature of an unchanged Temporal SDK at one address."
    )
    parser.add_argument("--address", required=True, metavar="HOST:PORT")
    parser.add_argument("--namespace", default="default")
    parser.add_argument(
        "--ids",
        type=Path,
        metavar="FILE",
        help="JSON: cluster name -> unused workflow ids that live there",
    )
    parser.add_argument(
        "--cluster",
        type=cluster_option,
        action="append",
        default=[],
        metavar="NAME=HOST:PORT[/NAMESPACE]",
        help="a cluster's own address, and its namespace if the name differs there",
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="NAME",
        help="only the checks with this in their name",
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="all checks but this one; may be repeated",
    )
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument(
        "--timeout", type=float, default=30.0, help="seconds for each check"
    )
    options = parser.parse_args()
    if (options.ids is None) != (not options.cluster):
        parser.error("--ids and --cluster belong together: give both, or neither")
    if options.ids is None:
        options.cluster = [ClusterOption("direct", options.address, None)]
        options.pools = {"direct": (str(uuid4()) for _ in count())}
        return options
    ids: dict[str, list[str]] = json.loads(options.ids.read_text())
    if not ids:
        parser.error(f"{options.ids} names no cluster")
    if unknown := ids.keys() - {cluster.name for cluster in options.cluster}:
        parser.error(f"--ids names clusters without --cluster: {sorted(unknown)}")
    options.pools = {name: iter(pool) for name, pool in ids.items()}
    return options


def cluster_option(text: str) -> ClusterOption:
    """Read one --cluster."""
    name, equals, rest = text.partition("=")
    address, _, namespace = rest.partition("/")
    if not (name and equals and address):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=HOST:PORT")
    return ClusterOption(name, address, namespace or None)
