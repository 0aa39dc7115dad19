"""Small documents: one spelling, YAML and JSON at once, and a hash that sees every change."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from argn_assets.errors import ConfigError, CorruptArtifact
from argn_assets.store.documents import JsonObject, canonical_json, parse, seal, strict_json, unseal

LAW = settings(derandomize=True, deadline=None, max_examples=150)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.text(max_size=12).filter(lambda key: key != "document_hash"), values, max_size=4)


@given(documents)
@LAW
def test_what_is_sealed_comes_back_equal(document: JsonObject) -> None:
    assert unseal(seal(document), "x") == document


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), values, max_size=3))
@LAW
def test_a_sealed_document_is_yaml_of_the_same_text(document: JsonObject) -> None:
    text = seal(document)
    assert all(ord(character) < 0x7F or ord(character) > 0x9F for character in text.decode())
    node: Any = yaml.compose(text.decode(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert len(node.value) == len(document) + 1


def test_a_document_that_people_reformatted_as_yaml_is_still_whole() -> None:
    document: JsonObject = {
        "at": "2026-03-01T00:00:00Z",
        "rate": 1e-05,
        "big": 1e16,
        "n": [1, None, True],
        "name": "é 😀 \x85",
    }
    block = yaml.safe_dump(json.loads(seal(document)), allow_unicode=True).encode()
    assert not block.startswith(b"{")
    assert unseal(block, "x") == document
    assert parse(b"at: 2026-03-01\nrate: 1e-05\n", "x") == {"at": "2026-03-01", "rate": 1e-05}


@pytest.mark.parametrize(
    "text",
    [b"", b"[1]", b"7", b"{", b"a: &a [1]\nb: *a", b"a: !!python/object/apply:os.system [x]", b"\xff\xfe\x00",
     b"a: [" * 2000, b'{"a": NaN}x'],
    ids=["empty", "list", "number", "cut", "alias", "object", "not text", "deep", "not json"],
)  # fmt: skip
def test_what_is_not_a_plain_mapping_is_corrupt(text: bytes) -> None:
    with pytest.raises(CorruptArtifact, match="runs/x"):
        parse(text, "runs/x")


def test_every_flipped_byte_and_every_cut_is_seen() -> None:
    text = seal({"name": "cdnow", "rows": [1, 2.5, None], "hash": "sha256:" + "ab" * 32})
    content = unseal(text, "x")
    for position in range(len(text)):
        for changed in (text[:position] + bytes([text[position] ^ 1]) + text[position + 1 :], text[:position]):
            try:
                assert unseal(changed, "x") == content  # white space around the values may change and be cut
            except CorruptArtifact:
                continue


def test_a_document_without_a_hash_is_refused() -> None:
    with pytest.raises(CorruptArtifact):
        unseal(b'{"a": 1}', "x")


def test_canonical_json_has_one_spelling() -> None:
    assert canonical_json({"b": [1, 2.0], "a": "é\x85"}) == '{"a":"é\\u0085","b":[1,2.0]}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_strict_json_keeps_values_and_makes_tuples_and_numpy_scalars_plain() -> None:  # T5
    plain: Any = strict_json({"a": (1, np.int64(2), np.float32(0.5)), "b": np.bool_(True), "c": np.str_("x")}, "params")
    assert plain == {"a": [1, 2, 0.5], "b": True, "c": "x"}
    assert type(plain["b"]) is bool


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [float("nan")]}, r"params\.a\[0\] is nan"),
        ({"a": float("inf")}, r"params\.a is inf"),
        ({1: 2}, "params is a dict"),
        ({"a": {"b": object()}}, r"params\.a\.b is a object"),
        ({"a": np.zeros(2)}, r"params\.a is a ndarray"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value: Any, where: str) -> None:
    with pytest.raises(ConfigError, match=where):
        strict_json(value, "params")


@pytest.mark.parametrize(
    "nested", [b"[" * 100_000, b"a: " + b"{a: " * 100_000, b"- " * 100_000, b"[" * 101 + b"]" * 101]
)
def test_nesting_beyond_reason_is_corrupt_and_does_not_end_the_process(nested: bytes) -> None:
    with pytest.raises(CorruptArtifact):
        parse(nested, "x")


@pytest.mark.parametrize(
    "text",
    [
        "{a: .nan}", "{a: .inf}", '{"a": 1e999}', "{a: !!binary aGk=}", "{a: !!set {x, y}}", "{1: 2, a: 3}",
        "a: !!timestamp 2026-01-01",
    ],
)  # fmt: skip
def test_what_parses_and_is_no_json_is_corrupt(text: str) -> None:  # T6, T24
    with pytest.raises(CorruptArtifact, match="the/path should be a document of plain JSON values"):
        unseal(text.encode(), "the/path")
