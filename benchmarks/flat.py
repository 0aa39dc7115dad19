"""Flat tables, ours against mostlyai-engine, in one go on the same data: speed, size, memory, fidelity.

    python benchmarks/flat.py                                  both default data sets, everything
    python benchmarks/flat.py --quick --rows 3000              whether it runs at all; the figures mean nothing

Every stage runs in a process of its own, ours and the peer's in turn. What is written where: see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

from environments import BENCH_FOLDER, PEER_VERSION, peer_python
from results import HERE, Measured, commit, machine, section, write_section
from stages import Runner, StageError, say

DEFAULT_DATA = HERE.parent.parent / "shared" / "data"
DEFAULT_NAMES = ("census", "online_shoppers")
LARGE_BATCH = 2048
FIRST_ROWS = 1000


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is measured.

    Attributes:
        minutes: of one training, at most.
        repeats: of the short stages, on both sides; their median counts.
        large_batch_rows: rows, counting every epoch, trained at the large batch.
    """

    minutes: float
    repeats: int = 3
    large_batch_rows: int = 400_000


class FlatBenchmark:
    """One data set measured from end to end; the order of the methods is the order of the stages."""

    def __init__(self, data: Path, runner: Runner, effort: Effort, rows: int | None, seed: int):
        self.runner, self.effort, self.seed = runner, effort, seed
        self.holdout, self.train_file = data / "holdout.parquet", data / "train.parquet"
        if rows is not None:
            sampled = runner.folder / "train.parquet"
            runner.run("ours", "sample", train=self.train_file, rows=rows, out=sampled)
            self.train_file = sampled
        self.workspace = runner.folder / "peer-workspace"
        self.artifact = runner.folder / "model.argn"
        self.measured: Measured = {}

    def measure(self) -> Measured:
        """Run all stages."""
        self._prepare()
        self._train()
        self._train_large_batches()
        self._generate()
        self._first_rows()
        self._note("files", "ours", "files", train=self.train_file, seed=self.seed)
        self._note("files", "peer", "files", train=self.train_file, seed=self.seed)
        if scorer := os.environ.get("ARGN_SCORER"):
            self._score(shlex.split(scorer))
        return self.measured

    def _note(self, name: str, side: str, stage: str, **arguments: Any) -> dict[str, Any]:
        result = self.runner.run(side, stage, name.replace(" ", "-"), **arguments)
        self.measured.setdefault(name, {})[side] = result
        # What is there if a later stage fails.
        (self.runner.folder / "measured.json").write_text(json.dumps(self.measured, indent=1))
        return result

    def _prepare(self) -> None:
        common = {"train": self.train_file, "seed": self.seed}
        self._note("prepare", "ours", "prepare", repeats=self.effort.repeats, **common)
        self._note(
            "prepare", "peer", "prepare", repeats=self.effort.repeats, workspace=self.workspace, **common
        )  # fmt: skip
        self._note("decode", "peer", "decode", workspace=self.workspace, repeats=self.effort.repeats)
        # Training at another batch size starts from the same codes.
        shutil.copytree(self.workspace, self._large_workspace)

    @property
    def _large_workspace(self) -> Path:
        return self.runner.folder / "peer-workspace-large-batch"

    def _train(self) -> None:
        minutes, seed = self.effort.minutes, self.seed
        peer = self._note("train", "peer", "train", workspace=self.workspace, minutes=minutes, seed=seed)
        # What is twice as slow as the peer need not be awaited to the end.
        limit = 2 * peer["loop_seconds"] / 60
        codes = self._on_codes | {"minutes": limit, "stop_at": peer["best_loss"]}
        self._note("same batch", "ours", "train_on_codes", batch_size=peer["batch_size"], **codes)
        self._note("own batch", "ours", "train_on_codes", batch_size=None, **codes)
        self._note(
            "train", "ours", "train", train=self.train_file, artifact=self.artifact, minutes=minutes, seed=seed
        )  # fmt: skip

    @property
    def _on_codes(self) -> dict[str, Any]:
        cardinalities = self.measured["prepare"]["peer"]["cardinalities"]
        folder = self.workspace / "OriginalData" / "encoded-data"
        return {"codes": folder, "cardinalities": cardinalities, "train": self.train_file, "seed": self.seed}

    def _train_large_batches(self) -> None:
        epochs = ceil(self.effort.large_batch_rows / self.measured["prepare"]["peer"]["training_rows"])
        same = {"batch_size": LARGE_BATCH, "minutes": self.effort.minutes, "epochs": epochs}
        self._note("batch 2048", "ours", "train_on_codes", **self._on_codes, **same)
        self._note("batch 2048", "peer", "train", workspace=self._large_workspace, seed=self.seed, **same)

    def _generate(self) -> None:
        rows = self.measured["prepare"]["ours"]["rows"]
        for side in ("ours", "peer"):
            arguments = {"rows": rows, "repeats": self.effort.repeats, "out": self._synthetic(side), "seed": self.seed}
            self._note("generate", side, "generate", **self._model(side), **arguments)

    def _model(self, side: str) -> dict[str, Path]:
        return {"artifact": self.artifact} if side == "ours" else {"workspace": self.workspace}

    def _synthetic(self, side: str) -> Path:
        return self.runner.folder / f"synthetic-{side}.parquet"

    def _first_rows(self) -> None:
        for side in ("ours", "peer"):
            self._note("first rows", side, "first_rows", rows=FIRST_ROWS, repeats=6, **self._model(side))
        cold: dict[str, list[float]] = {"ours": [], "peer": []}
        for _ in range(self.effort.repeats):
            for side, seconds in cold.items():
                result = self._note("cold", side, "first_rows", rows=FIRST_ROWS, repeats=1, **self._model(side))
                seconds.append(result["process_seconds"])
        for side, seconds in cold.items():
            self.measured["cold"][side] |= {"all_seconds": seconds, "process_seconds": statistics.median(seconds)}
        self._note("import torch", "ours", "import_torch")

    def _score(self, scorer: list[str]) -> None:
        """Score both synthetic tables; the other figures do not depend on a scorer that fails."""
        try:
            self.measured["fidelity"] = {side: self._scored(side, scorer) for side in ("ours", "peer")}
        except (StageError, ValueError, KeyError) as error:
            say(f"no fidelity: {error!r}")

    def _scored(self, side: str, scorer: list[str]) -> dict[str, Any]:
        say(f"{self.runner.folder.name}: fidelity, {side}")
        tables = ["--train", self.train_file, "--holdout", self.holdout, "--syn", self._synthetic(side)]
        command = [*scorer, *(str(part) for part in tables), "--parts", "shape,c2st"]
        result = self.runner.execute(f"fidelity-{side}", command)
        scores = json.loads(result.pop("output"))
        return result | {
            "shape_error": scores["shape"]["shape_error_pct"],
            "trend_error": scores["shape"]["trend_error_pct"],
            "c2st": scores["c2st"]["auc_train_syn"],
            "telltale_columns": scores["c2st"]["telltale_columns"],
        }


def run_dataset(data: Path, options: argparse.Namespace, pythons: dict[str, Path]) -> str:
    """Measure one data set, keep the JSON, and return the Markdown; it enters RESULTS.md if it is a full run."""
    folder = BENCH_FOLDER / "work" / data.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    runner = Runner(folder, pythons)
    effort = (
        Effort(minutes=min(1.0, options.minutes), repeats=1, large_batch_rows=20_000)
        if options.quick
        else Effort(minutes=options.minutes)
    )
    measured = FlatBenchmark(data, runner, effort, options.rows, options.seed).measure()
    full = not options.quick and options.rows is None
    now = datetime.now(UTC)
    document = {
        "dataset": data.name, "date": now.strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(), "full": full,
        "machine": machine(), "peer": f"mostlyai-engine {PEER_VERSION}", "seed": options.seed,
        "torch": measured["import torch"]["ours"]["torch"], "rows": measured["prepare"]["ours"]["rows"],
        "load_averages": runner.load_averages, "measured": measured,
    }  # fmt: skip
    results = BENCH_FOLDER / "results"
    results.mkdir(exist_ok=True)
    name = f"{now:%Y%m%d-%H%M%S}-flat-{data.name}{'' if full else '-quick'}.json"
    (results / name).write_text(json.dumps(document, indent=1))
    text = section(document)
    if full:
        write_section(HERE / "RESULTS.md", f"flat {data.name}", text)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", help="folders with train.parquet and holdout.parquet")
    parser.add_argument("--rows", type=int, help="only the first rows of each training table")
    parser.add_argument("--quick", action="store_true", help="one minute of training at most, few repeats")
    parser.add_argument("--minutes", type=float, default=60.0, help="of one training at most, for either engine")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folders = [path.resolve() for path in options.data or (DEFAULT_DATA / name for name in DEFAULT_NAMES)]
    for folder in folders:
        if not (folder / "train.parquet").exists():
            raise SystemExit(f"{folder} has no train.parquet. Pass --data with folders of train and holdout.parquet.")
    pythons = {"ours": Path(sys.executable), "peer": peer_python()}
    if os.getloadavg()[0] > 0.5:
        say(f"note: the load average is {os.getloadavg()[0]:.1f}; figures of a busy machine say little, even as ratios")
    for folder in folders:
        try:
            print(run_dataset(folder, options, pythons))
        except StageError as error:
            raise SystemExit(f"{folder.name}: {error}") from error


if __name__ == "__main__":
    main()
