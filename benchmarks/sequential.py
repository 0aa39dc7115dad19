"""Sequences, ours against mostlyai-engine, in one go on the same data: cdnow's customers and their purchases.

    python benchmarks/sequential.py                       everything, about a quarter of an hour
    python benchmarks/sequential.py --minutes 0.2         whether it runs at all; the figures mean nothing

Every stage runs in a process of its own. The variables and what is written where: see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from environments import BENCH_FOLDER, PEER_VERSION, peer_python
from flat import DEFAULT_DATA
from results import HERE, Row, commit, machine, page_of, rate, rates, seconds, size, times, verdict, write_section
from stages import Runner, middle, say

KEYS = ["users_id", "id"]  # of a purchase's customer, of a customer
FULL_MINUTES = 6.0


def measure(data: Path, runner: Runner, minutes: float, seed: int) -> dict[str, Any]:
    """Run all stages; return what each reported."""
    folder, m = runner.folder, {}
    tables = {"context": data / "ctx_train.parquet", "target": data / "tgt_train.parquet", "keys": KEYS}
    workspace, artifacts = folder / "workspace", {"artifact": folder / "m.argn", "context_artifact": folder / "c.argn"}

    def note(name: str, side: str, stage: str, **arguments: Any) -> dict[str, Any]:
        m[f"{name} {side}"] = result = runner.run(f"sequences_{side}", stage, name, **arguments)
        (folder / "measured.json").write_text(json.dumps(m, indent=1))
        return result

    ours = note("prepare", "ours", "prepare", repeats=3, seed=seed, **tables)
    note("prepare", "peer", "prepare", workspace=workspace, repeats=2, seed=seed, **tables)
    per_sequence = ours["rows"] / ours["sequences"]
    peer = note(
        "train", "peer", "train", workspace=workspace, minutes=minutes, seed=seed, rows_per_sequence=per_sequence
    )
    loss = note("peer loss", "ours", "peer_loss", workspace=workspace)["loss"]
    same = {"workspace": workspace, "seed": seed, "minutes": 2 * minutes}
    rows = max(8, round(peer["batch_size"] * per_sequence))
    note("same batch", "ours", "train_on_codes", batch_size=rows, stop_at=loss, **same)
    note("own batch", "ours", "train_on_codes", batch_size=None, stop_at=loss, **same)
    note("train", "ours", "train", minutes=minutes, seed=seed, **tables, **artifacts)
    outs = {"out": folder / "ours.parquet", "context_out": folder / "context.parquet"}
    note("generate", "ours", "generate", repeats=3, seed=seed, **artifacts, **outs)
    note(
        "generate", "peer", "generate", workspace=workspace, context=outs["context_out"], repeats=2, seed=seed,
        out=folder / "peer.parquet",
    )  # fmt: skip
    note("files", "ours", "files", seed=seed, **tables)
    if scorer := os.environ.get("ARGN_SCORER"):
        for side in ("ours", "peer"):
            m[f"fidelity {side}"] = _scored(data, runner, shlex.split(scorer), side, outs["context_out"])
    return m


def _scored(data: Path, runner: Runner, scorer: list[str], side: str, context: Path) -> dict[str, Any]:
    say(f"fidelity, {side}")
    command = [
        *scorer, "--data", str(data), "--syn", str(runner.folder / f"{side}.parquet"), "--syn-ctx", str(context),
        "--context-key", KEYS[0], "--context-pk", KEYS[1], "--parts", "shape,c2st,seq",
    ]  # fmt: skip
    scores = json.loads(runner.execute(f"fidelity-{side}", command)["output"])
    return {
        "shape": scores["shape"]["shape_error_pct"], "trend": scores["shape"]["trend_error_pct"],
        "c2st": scores["c2st"]["auc_train_syn"], "sequence_c2st": scores["seq"]["sequence_c2st_auc"],
        "not_falling": scores["seq"]["columns"]["date"]["not_falling_syn"],
    }  # fmt: skip


def rows_of(m: dict[str, Any]) -> list[Row]:
    """Return the lines of the table."""
    prepare, train, generate = ({s: m[f"{n} {s}"] for s in ("ours", "peer")} for n in ("prepare", "train", "generate"))
    same, own, loss = m["same batch ours"], m["own batch ours"], m["peer loss ours"]["loss"]
    files, per_store = m["files ours"], train["ours"]["artifact_bytes"] / train["peer"]["store_tar_gz_bytes"]
    ended = "cut by the time limit" if train["peer"]["cut"] else "ended by itself"
    lines = [
        rates(
            "statistics + encoding of both tables, purchases/s",
            *(side["rows"] / middle(side["seconds"]) for side in prepare.values()), 20,
        ),
        rates(
            f"training, rows/s, batches of {train['peer']['batch_size']} sequences, same codes",
            same["rows_per_second"], train["peer"]["rows_per_second"], 4,
        ),
    ]  # fmt: skip
    for name, run in (("the same batch", same), ("our choice of batch", own)):
        measure = f"time to the peer's loss, {loss:.3f} nats per row ({ended}), {name}"
        if run["reached"]:
            lines.append(times(measure, run["best_loss_seconds"], train["peer"]["best_loss_seconds"], 5))
        else:
            tried = f"not reached: {run['best_loss']:.3f} after {seconds(run['loop_seconds'])}"
            lines.append(Row(measure, tried, seconds(train["peer"]["best_loss_seconds"]), "–", verdict("≥ 5 ×", False)))
    lines += [
        times("training with all defaults, own encodings", *(side["train_seconds"] for side in train.values())),
        Row("… epochs of it", f"{train['ours']['epochs']:.0f}", f"{train['peer']['epochs']:.0f}, {ended}"),
        rates("generation, rows/s", *(side["rows"] / middle(side["seconds"]) for side in generate.values()), 3),
        Row(
            "artifact (peer: model store as tar.gz)", size(train["ours"]["artifact_bytes"]),
            size(train["peer"]["store_tar_gz_bytes"]), f"{per_store:.2f}", verdict("≤ 0.5", per_store <= 0.5),
        ),
        Row("files written by training and generating", str(files["training"] + files["generating"]), "–", "–",
            verdict("0", files["training"] + files["generating"] == 0)),
        Row("peak memory of training", size(train["ours"]["peak_bytes"]), size(train["peer"]["peak_bytes"])),
        Row("decoding, rows/s", rate(prepare["ours"]["rows"] / middle(prepare["ours"]["decode_seconds"]))),
    ]  # fmt: skip
    if "fidelity peer" in m:
        ours, peer = m["fidelity ours"], m["fidelity peer"]
        names = {
            "shape": "shape error, % (less is better)", "trend": "trend error, % (less is better)",
            "c2st": "C2ST AUC (0.5 is best)", "sequence_c2st": "C2ST AUC of whole sequences (0.5 is best)",
            "not_falling": "steps in which the date does not fall (real: 1)",
        }  # fmt: skip
        lines += [Row(text, f"{ours[name]:.3f}", f"{peer[name]:.3f}") for name, text in names.items()]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA / "cdnow", help="folder with ctx_ and tgt_train.parquet"
    )
    parser.add_argument(
        "--minutes", type=float, default=FULL_MINUTES, help="of one training at most, for either engine"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = BENCH_FOLDER / "work" / "sequential"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = Path(sys.executable)
    runner = Runner(folder, {"sequences_ours": python, "sequences_peer": peer_python()})
    measured = measure(options.data.resolve(), runner, options.minutes, options.seed)
    document = {
        "dataset": "cdnow purchases", "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(),
        "machine": machine(), "peer": f"mostlyai-engine {PEER_VERSION}", "torch": "2.13.0",
        "rows": measured["prepare ours"]["rows"], "load_averages": runner.load_averages,
    }  # fmt: skip
    text = page_of(document, rows_of(measured))
    if options.minutes >= FULL_MINUTES:
        write_section(HERE / "RESULTS.md", "sequential cdnow", text)
    print(text)


if __name__ == "__main__":
    main()
