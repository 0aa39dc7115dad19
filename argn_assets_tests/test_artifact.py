"""Artifacts as bytes: whole, deterministic, and refused when anything about them changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argn_assets.engine import ModelArtifact, generate_flat, train_flat
from argn_assets.errors import ArtifactError
from argn_assets_tests.tables_of_truth import shop_orders

ARTIFACT = train_flat(shop_orders(300), primary_key="order", random_state=1, max_epochs=2, device="cpu")
DATA = ARTIFACT.to_bytes()


def test_bytes_read_back_to_an_artifact_that_writes_the_same_bytes():  # E7
    again = ModelArtifact.from_bytes(DATA)
    assert again.to_bytes() == DATA
    assert again.history == ARTIFACT.history
    assert again.tgt_stats == ARTIFACT.tgt_stats
    assert generate_flat(again, 20, random_state=1).equals(generate_flat(ARTIFACT, 20, random_state=1))


def test_bytes_are_little_more_than_the_weights():  # E §6
    large = train_flat(shop_orders(2000), primary_key="order", random_state=1, max_epochs=0.1)
    assert len(large.to_bytes()) < 0.6 * sum(4 * weight.size for weight in large.weights.values())


def test_the_artifact_names_what_it_needs():  # E7
    assert ARTIFACT.tgt_primary_key == "order"
    assert not ARTIFACT.is_sequential
    assert ARTIFACT.tgt_cardinalities["gift.value"] == 3
    assert set(ARTIFACT.get_weights_state_dict("cpu")) == set(ARTIFACT.weights)
    assert {str(weight.dtype) for weight in ARTIFACT.get_weights_state_dict().values()} == {"torch.float32"}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(place=st.integers(0, len(DATA) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused(place, bit):  # E7
    data = bytearray(DATA)
    data[place] ^= 1 << bit
    with pytest.raises(ArtifactError):
        ModelArtifact.from_bytes(bytes(data))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(length=st.integers(0, len(DATA) - 1))
def test_cut_bytes_are_refused(length):  # E7
    with pytest.raises(ArtifactError):
        ModelArtifact.from_bytes(DATA[:length])


def test_a_newer_format_is_refused_by_its_version():  # E7
    with pytest.raises(ArtifactError, match=r"format version 9; this version of argn_assets \(.+\) reads 1"):
        ModelArtifact.from_bytes(DATA[:4] + (9).to_bytes(2, "little") + DATA[6:])


def test_other_files_are_not_artifacts():
    with pytest.raises(ArtifactError, match="not a model artifact"):
        ModelArtifact.from_bytes(b"PAR1" + bytes(100))
