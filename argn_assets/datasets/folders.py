"""What a folder holds that can be read, as the patterns that name it: a source is files, never a folder."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from argn_assets.datasets.messages import listing

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".csv.zip": "csv",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
}
MOST_LEVELS = 8  # of folders that are looked into


def patterns_in(system: AbstractFileSystem, path: str, shown: str) -> dict[str, int]:
    """Return the patterns of the readable files in a folder and how many files each names; hidden files are left out.

    Args:
        system: where the folder is.
        path: the folder there.
        shown: the folder as patterns begin.
    """
    directly, below = Counter[str](), Counter[str]()
    for name in system.find(path, maxdepth=MOST_LEVELS):
        inside = str(name).removeprefix(path).strip("/")
        suffix = next((suffix for suffix in SUFFIXES if inside.endswith(suffix)), None)
        if suffix is not None and not any(part.startswith((".", "_")) for part in inside.split("/")):
            (below if "/" in inside else directly)[suffix] += 1
    folder = shown.rstrip("/")
    patterns = {f"{folder}/*{suffix}": n for suffix, n in directly.items() if suffix not in below}
    return patterns | {f"{folder}/**/*{suffix}": n + directly[suffix] for suffix, n in below.items()}


def name_its_files(patterns: dict[str, int], shown: str) -> str:
    """Return the message that answers a folder as a source."""
    if not patterns:
        return f"{shown} is a folder with no file that can be read: their names end in one of {listing(SUFFIXES)}."
    counted = ", ".join(f"{pattern} ({n} file{'s' if n > 1 else ''})" for pattern, n in patterns.items())
    return f"{shown} is a folder. Name its files: {counted}"
