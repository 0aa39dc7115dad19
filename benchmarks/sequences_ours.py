"""Our side of the sequential benchmark, one stage per process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import serve, timed, written_files

if TYPE_CHECKING:
    import numpy as np

    from argn_assets.engine import EpochProgress
    from argn_assets.tables import EncodedTable

CONTEXT, TARGET = "ctxflt:", "tgt:t"  # how the peer's encoded files name their columns
ORDERS = 4  # random orders of the columns, over which the peer's loss is averaged


def prepare(context: str, target: str, keys: list[str], repeats: int, seed: int) -> dict[str, Any]:
    """Time statistics + encoding of both tables from pandas, and decoding of the target back to pandas."""
    import pandas as pd

    from argn_assets.engine import compute_stats, decode_table, encode_table

    subjects, data, (key, primary_key) = pd.read_parquet(context), pd.read_parquet(target), keys

    def prepared() -> tuple[Any, Any]:
        encode_table(subjects, compute_stats(subjects, primary_key=primary_key), seed=seed)
        stats = compute_stats(data, context_key=key)
        return stats, encode_table(data, stats, seed=seed)

    seconds = timed(prepared, repeats)
    stats, encoded = prepared()
    decoding = timed(lambda: decode_table(encoded, stats, seed=seed), repeats)
    return {"rows": len(data), "sequences": len(subjects), "seconds": seconds, "decode_seconds": decoding}


def train(
    context: str, target: str, keys: list[str], artifact: str, context_artifact: str, minutes: float, seed: int
) -> dict[str, Any]:
    """Train both tables with the defaults; leave the artifacts behind. What is timed is the sequences' training."""
    import pandas as pd

    from argn_assets.engine import train_flat, train_sequential

    subjects, data, (key, primary_key) = pd.read_parquet(context), pd.read_parquet(target), keys
    flat = train_flat(subjects, primary_key=primary_key, max_training_time=minutes, random_state=seed)
    Path(context_artifact).write_bytes(flat.to_bytes())
    seen: list[EpochProgress] = []
    started = time.perf_counter()
    model = train_sequential(
        data, tgt_context_key=key, ctx_data=subjects, ctx_primary_key=primary_key,
        max_training_time=minutes, random_state=seed, on_epoch=seen.append,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    content = model.to_bytes()
    Path(artifact).write_bytes(content)
    return {
        "train_seconds": seconds, "epochs": seen[-1].epoch, "rows_per_second": seen[-1].rows_per_second,
        "artifact_bytes": len(content), "weight_bytes": sum(4 * array.size for array in model.weights.values()),
    }  # fmt: skip


def peer_loss(workspace: str) -> dict[str, Any]:
    """Return the loss of the peer's trained model on its validation sequences, in nats per row."""
    import numpy as np
    import torch

    from argn_assets.engine import ModelArtifact
    from argn_assets.engine.families import family_named
    from argn_assets.engine.sequence_probability import KnownSequences, sequence_log_probs

    encoded, context = _peer_codes(Path(workspace))
    assert encoded.offsets is not None
    n_training = int((~context.validation).sum())
    offsets = encoded.offsets[n_training:]
    codes = encoded.codes[:, offsets[0] :]
    artifact = ModelArtifact.from_workspace(Path(workspace))
    model = family_named(artifact.family).load_sequential(artifact, torch.device("cpu"))
    cells = np.clip(np.diff(offsets), artifact.tgt_seq_len_min, artifact.tgt_seq_len_max) - artifact.tgt_seq_len_min
    known = KnownSequences(codes, offsets - offsets[0], context.codes[:, n_training:], (), np.arange(codes.shape[1]))
    losses = []
    for seed in range(ORDERS):
        order = _random_order(list(model.columns), seed)
        found = sequence_log_probs(model, known, cells, order)
        losses.append(-(found.codes.sum() + found.lengths.sum()) / codes.shape[1])
    return {"loss": float(np.mean(losses)), "losses": losses, "rows": codes.shape[1]}


def _random_order(columns: list[int], seed: int) -> list[int]:
    import numpy as np

    rank = np.random.default_rng(seed).permutation(max(columns) + 1)
    return sorted(range(len(columns)), key=lambda position: rank[columns[position]])


def train_on_codes(
    workspace: str, seed: int, batch_size: int | None, minutes: float, stop_at: float | None = None
) -> dict[str, Any]:
    """Train on the codes that the peer trained on, until the validation loss is `stop_at`."""
    import numpy as np

    from argn_assets.encodings.protection import UNPROTECTED
    from argn_assets.engine import TrainingConfig, train_model
    from argn_assets.schema import TableSchema
    from argn_assets.seeds import Seed
    from argn_assets.tables.sequences import combine_lengths, count_lengths
    from argn_assets.tables.stats import TableStats

    encoded, context = _peer_codes(Path(workspace))
    assert encoded.offsets is not None
    sizes = np.diff(encoded.offsets)
    lengths = combine_lengths([count_lengths(np.repeat(np.arange(len(sizes), dtype=np.uint64), sizes))], UNPROTECTED)
    stats = TableStats(TableSchema(columns=()), {}, encoded.n_rows, lengths)  # only passed through to the artifact
    config = TrainingConfig(batch_size=batch_size, max_training_time=minutes)
    seen: list[EpochProgress] = []

    def on_epoch(progress: EpochProgress) -> bool:
        seen.append(progress)
        return stop_at is not None and _loss(progress) <= stop_at

    train_model(encoded, stats, config, Seed(seed), on_epoch=on_epoch, context=context)
    best = min(seen, key=_loss)
    return {
        "epochs": seen[-1].epoch, "loop_seconds": seen[-1].elapsed_seconds, "rows_per_second": seen[-1].rows_per_second,
        "best_loss": _loss(best), "best_loss_seconds": best.elapsed_seconds,
        "reached": stop_at is not None and _loss(best) <= stop_at,
    }  # fmt: skip


def _loss(progress: EpochProgress) -> float:
    return float("inf") if progress.validation_loss is None else progress.validation_loss


def _peer_codes(workspace: Path) -> tuple[EncodedTable, EncodedTable]:
    """Return the peer's encoded sequences and their contexts; training sequences first."""
    import numpy as np
    import polars as pl

    from argn_assets.schema import SubColumn
    from argn_assets.tables import EncodedTable

    folder = workspace / "OriginalData" / "encoded-data"
    parts = {
        share: pl.concat(pl.read_parquet(p) for p in sorted(folder.glob(f"*{share}*"))) for share in ("trn", "val")
    }
    table = pl.concat([parts["trn"], parts["val"]])
    validation = np.arange(len(table)) >= len(parts["trn"])

    def block(names: list[str], values: pl.DataFrame) -> tuple[dict[str, tuple[SubColumn, ...]], np.ndarray]:
        columns: dict[str, tuple[SubColumn, ...]] = {}
        for name in names:
            column, _, sub_column = name.partition("__")
            columns[column] = (*columns.get(column, ()), SubColumn(sub_column, int(values[name].max()) + 1))
        return columns, values.select(names).to_numpy().T.astype(np.uint16)

    lists = [name for name in table.columns if name.startswith(TARGET)]
    # The last entry of every list is a padding row.
    rows = table.select(pl.col(name).list.head(pl.col(name).list.len() - 1) for name in lists)
    sizes = rows[lists[0]].list.len().to_numpy().astype(np.int64)
    flat = rows.filter(pl.Series(sizes > 0)).explode(lists)
    columns, codes = block(lists, flat)
    offsets = np.append(0, np.cumsum(sizes))
    encoded = EncodedTable(columns, codes, np.repeat(validation, sizes), None, offsets)
    given, context_codes = block([name for name in table.columns if name.startswith(CONTEXT)], table)
    return encoded, EncodedTable(given, context_codes, validation)


def generate(
    artifact: str, context_artifact: str, repeats: int, out: str, context_out: str, seed: int
) -> dict[str, Any]:
    """Generate the contexts, then time their sequences, from the bytes of the artifact to a data frame."""
    from argn_assets.engine import ModelArtifact, generate_flat, generate_sequential

    subjects = generate_flat(ModelArtifact.from_bytes(Path(context_artifact).read_bytes()), random_state=seed)
    content = Path(artifact).read_bytes()

    def generated() -> Any:
        return generate_sequential(ModelArtifact.from_bytes(content), ctx_data=subjects, random_state=seed)

    rows = generated()
    rows.to_parquet(out, index=False)
    subjects.to_parquet(context_out, index=False)
    return {"rows": len(rows), "seconds": timed(generated, repeats)}


def files(context: str, target: str, keys: list[str], seed: int) -> dict[str, Any]:
    """Count the files that training and generating write."""
    import pandas as pd

    from argn_assets.engine import generate_sequential, train_sequential

    subjects, (key, primary_key) = pd.read_parquet(context).head(500), keys
    data = pd.read_parquet(target)
    data = data[data[key].isin(subjects[primary_key])]
    with written_files(Path.cwd()) as training:
        model = train_sequential(
            data, tgt_context_key=key, ctx_data=subjects, ctx_primary_key=primary_key, max_epochs=1, random_state=seed
        )
    with written_files(Path.cwd()) as generating:
        generate_sequential(model, ctx_data=subjects, random_state=seed)
    return {"training": len(training), "generating": len(generating)}


if __name__ == "__main__":
    stages = {
        "prepare": prepare, "train": train, "peer_loss": peer_loss, "train_on_codes": train_on_codes,
        "generate": generate, "files": files,
    }  # fmt: skip
    serve(stages, __doc__)
