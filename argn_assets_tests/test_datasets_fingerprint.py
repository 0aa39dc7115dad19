"""A fingerprint differs when a source has changed, and only then."""

from __future__ import annotations

import os
import shutil

import fsspec
import pytest

from argn_assets.datasets import DatasetSpec, TableSpec, fingerprint_sources
from argn_assets.errors import SourceError


def fingerprint(source: str, folder: str = "") -> str:
    return fingerprint_sources(DatasetSpec(dataset="d", tables={"t": TableSpec(source=source)}).in_folder(folder))


def test_other_content_gives_another_fingerprint(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("a\n1\n")
    before = fingerprint("t.csv", str(tmp_path))
    file.write_text("a\n2\n")
    os.utime(file, ns=(0, 1))
    assert fingerprint("t.csv", str(tmp_path)) != before


def test_a_touched_or_copied_file_keeps_its_fingerprint(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("a\n1\n")
    before = fingerprint(str(file))
    os.utime(file, (1, 1))
    copied = shutil.copytree(tmp_path, tmp_path / "copy") / "t.csv"
    assert fingerprint(str(file)) == fingerprint(str(copied)) == before


def test_a_new_file_of_a_glob_gives_another_fingerprint(tmp_path):
    (tmp_path / "1.csv").write_text("a\n1\n")
    before = fingerprint("*.csv", str(tmp_path))
    (tmp_path / "2.csv").write_text("a\n1\n")
    assert fingerprint("*.csv", str(tmp_path)) != before


def test_a_large_file_is_known_by_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr("argn_assets.datasets.fingerprint.MOST_HASHED_BYTES", 3)
    file = tmp_path / "t.csv"
    file.write_text("a\n1\n")
    before = fingerprint(str(file))
    assert fingerprint(str(file)) == before
    os.utime(file, (1, 1))
    assert fingerprint(str(file)) != before


def test_a_source_on_another_file_system_has_a_fingerprint():
    found = set()
    for text in ("a\n1\n", "a\n2\n", "a\n1\n"):
        with fsspec.open("memory://fingerprint/t.csv", "w") as file:
            file.write(text)
        found.add(fingerprint("memory://fingerprint/t.csv"))
    assert len(found) == 2


def test_a_missing_source_has_none(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        fingerprint("t.csv", str(tmp_path))
