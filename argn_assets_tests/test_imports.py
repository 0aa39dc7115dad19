"""Loading the engine: what it does to the collector of the process that loads it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOAD = "from argn_assets.engine import train_flat; print(gc.isenabled(), gc.get_freeze_count() > 0)"


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("pass", "True True"),
        # Who loaded torch, or collects by hand, decides alone.
        ("import torch", "True False"),
        ("gc.disable()", "False False"),
    ],
)
def test_loading_the_engine_hides_only_what_it_loads_from_the_collector(before: str, says: str) -> None:
    """What stays for good is not looked at again; nobody finds collection switched off afterwards."""  # E §6
    program = f"import gc; {before}; {LOAD}"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.split() == says.split()
