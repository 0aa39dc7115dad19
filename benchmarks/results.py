"""The comparison as a table: what was measured, ours, the peer's, their ratio, and what the specification asks."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages import middle

HERE = Path(__file__).resolve().parent
Measured = dict[str, dict[str, dict[str, Any]]]  # stage -> "ours" or "peer" -> what the stage returned


@dataclass(frozen=True)
class Row:
    """One line of the table, as text."""

    measure: str
    ours: str
    peer: str = "–"
    ratio: str = "–"
    target: str = ""

    def line(self) -> str:
        """Return it as a line of a Markdown table."""
        return f"| {self.measure} | {self.ours} | {self.peer} | {self.ratio} | {self.target} |"


# -------------------------------------------------------------------------------------------------- numbers as text
def seconds(value: float) -> str:
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def rate(value: float) -> str:
    digits = max(0, len(str(int(value))) - 3)
    return f"{round(value, -digits):,.0f}"


def size(value: float) -> str:
    return f"{value / 1e6:,.2f} MB" if value < 100e6 else f"{value / 1e6:,.0f} MB"


def verdict(target: str, met: bool) -> str:
    return f"{target}: {'met' if met else '**missed**'}"


def rates(measure: str, ours: float, peer: float, target: float | None = None) -> Row:
    """Rows per second: more is better."""
    return _factor(measure, rate(ours), rate(peer), ours / peer, target)


def times(measure: str, ours: float, peer: float, target: float | None = None) -> Row:
    """Wall time: less is better."""
    return _factor(measure, seconds(ours), seconds(peer), peer / ours, target)


def _factor(measure: str, ours: str, peer: str, factor: float, target: float | None) -> Row:
    asked = "" if target is None else verdict(f"≥ {target:g} ×", factor >= target)
    return Row(measure, ours, peer, f"{factor:.1f} ×", asked)


# -------------------------------------------------------------------------------------------------- the table
def table(measured: Measured) -> list[Row]:
    """Return every line that the stages allow."""
    return [
        *_preparation(measured), *_training(measured), *_generation(measured), *_size(measured), *_fidelity(measured),
    ]  # fmt: skip


def _preparation(m: Measured) -> list[Row]:
    ours, peer, peer_decode = m["prepare"]["ours"], m["prepare"]["peer"], m["decode"]["peer"]
    return [
        rates(
            "statistics + encoding, rows/s (peer: split + analyze + encode)",
            ours["rows"] / middle(ours["seconds"]), peer["rows"] / middle(peer["seconds"]), 20,
        ),
        rates(
            "decoding, rows/s", ours["rows"] / middle(ours["decode_seconds"]),
            peer_decode["rows"] / middle(peer_decode["seconds"]), 20,
        ),
    ]  # fmt: skip


def _training(m: Measured) -> list[Row]:
    peer, same, own = m["train"]["peer"], m["same batch"]["ours"], m["own batch"]["ours"]
    large, ours = m["batch 2048"], m["train"]["ours"]
    batch = peer["batch_size"]
    return [
        rates(
            f"training, rows/s, batch {batch}, same codes", same["rows_per_second"], peer["rows_per_second"],
            5 if batch <= 512 else 3,
        ),
        rates(
            f"training, rows/s, batch {large['peer']['batch_size']}, same codes", large["ours"]["rows_per_second"],
            large["peer"]["rows_per_second"], 3,
        ),
        _to_loss(f"time to the peer's best validation loss {peer['best_loss']:.3f}, batch {batch}", same, peer),
        _to_loss(f"the same, our choice of batch: {own['batch_size']}", own, peer),
        times(
            "table to trained model, all defaults, own encodings", ours["train_seconds"],
            middle(m["prepare"]["peer"]["seconds"]) + peer["train_seconds"],
        ),
        Row("… epochs of it", _epochs(ours), f"{_epochs(peer)}, best {peer['best_epoch']:.0f}"),
        Row(
            "peak memory of the training process, same codes", size(same["peak_bytes"]), size(peer["peak_bytes"]),
            f"{same['peak_bytes'] / peer['peak_bytes']:.2f}", "codes + model + O(batch)",
        ),
        *_memory_beyond(same),
    ]  # fmt: skip


def _epochs(training: dict[str, Any]) -> str:
    return f"{training['epochs']:.0f}{', cut by the time limit' if training['cut'] else ''}"


def _to_loss(measure: str, ours: dict[str, Any], peer: dict[str, Any]) -> Row:
    if ours["reached"]:
        return times(measure, ours["best_loss_seconds"], peer["best_loss_seconds"], 5)
    tried = f"not reached: {ours['best_loss']:.3f} is best, ended after {seconds(ours['loop_seconds'])}"
    return Row(measure, tried, seconds(peer["best_loss_seconds"]), "–", verdict("≥ 5 ×", False))


def _memory_beyond(same: dict[str, Any]) -> list[Row]:
    if same["before_bytes"] is None:
        return []
    beyond = size(same["peak_bytes"] - same["before_bytes"])
    return [Row("… beyond imports and codes", f"{beyond} (codes: {size(same['code_bytes'])})")]


def _generation(m: Measured) -> list[Row]:
    ours, peer = m["generate"]["ours"], m["generate"]["peer"]
    warm = {side: middle(m["first rows"][side]["seconds"][1:]) for side in ("ours", "peer")}
    cold = {side: m["cold"][side]["process_seconds"] for side in ("ours", "peer")}
    asked = verdict("≤ 50 ms", warm["ours"] <= 0.05)
    return [
        rates("generation, rows/s", ours["rows"] / middle(ours["seconds"]), peer["rows"] / middle(peer["seconds"]), 5),
        replace(times("1,000 rows, warm process", warm["ours"], warm["peer"]), target=asked),
        times("1,000 rows, new process, imports included", cold["ours"], cold["peer"], 3),
        Row("… a new process that only imports torch", seconds(m["import torch"]["ours"]["process_seconds"])),
    ]


def _size(m: Measured) -> list[Row]:
    ours, peer, files = m["train"]["ours"], m["train"]["peer"], m["files"]
    per_weight = ours["artifact_bytes"] / ours["weight_bytes"]
    per_store = ours["artifact_bytes"] / peer["store_tar_gz_bytes"]
    return [
        Row(
            "artifact bytes / fp32 weight bytes (peer: model store)", f"{per_weight:.3f}",
            f"{peer['store_bytes'] / peer['weight_bytes']:.3f}", "–", verdict("≤ 1.1", per_weight <= 1.1),
        ),
        Row(
            "artifact (peer: model store as tar.gz)", size(ours["artifact_bytes"]), size(peer["store_tar_gz_bytes"]),
            f"{per_store:.2f}", verdict("≤ 0.5", per_store <= 0.5),
        ),
        *(
            Row(
                f"files written by {stage}", str(files["ours"][stage]), str(files["peer"][stage]), "–",
                verdict("0", files["ours"][stage] == 0),
            )
            for stage in ("training", "generating")
        ),
    ]  # fmt: skip


def _fidelity(m: Measured) -> list[Row]:
    if set(m.get("fidelity", ())) != {"ours", "peer"}:
        return []
    ours, peer = m["fidelity"]["ours"], m["fidelity"]["peer"]
    pairs = [
        ("shape error, % (less is better)", "shape_error", "{:.2f}"),
        ("trend error, % (less is better)", "trend_error", "{:.2f}"),
        ("C2ST AUC (0.5 is best)", "c2st", "{:.3f}"),
    ]
    return [Row(measure, form.format(ours[name]), form.format(peer[name])) for measure, name, form in pairs]


# -------------------------------------------------------------------------------------------------- the page
def machine() -> dict[str, Any]:
    """Return what of this machine a reader of the figures needs."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cores": cores, "cpu": model, "system": platform.system(), "python": platform.python_version()}


def commit() -> str:
    """Return the version of the checkout, `unknown` without git."""
    found = [
        subprocess.run(["git", *arguments], cwd=HERE.parent, capture_output=True, text=True, check=False).stdout.strip()
        for arguments in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--", "argn_assets"])
    ]
    return f"{found[0]}{' with changes' if found[1] else ''}" if found[0] else "unknown"


def section(document: dict[str, Any]) -> str:
    """Return the Markdown of one flat data set's run."""
    return page_of(document, table(document["measured"]))


def page_of(document: dict[str, Any], rows: list[Row]) -> str:
    """Return the Markdown of a run: where and when, and its table."""
    facts, loads = document["machine"], document["load_averages"]
    lines = [
        f"## {document['dataset']}",
        "",
        f"{document['date']} · commit {document['commit']} · {document['rows']:,} training rows · "
        f"{document['peer']} · torch {document['torch']} · Python {facts['python']} · {facts['cores']} cores "
        f"({facts['cpu']}), {facts['system']} · load average {loads[0]:.1f} before the first stage, at most "
        f"{max(loads):.1f} later",
        "",
        "| measure | ours | peer | ratio | target of the specification |",
        "|---|---|---|---|---|",
    ]
    lines += map(Row.line, rows)
    return "\n".join(lines) + "\n"


def write_section(page: Path, name: str, text: str) -> None:
    """Put a section between its markers in the page, or at its end; `name` begins with the script that writes it."""
    begin, end = f"<!-- {name}: written by {name.split(maxsplit=1)[0]}.py -->", f"<!-- end of {name} -->"
    content = page.read_text() if page.exists() else ""
    block = f"{begin}\n{text}{end}"
    if begin in content and end in content:
        before, rest = content.split(begin, 1)
        content = before + block + rest.split(end, 1)[1]
    else:
        content = f"{content.rstrip()}\n\n{block}\n".lstrip()
    page.write_text(content)
