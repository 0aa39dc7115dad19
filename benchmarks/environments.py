"""The peer engine's own environment: made once below `.argn/bench`, or named by ARGN_PEER_PYTHON.

python benchmarks/environments.py        makes it if it is not there and prints its interpreter
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

from stages import say

PEER_VERSION = "2.7.3"
TORCH_VERSION = "2.13.0"  # the same on both sides, or the libraries under the engines would be compared
BENCH_FOLDER = Path(__file__).resolve().parent.parent / ".argn" / "bench"
_VERSIONS = "import importlib.metadata as m; print(m.version('mostlyai-engine'), m.version('torch'))"
_WAY_OUT = f"Install mostlyai-engine {PEER_VERSION} there, or unset the variable to have an environment made."


def peer_python() -> Path:
    """Return the interpreter that has the peer engine, installing it where it is missing.

    Raises:
        SystemExit: the interpreter that ARGN_PEER_PYTHON names has another version of it, or none.
    """
    named = os.environ.get("ARGN_PEER_PYTHON")
    if not named:
        return _own_environment()
    try:
        engine, torch = subprocess.check_output([named, "-c", _VERSIONS], stderr=subprocess.DEVNULL, text=True).split()
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"ARGN_PEER_PYTHON is {named!r}, which does not run mostlyai-engine: {error}. {_WAY_OUT}"
        ) from error
    if engine != PEER_VERSION:
        raise SystemExit(f"ARGN_PEER_PYTHON is {named!r}, which has mostlyai-engine {engine}. {_WAY_OUT}")
    if torch.partition("+")[0] != TORCH_VERSION:
        say(f"note: the peer's torch is {torch}, not {TORCH_VERSION}")
    return Path(named)


def _own_environment() -> Path:
    folder = BENCH_FOLDER / f"peer-{PEER_VERSION}"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.exists():
        return python
    say(f"installing mostlyai-engine {PEER_VERSION} into {folder.relative_to(BENCH_FOLDER.parent.parent)} …")
    venv.create(folder, clear=True, with_pip=True)
    constraint = folder / "constraint.txt"
    constraint.write_text(f"torch=={TORCH_VERSION}\n")
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    for step in (
        ["install", f"torch=={TORCH_VERSION}"],
        ["install", "--constraint", str(constraint), f"mostlyai-engine=={PEER_VERSION}", "psutil"],
        # Not needed for tables, and importing builds that do not match torch fails.
        ["uninstall", "--yes", "torchvision", "torchaudio"],
    ):
        subprocess.run([*pip, *step], check=True, stdout=sys.stderr)
    stamp.touch()
    return python


if __name__ == "__main__":
    print(peer_python())
