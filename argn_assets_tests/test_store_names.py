"""Names that become parts of paths, and the ids that say who made an artifact."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argn_assets.errors import UnsafeName
from argn_assets.store import generate_artifact_id, parse_artifact_id, pipeline_id
from argn_assets.store.names import (
    blob_name,
    check_class_name,
    check_dataset,
    check_key,
    check_path,
    check_pipeline_id,
    digits_in,
    run_folder,
    slug,
)

LAW = settings(derandomize=True, deadline=None, max_examples=200)
HASH = "sha256:" + "0123456789abcdef" * 4

HOSTILE = [
    "", ".", "..", "../x", "a/b", "a\\b", "/abs", "~", "a..b", ".hidden", "trailing.", "a b", "a\nb", "a\x00b", "ä",
    "con", "NUL.txt", "com1", "x" * 201, "a:b", "%2e%2e", "\u202egnp", "a*", "-",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("check", [check_dataset, check_class_name, check_pipeline_id, check_path])
def test_a_hostile_name_is_refused_and_shown(check: Callable[[str], str], name: str) -> None:  # T26
    if check is check_path and name in ("a/b", "-"):
        name = f"/{name}"
    with pytest.raises(UnsafeName, match=r"accepted|at most|device"):
        check(name)


@pytest.mark.parametrize("name", ["cdnow", "online_shoppers", "a", "0", "x.y-z", "a" * 63])
def test_the_names_that_data_sets_have_are_accepted(name: str) -> None:
    assert check_dataset(name) == name


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(UnsafeName, match="ref '7'"):
        check_key(7, "ref")  # type: ignore[arg-type]


def test_a_path_has_a_longest_length() -> None:
    assert check_path("/".join(["abc"] * 256)).count("/") == 255
    with pytest.raises(UnsafeName, match="1027 characters"):
        check_path("/".join(["abc"] * 257))


@given(text=st.text(max_size=80))
@LAW
def test_a_slug_is_always_part_of_a_usable_name(text: str) -> None:
    assert check_pipeline_id(f"{slug(text)}_0123456789ab")


def test_a_blobs_name_carries_twelve_digits_and_more_where_asked() -> None:  # T1
    assert blob_name("model", "PLS", HASH, "argn") == "model_PLS_0123456789ab.argn"
    assert [len(digits_in(blob_name("model", "A_b", HASH, "argn", digits))) for digits in (12, 16, 24, 64)] == [
        12, 16, 24, 64,
    ]  # fmt: skip
    assert digits_in("notes.txt") == ""
    with pytest.raises(UnsafeName, match="extension"):
        blob_name("model", "PLS", HASH, "../x")


def test_a_runs_folder_is_its_day_in_utc_and_eight_characters_of_its_id() -> None:
    late = datetime(2026, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert run_folder(late, "5f1c9a3e-77aa-4e0b") == "20260302_5f1c9a3e"
    with pytest.raises(UnsafeName, match="time zone"):
        run_folder(datetime(2026, 3, 1), "5f1c9a3e")
    with pytest.raises(UnsafeName, match="run id"):
        run_folder(datetime(2026, 3, 1, tzinfo=UTC), "../5f1c")


numbers = st.integers(0, 999_999_999)
pipeline_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in {"con", "prn", "aux", "nul"} and name[:3].lower() not in {"com", "lpt"}
)


@given(pipeline_ids, st.lists(numbers, max_size=4), numbers, st.none() | numbers, st.integers(0, 20))
@LAW
def test_generate_and_parse_are_inverses(
    pipeline: str, branches: list[int], step: int, fold: int | None, output: int
) -> None:  # T3
    path = parse_artifact_id(generate_artifact_id(pipeline, branches, step, fold, output))
    assert (path.pipeline_id, path.branch_path, path.step_index, path.fold_id, path.output) == (
        pipeline, tuple(branches), step, fold, output,
    )  # fmt: skip


@given(st.from_regex(r"[a-z]{1,3}(:[0-9]{1,3}){0,3}(:[0-9]{1,2}(\.[0-9])?)(:([0-9]|all))", fullmatch=True))
@LAW
def test_parse_and_generate_are_inverses_wherever_parse_accepts(text: str) -> None:
    try:
        path = parse_artifact_id(text)
    except UnsafeName:
        return  # a leading zero, or output 0 written out
    again = generate_artifact_id(path.pipeline_id, path.branch_path, path.step_index, path.fold_id, path.output)
    assert again == text


def test_fold_zero_is_not_all() -> None:  # T3
    assert generate_artifact_id("p", (), 3, 0) == "p:3:0"
    assert generate_artifact_id("p", (), 3, None) == "p:3:all"


def test_an_empty_branch_has_no_segment_and_its_long_form_is_understood() -> None:
    assert generate_artifact_id("p", [], 3) == "p:3:all"
    assert parse_artifact_id("p::3:all") == parse_artifact_id("p:3:all")


def test_the_step_name_of_a_path_has_no_pipeline_and_no_output() -> None:
    assert parse_artifact_id("p:3:all").step_name == "3_all"
    assert parse_artifact_id("p:0:3.1:4").step_name == "0_3_4"


@pytest.mark.parametrize(
    "text", ["", "p", "p:3", "p::all", ":3:all", "p:x:all", "p:3:every", "p:03:all", "p:3.0:all", "p:3.:all",
             "p:-1:all", "p:3:-1", "p:1:2:", "../p:3:all", "p:3.1.2:all", "p:²:all"]
)  # fmt: skip
def test_what_is_no_artifact_id_is_refused(text: str) -> None:
    with pytest.raises(UnsafeName):
        parse_artifact_id(text)


@pytest.mark.parametrize("number", [-1, True, 1.0, "1", 10**9])
def test_a_number_that_ids_cannot_write_is_refused(number: Any) -> None:
    with pytest.raises(UnsafeName, match="accepted"):
        generate_artifact_id("p", (), number)


def test_a_colon_in_a_pipeline_id_is_refused() -> None:
    with pytest.raises(UnsafeName, match="pipeline id"):
        generate_artifact_id("a:b", (), 3)


def test_the_same_configuration_gives_the_same_pipeline_id_and_another_one_another() -> None:  # T4
    first = pipeline_id("Online Shoppers", {"model_size": "M", "epochs": 3})
    assert first == pipeline_id("Online Shoppers", {"epochs": 3, "model_size": "M"})
    assert first.startswith("online_shoppers_")
    assert first != pipeline_id("Online Shoppers", {"model_size": "S", "epochs": 3})
    assert first != pipeline_id("online_shoppers", {"model_size": "M", "epochs": 3})
