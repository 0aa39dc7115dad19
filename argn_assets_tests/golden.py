"""Golden files: what a fixed table has given since they were stored; `python -m argn_assets_tests.golden` writes them.

A change of one of these bytes is a change for everyone who stored statistics or codes: it wants a line in the
changelog, and where stored statistics no longer read, a new format version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from argn_assets.tables import EncodedTable, TableStats, compute_stats, decode_table, encode_table

FOLDER = Path(__file__).parent / "golden"
N_ROWS = 300
ENCODINGS = {"digits": "numeric_digit"}


def golden_table() -> pl.DataFrame:
    """Return a table of every type, made of arithmetic alone."""
    steps = [i * 7919 % N_ROWS for i in range(N_ROWS)]
    start = datetime(2021, 10, 30, 20, 15)
    return pl.DataFrame(
        {
            "who": [i // 3 for i in range(N_ROWS)],
            "discrete": [None if s % 11 == 0 else s % 17 for s in steps],
            "binned": [s * s / 100 if s % 5 else 99.99 for s in steps],
            "digits": [s * 1001 - 150_000 for s in steps],
            "text": [None if s % 13 == 0 else "abcdefghij"[s % 10] for s in steps],
            "rare": ["seldom" if s < 4 else "often" for s in steps],
            "flag": [s % 3 == 0 for s in steps],
            "moment": [None if s % 19 == 0 else start + timedelta(minutes=37 * s) for s in steps],
            "nothing": [None] * N_ROWS,
        },
        schema_overrides={"moment": pl.Datetime("us", "Europe/Paris"), "binned": pl.Float32},
    )


def golden_stats(value_protection: bool = False) -> TableStats:
    """Return the statistics of the golden table."""
    return compute_stats(golden_table(), ENCODINGS, "who", value_protection=value_protection, seed=1)


def _encoded() -> EncodedTable:
    return encode_table(golden_table(), golden_stats(), seed=2, validation_split=0.2)


def _digests() -> bytes:
    decoded = decode_table(_encoded(), golden_stats(), seed=3)
    parts = {
        "codes": _encoded().codes.tobytes(),
        "validation": _encoded().validation.tobytes(),
        "decoded": decoded.write_csv(float_precision=None).encode(),
    }
    digests = {name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in parts.items()}
    return (json.dumps(digests, indent=2) + "\n").encode()


FILES: dict[str, Callable[[], bytes]] = {
    "table_stats.json": lambda: golden_stats().to_bytes() + b"\n",
    "table_stats_protected.json": lambda: golden_stats(value_protection=True).to_bytes() + b"\n",
    "encoded_digests.json": _digests,
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in FILES.items():
        (FOLDER / name).write_bytes(make())
        print(f"wrote {FOLDER / name}")
