"""Progress while orders run: bars on a terminal, a line for every ten orders elsewhere."""

from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LINE_EVERY = 10


class Board:
    """Counts finished orders and where they live, and shows both."""

    def __init__(self, console: Console, clusters: list[str], total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._homes = Counter(dict.fromkeys(clusters, 0))
        self._live = console.is_terminal and not console.is_dumb_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:>4.0f}  {task.percentage:>3.0f} %"),
            console=console,
        )
        self._finished = self._bars.add_task("orders finished", total=total)
        self._shares = {
            name: self._bars.add_task(f"  live on {name}", total=total) for name in clusters
        }

    def __enter__(self) -> "Board":
        if self._live:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            self._bars.stop()

    def order_done(self, homes: list[str]) -> None:
        """One more order is done, and lives there."""
        self._done += 1
        self._homes.update(homes)
        if self._live:
            self._move_bars()
        elif self._done % LINE_EVERY == 0 or self._done == self._total:
            self._print_line()

    def _move_bars(self) -> None:
        self._bars.update(self._finished, completed=self._done)
        for name, task in self._shares.items():
            # A share of what is done so far, so that the bars compare from the first order on.
            self._bars.update(task, completed=self._homes[name], total=self._done)

    def _print_line(self) -> None:
        shares = ", ".join(
            f"{name} {count} ({count / self._done:.0%})" for name, count in self._homes.items()
        )
        width = len(str(self._total))
        self._console.print(f"{self._done:>{width}}/{self._total} orders done: {shares}")
