"""The project as others get it: a wheel, loaded from another folder (O41)."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = (
    "import argn_assets, argn_assets.definitions as d\n"
    "graph = d.defs().resolve_asset_graph()\n"
    "print(argn_assets.__file__)\n"
    "print(sorted(key.to_user_string() for key in graph.get_all_asset_keys()))\n"
)


@pytest.mark.slow
def test_an_installed_wheel_loads_from_any_folder(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{CODE}"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    place, assets = loaded.stdout.splitlines()
    assert place.startswith(str(site))
    assert "trained_artifact" in assets
    assert "Warning" not in loaded.stderr
    validated = subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-m", "argn_assets.definitions"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert validated.returncode == 0, validated.stderr
    # Dagster's own word on its command is none of ours.
    warned = [line for line in validated.stderr.splitlines() if "Warning" in line]
    assert not [line for line in warned if "SupersessionWarning" not in line]


@pytest.mark.slow
def test_dg_finds_nothing_to_complain_about():
    environment = {**os.environ, "DAGSTER_HOME": str(ROOT), "VIRTUAL_ENV": str(Path(sys.executable).parent.parent)}
    command = [str(Path(sys.executable).with_name("dg")), "check", "defs"]
    found = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "Warning" not in found.stdout + found.stderr


@pytest.mark.slow
@pytest.mark.parametrize("where", [[], ["-w", "workspace.yaml"]], ids=["project", "workspace"])
def test_dagster_validates_the_definitions(where):
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", *where]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "All code locations passed validation" in found.stdout + found.stderr
    assert "mismatch" not in found.stderr.lower()
