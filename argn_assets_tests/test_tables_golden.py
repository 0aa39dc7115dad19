"""The golden files: today's statistics and codes of a fixed table are those that were stored (E10)."""

from __future__ import annotations

import pytest

from argn_assets.tables import TableStats
from argn_assets_tests.golden import FILES, FOLDER, golden_stats, golden_table


@pytest.mark.parametrize("name", FILES)
def test_golden_files_are_made_again_byte_for_byte(name: str) -> None:
    assert FILES[name]() == (FOLDER / name).read_bytes(), (
        "Stored statistics or codes would change. Where that is meant: python -m argn_assets_tests.golden"
    )


def test_every_golden_file_has_its_maker() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(FILES)


def test_golden_statistics_read_back_and_hide_what_is_rare() -> None:
    stored = (FOLDER / "table_stats.json").read_bytes()
    assert TableStats.from_bytes(stored) == golden_stats()
    assert b"seldom" in stored
    assert golden_table()["rare"].eq("seldom").any()
    assert b"seldom" not in (FOLDER / "table_stats_protected.json").read_bytes()
