"""Golden files of the Dagster project: what assets say of themselves, and what stages make under their version."""

from __future__ import annotations

import json

import pytest

from argn_assets.orchestration.stages import STAGES
from argn_assets_tests.golden_orchestration import FILES, FOLDER, asset_specs, stage_digests

AGAIN = "python -m argn_assets_tests.golden_orchestration"


def stored(name: str):
    return json.loads((FOLDER / name).read_text())


def test_what_every_asset_says_of_itself_is_what_was_stored():  # O12
    assert asset_specs() == stored("asset_specs.json"), f"Where that is meant: {AGAIN}"


@pytest.fixture(scope="module")
def digests():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ARGN_STORE", "ARGN_DATASETS"):
            patch.setenv(name, "")  # so that what the golden data set sets is undone
        return stage_digests()


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.asset)
def test_no_stage_makes_something_else_under_the_same_version(digests, stage):  # O11
    before, now = stored("stage_digests.json")[stage.asset], digests[stage.asset]
    if now["version"] == before["version"]:
        assert now["digest"] == before["digest"], (
            f"{stage.asset} makes something else of the same input: raise its version in orchestration/stages.py, or "
            f"cached results of before stay current; then {AGAIN}"
        )
    assert now == before, f"The version of {stage.asset} was raised: {AGAIN}"


def test_every_golden_file_has_its_maker():
    assert {path.name for path in FOLDER.iterdir()} == set(FILES)
