"""The peer's side of the sequential benchmark: mostlyai-engine in its own environment, one stage per process."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from peer import generated, progress, sizes
from stages import serve, timed


def prepare(context: str, target: str, keys: list[str], workspace: str, repeats: int, seed: int) -> dict[str, Any]:
    """Time split + analyze + encode of both tables; leave the last workspace behind."""
    import pandas as pd
    from mostlyai import engine

    subjects, data, folder = pd.read_parquet(context), pd.read_parquet(target), Path(workspace)
    seconds: list[float] = []

    def prepared() -> None:
        engine.split(
            tgt_data=data, ctx_data=subjects, tgt_context_key=keys[0], ctx_primary_key=keys[1], workspace_dir=folder
        )
        engine.analyze(workspace_dir=folder)
        engine.encode(workspace_dir=folder)

    for _ in range(repeats):
        shutil.rmtree(folder, ignore_errors=True)
        engine.set_random_state(seed)
        seconds += timed(prepared, 1)
    return {"rows": len(data), "seconds": seconds}


def train(workspace: str, minutes: float, seed: int, rows_per_sequence: float) -> dict[str, Any]:
    """Train on a prepared workspace; a sequence counts as its mean rows."""
    from mostlyai import engine

    folder = Path(workspace)
    engine.set_random_state(seed)
    started = time.perf_counter()
    engine.train(workspace_dir=folder, max_training_time=minutes)
    seconds = time.perf_counter() - started
    seen = progress(folder)
    seen["rows_per_second"] *= rows_per_sequence
    return {"train_seconds": seconds, "cut": seconds >= 60 * minutes, **seen, **sizes(folder)}


def generate(workspace: str, context: str, repeats: int, out: str, seed: int) -> dict[str, Any]:
    """Time the generation of the sequences of given contexts, without reading them back from the peer's files."""
    import pandas as pd
    from mostlyai import engine

    subjects, folder = pd.read_parquet(context), Path(workspace)
    engine.set_random_state(seed)
    seconds = timed(lambda: engine.generate(workspace_dir=folder, ctx_data=subjects), repeats)
    rows = generated(workspace)
    rows.to_parquet(out, index=False)
    return {"rows": len(rows), "seconds": seconds}


if __name__ == "__main__":
    serve({"prepare": prepare, "train": train, "generate": generate}, __doc__)
