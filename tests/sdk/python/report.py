"""The table at the end, and the same as JSON."""

import json
from dataclasses import asdict
from pathlib import Path

from registry import Row


def table(rows: list[Row], clusters: list[str]) -> str:
    """A line for each check, a column for each cluster, then what failed and why."""
    cells = {(row.check, row.cluster): row for row in rows}
    checks = list(dict.fromkeys(row.check for row in rows))
    width = max(map(len, checks))
    lines = ["  ".join([" " * width, *(f"{name:>12}" for name in clusters)])]
    for check in checks:
        found = [cell(cells.get((check, name))) for name in clusters]
        lines.append("  ".join([f"{check:<{width}}", *(f"{c:>12}" for c in found)]))
    failed = [row for row in rows if row.error]
    for row in failed:
        lines.append(f"\nFAILED on {row.cluster}: {row.check}\n  {row.error}")
    lines.append(f"\n{len(rows) - len(failed)} of {len(rows)} rows ok")
    return "\n".join(lines)


def cell(row: Row | None) -> str:
    """One cell of the table."""
    if row is None:
        return "-"
    return f"{'FAILED' if row.error else 'ok'} {row.seconds:5.2f}s"


def write_json(rows: list[Row], path: Path) -> None:
    """Write all rows to a file, with one verdict over them."""
    whole = {
        "ok": not any(row.error for row in rows),
        "rows": [asdict(row) for row in rows],
    }
    path.write_text(json.dumps(whole, indent=2) + "\n")
