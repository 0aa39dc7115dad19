"""Our side of the flat benchmark, one stage per process."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import serve, timed, written_files

if TYPE_CHECKING:
    from argn_assets.engine import EpochProgress
    from argn_assets.tables import EncodedTable


def sample(train: str, rows: int, out: str) -> dict[str, Any]:
    """Write the first rows of a table."""
    import polars as pl

    table = pl.read_parquet(train).head(rows)
    table.write_parquet(out)
    return {"rows": len(table)}


def prepare(train: str, repeats: int, seed: int) -> dict[str, Any]:
    """Time statistics + encoding from pandas, and decoding back to pandas."""
    import pandas as pd

    from argn_assets.engine import compute_stats, decode_table, encode_table

    data = pd.read_parquet(train)
    seconds = timed(lambda: encode_table(data, compute_stats(data), seed=seed, validation_split=0.2), repeats)
    stats = compute_stats(data)
    encoded = encode_table(data, stats, seed=seed)
    decoding = timed(lambda: decode_table(encoded, stats, seed=seed), repeats)
    return {"rows": len(data), "seconds": seconds, "decode_seconds": decoding, "sub_columns": len(encoded.codes)}


def train_on_codes(
    codes: str,
    cardinalities: dict[str, int],
    train: str,
    seed: int,
    batch_size: int | None,
    minutes: float,
    epochs: float = 100.0,
    stop_at: float | None = None,
) -> dict[str, Any]:
    """Train on the codes that the peer trained on, until the validation loss is `stop_at`."""
    import polars as pl

    from argn_assets.engine import TrainingConfig, compute_stats, train_model
    from argn_assets.engine.config import batch_size_for
    from argn_assets.seeds import Seed

    encoded = _peer_codes(Path(codes), cardinalities)
    stats = compute_stats(pl.read_parquet(train).head(100))  # only passed through to the artifact
    config = TrainingConfig(batch_size=batch_size, max_training_time=minutes, max_epochs=epochs)
    seen: list[EpochProgress] = []
    before = _resident_bytes()

    def on_epoch(progress: EpochProgress) -> bool:
        seen.append(progress)
        return stop_at is not None and _loss(progress) <= stop_at

    train_model(encoded, stats, config, Seed(seed), on_epoch=on_epoch)
    best = min(seen, key=_loss)
    return {
        "batch_size": batch_size or batch_size_for(int((~encoded.validation).sum())),
        "before_bytes": before, "code_bytes": encoded.codes.nbytes, "epochs": seen[-1].epoch,
        "loop_seconds": seen[-1].elapsed_seconds, "rows_per_second": seen[-1].rows_per_second,
        "best_loss": _loss(best), "best_epoch": best.epoch, "best_loss_seconds": best.elapsed_seconds,
        "reached": stop_at is not None and _loss(best) <= stop_at,
    }  # fmt: skip


def _loss(progress: EpochProgress) -> float:
    return float("inf") if progress.validation_loss is None else progress.validation_loss


def _peer_codes(folder: Path, cardinalities: dict[str, int]) -> EncodedTable:
    """Return the peer's encoded files as one table; `prefix__name` is a sub-column of the column `prefix`."""
    import numpy as np
    import polars as pl

    from argn_assets.schema import SubColumn
    from argn_assets.tables import EncodedTable

    parts = {share: [pl.read_parquet(path) for path in sorted(folder.glob(f"*{share}*"))] for share in ("trn", "val")}
    table = pl.concat([*parts["trn"], *parts["val"]]).select(list(cardinalities))
    columns: dict[str, tuple[SubColumn, ...]] = {}
    for name, cardinality in cardinalities.items():
        column, _, sub_column = name.partition("__")
        columns[column] = (*columns.get(column, ()), SubColumn(sub_column, cardinality))
    small = np.uint8 if max(cardinalities.values()) <= 256 else np.uint16
    n_training = sum(len(part) for part in parts["trn"])
    return EncodedTable(columns, table.to_numpy().T.astype(small), np.arange(len(table)) >= n_training)


def _resident_bytes() -> int | None:
    """Return the memory the process holds now; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def train(train: str, artifact: str, minutes: float, seed: int) -> dict[str, Any]:
    """Train a table with the defaults; leave the artifact behind."""
    import pandas as pd

    from argn_assets.engine import train_flat

    data, seen = pd.read_parquet(train), []
    started = time.perf_counter()
    model = train_flat(data, max_training_time=minutes, random_state=seed, on_epoch=seen.append)
    seconds = time.perf_counter() - started
    content = model.to_bytes()
    Path(artifact).write_bytes(content)
    return {
        "train_seconds": seconds, "cut": seconds >= 60 * minutes,
        "epochs": seen[-1].epoch, "rows_per_second": seen[-1].rows_per_second,
        "artifact_bytes": len(content), "weight_bytes": sum(4 * array.size for array in model.weights.values()),
    }  # fmt: skip


def generate(artifact: str, rows: int, repeats: int, out: str, seed: int) -> dict[str, Any]:
    """Time the generation of `rows` rows, from the bytes of the artifact to a data frame."""
    from argn_assets.engine import ModelArtifact, generate_flat

    content = Path(artifact).read_bytes()
    generate_flat(ModelArtifact.from_bytes(content), rows, random_state=seed).to_parquet(out, index=False)
    seconds = timed(lambda: generate_flat(ModelArtifact.from_bytes(content), rows, random_state=seed), repeats)
    return {"rows": rows, "seconds": seconds}


def first_rows(artifact: str, rows: int, repeats: int) -> dict[str, Any]:
    """Time calls from artifact bytes to a data frame of `rows` rows; the first one in the process is `seconds[0]`."""
    started = time.perf_counter()
    from argn_assets.engine import ModelArtifact, generate_flat

    import_seconds = time.perf_counter() - started
    content = Path(artifact).read_bytes()
    seconds = timed(lambda: generate_flat(ModelArtifact.from_bytes(content), rows), repeats)
    return {"import_seconds": import_seconds, "seconds": seconds}


def import_torch() -> dict[str, Any]:
    """Only import torch: what a new process cannot do without."""
    import torch

    return {"torch": torch.__version__}


def files(train: str, seed: int) -> dict[str, Any]:
    """Count the files that training and generating write."""
    import pandas as pd

    from argn_assets.engine import generate_flat, train_flat

    data = pd.read_parquet(train).head(1000)
    with written_files(Path.cwd()) as training:
        model = train_flat(data, max_epochs=1, random_state=seed)
    with written_files(Path.cwd()) as generating:
        generate_flat(model, 100, random_state=seed)
    return {"training": len(training), "generating": len(generating)}


if __name__ == "__main__":
    stages = {
        "sample": sample, "prepare": prepare, "train_on_codes": train_on_codes, "train": train, "generate": generate,
        "first_rows": first_rows, "import_torch": import_torch, "files": files,
    }  # fmt: skip
    serve(stages, __doc__)
