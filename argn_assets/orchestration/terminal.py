"""What a person sees in the terminal while data sets run, and at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from argn_assets.orchestration.backfill import DatasetOutcome
from argn_assets.orchestration.progress import StageNews
from argn_assets.orchestration.stages import STAGES

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

LINE_GAP_SECONDS = 10.0  # between lines about one training, where the output is no terminal


@dataclass
class _Row:
    asset: str = "waiting"
    text: str = ""
    began: float | None = None
    ended: float | None = None
    stages_done: int = 0
    failed: bool = False


class Display:
    """A live table of the data sets in a terminal; lines of text where the output goes to a file."""

    def __init__(self, datasets: Sequence[str], *, console: Console | None = None):
        from rich.live import Live

        self._console = console or _own_console()
        self._rows = {dataset: _Row() for dataset in datasets}
        self._live = Live(self, console=self._console, refresh_per_second=4) if self._console.is_terminal else None
        self._last_line = float("-inf")

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Draw a last time."""
        if self._live is not None:
            self._live.stop()

    def hear(self, news: StageNews) -> None:
        """Take in news of a stage."""
        row = self._rows.setdefault(news.dataset, _Row())
        row.began = time.monotonic() if row.began is None else row.began
        row.asset, row.text = news.asset or row.asset, news.text
        if news.state in ("cached", "done"):
            row.stages_done += 1
            row.text = "nothing changed" if news.state == "cached" else ""
        row.failed = news.state == "failed"
        if row.failed or row.stages_done == len(STAGES):
            row.ended = time.monotonic()
        if self._live is None:
            self._say(news)

    def _say(self, news: StageNews) -> None:
        now = time.monotonic()
        if news.state == "started" or (news.state == "running" and now - self._last_line < LINE_GAP_SECONDS):
            return
        if news.state == "running":
            self._last_line = now
        self._console.print(
            f"{news.dataset:>16}  {news.asset:<18} {news.text or news.state}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw one line per data set: name, stage, what it does, seconds."""
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for dataset, row in self._rows.items():
            seconds = "" if row.began is None else f"{(row.ended or time.monotonic()) - row.began:.0f} s"
            mark = "✗" if row.failed else "✓" if row.stages_done == len(STAGES) else "·" if row.began is None else "▸"
            table.add_row(
                Text(mark, style="red" if row.failed else "green"),
                Text(dataset, style="bold"),
                Text(f"{row.stages_done}/{len(STAGES)}"),
                Text(row.asset),
                Text(row.text, overflow="ellipsis", no_wrap=True),
                Text(seconds, style="dim"),
            )
        yield table


def _own_console() -> Console:
    """Return a console on a copy of standard output: a Dagster step redirects the original into its log."""
    from rich.console import Console

    try:
        copy = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding)
    except (OSError, AttributeError):  # no file stands behind it: a notebook, a test
        return Console()
    return Console(file=copy, force_terminal=sys.stdout.isatty() or None)


def show_outcomes(outcomes: Sequence[DatasetOutcome], *, console: Console | None = None) -> None:
    """Print the table of results, then where each result lies; failures one message each, on stderr."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or (Console() if sys.stdout.isatty() else Console(width=120))
    table = Table(box=SIMPLE_HEAD)
    for heading in ("data set", "rows", "training", "fidelity", "C2ST", "state"):
        table.add_column(heading, justify="left" if heading in ("data set", "state") else "right")
    for outcome in outcomes:
        table.add_row(Text(outcome.dataset, style="bold"), *_figures(outcome))
    console.print(table)
    for outcome in outcomes:
        for name, place in outcome.places.items():
            line = f"{outcome.dataset}  {'report' if name == 'report' else f'table {name}'}  {shown_place(place)}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        for name, place in outcome.exports.items():
            line = f"{outcome.dataset}  exported {name}  {shown_place(place)}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        if outcome.error:
            print(f"{outcome.dataset} failed: {outcome.error}", file=sys.stderr)
    if any(outcome.fidelity is not None for outcome in outcomes):
        console.print(
            "\nFidelity: 1 is a perfect copy of all distributions. C2ST: 0.5, no telling real from synthetic."
        )


def shown_place(place: str) -> str:
    """Return a local place relative to the working folder where it lies below, else as it is."""
    path = place.removeprefix("file://")
    if not path.startswith("/"):
        return place
    relative = os.path.relpath(path, Path.cwd())
    return path if relative.startswith("..") else relative


def _figures(outcome: DatasetOutcome) -> list[str]:
    if outcome.error:
        return ["–", "–", "–", "–", "failed"]
    training = "–" if outcome.training_seconds is None else f"{outcome.training_seconds:.0f} s"
    return [
        "–" if outcome.rows is None else f"{outcome.rows:,}",
        training,
        "–" if outcome.fidelity is None else f"{outcome.fidelity:.3f}",
        "–" if outcome.c2st_auc is None else f"{outcome.c2st_auc:.3f}",
        "trained now" if outcome.trained_now else "unchanged, from the cache",
    ]
