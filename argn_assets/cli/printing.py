"""Tables on the terminal, and in a file or pipe as wide as they need to be."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def print_table(headings: list[str], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows of text under headings; what is too long is folded, never cut."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: names may hold what rich takes for markup
    open_console().print(table)


def open_console() -> Console:
    """Return a console as wide as the terminal; 160 columns where there is none."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=160)
