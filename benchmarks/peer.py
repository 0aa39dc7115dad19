"""The peer's side of the flat benchmark: mostlyai-engine in its own environment, one stage per process."""

from __future__ import annotations

import io
import shutil
import tarfile
import time
from pathlib import Path
from typing import Any

from stages import serve, timed, written_files


def prepare(train: str, workspace: str, repeats: int, seed: int) -> dict[str, Any]:
    """Time split + analyze + encode; leave the last workspace behind."""
    import pandas as pd
    from mostlyai import engine
    from mostlyai.engine._common import get_cardinalities
    from mostlyai.engine._workspace import Workspace

    data, folder, seconds = pd.read_parquet(train), Path(workspace), []
    for _ in range(repeats):
        shutil.rmtree(folder, ignore_errors=True)
        engine.set_random_state(seed)
        seconds += timed(lambda: _prepare(data, folder), 1)
    stats = Workspace(folder).tgt_stats.read()
    return {
        "rows": len(data), "seconds": seconds, "cardinalities": get_cardinalities(stats),
        "training_rows": stats["no_of_training_records"],
    }  # fmt: skip


def _prepare(data: Any, folder: Path) -> None:
    from mostlyai import engine

    engine.split(tgt_data=data, workspace_dir=folder)
    engine.analyze(workspace_dir=folder)
    engine.encode(workspace_dir=folder)


def decode(workspace: str, repeats: int) -> dict[str, Any]:
    """Time the function that turns generated codes into columns, on the codes of the training rows."""
    import pandas as pd
    from mostlyai.engine._tabular.generation import _decode_df
    from mostlyai.engine._workspace import Workspace

    space = Workspace(Path(workspace))
    codes = pd.concat([pd.read_parquet(path) for path in space.encoded_data_trn.fetch_all()], ignore_index=True)
    stats = space.tgt_stats.read()
    return {"rows": len(codes), "seconds": timed(lambda: _decode_df(codes, stats), repeats)}


def train(
    workspace: str, minutes: float, seed: int, batch_size: int | None = None, epochs: float = 100.0
) -> dict[str, Any]:
    """Train on a prepared workspace; times and losses are the peer's own progress messages."""
    from mostlyai import engine

    folder = Path(workspace)
    engine.set_random_state(seed)
    started = time.perf_counter()
    engine.train(workspace_dir=folder, max_training_time=minutes, max_epochs=epochs, batch_size=batch_size)
    seconds = time.perf_counter() - started
    return {"train_seconds": seconds, "cut": seconds >= 60 * minutes, **progress(folder), **sizes(folder)}


def progress(folder: Path) -> dict[str, Any]:
    import pandas as pd

    messages = pd.read_csv(folder / "ModelStore" / "model-data" / "progress-messages.csv")
    validated = messages[messages["val_loss"].notna()]
    if validated.empty:
        raise SystemExit("The peer did not finish one epoch in its time; give it more (--minutes).")
    best, last = validated.loc[validated["val_loss"].idxmin()], validated.iloc[-1]
    return {
        "batch_size": round(messages["samples"].iloc[0] / messages["steps"].iloc[0]),
        "epochs": float(last["epoch"]), "rows_per_second": float(last["samples"] / last["total_time"]),
        "loop_seconds": float(last["total_time"]), "best_epoch": float(best["epoch"]),
        "best_loss": float(best["val_loss"]), "best_loss_seconds": float(best["total_time"]),
    }  # fmt: skip


def sizes(folder: Path) -> dict[str, int]:
    import torch

    weights = torch.load(folder / "ModelStore" / "model-data" / "model-weights.pt", weights_only=True)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(folder / "ModelStore", arcname="ModelStore")
    store = [path for path in (folder / "ModelStore").rglob("*") if path.is_file()]
    return {
        "weight_bytes": 4 * sum(tensor.numel() for tensor in weights.values()),
        "store_bytes": sum(path.stat().st_size for path in store),
        "store_tar_gz_bytes": archive.tell(),
    }


def generate(workspace: str, rows: int, repeats: int, out: str, seed: int) -> dict[str, Any]:
    """Time the generation of `rows` rows, without reading them back from the peer's files."""
    from mostlyai import engine

    engine.set_random_state(seed)
    engine.generate(workspace_dir=Path(workspace), sample_size=rows)
    generated(workspace).to_parquet(out, index=False)
    seconds = timed(lambda: engine.generate(workspace_dir=Path(workspace), sample_size=rows), repeats)
    return {"rows": rows, "seconds": seconds}


def first_rows(workspace: str, rows: int, repeats: int) -> dict[str, Any]:
    """Time calls from the model store to a data frame of `rows` rows; the first one in the process is `seconds[0]`."""
    started = time.perf_counter()
    from mostlyai import engine

    import_seconds = time.perf_counter() - started

    def call() -> None:
        engine.generate(workspace_dir=Path(workspace), sample_size=rows)
        generated(workspace)

    return {"import_seconds": import_seconds, "seconds": timed(call, repeats)}


def generated(workspace: str) -> Any:
    import pandas as pd

    parts = sorted((Path(workspace) / "SyntheticData").glob("*.parquet"))
    return pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)


def files(train: str, seed: int) -> dict[str, Any]:
    """Count the files that training and generating write, the encoded data set aside."""
    import pandas as pd
    from mostlyai import engine

    folder, scratch = Path("files-workspace").resolve(), Path.cwd()
    engine.set_random_state(seed)
    _prepare(pd.read_parquet(train).head(1000), folder)
    with written_files(scratch) as training:
        engine.train(workspace_dir=folder, max_epochs=1)
    with written_files(scratch) as generating:
        engine.generate(workspace_dir=folder, sample_size=100)
    return {"training": len(training), "generating": len(generating)}


if __name__ == "__main__":
    stages = {
        "prepare": prepare, "decode": decode, "train": train, "generate": generate, "first_rows": first_rows,
        "files": files,
    }  # fmt: skip
    serve(stages, __doc__)
