"""Imported models: the same probabilities, codes and values as the peer's own, from its files alone."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from argn_assets.engine import ModelArtifact, generate_flat, generate_sequential, impute, log_prob
from argn_assets.errors import ArtifactError, ConfigError, DataError, SchemaError
from argn_assets.tables.encode import decode_table, encode_table
from argn_assets_tests.peer.expected import FOLDER, Golden, flat_log_probs, log_probs_after_given, sequential_log_probs
from argn_assets_tests.peer.make_workspaces import CASES, LARGE_CASES

TOLERANCE = 1e-5
GOLDEN = {name: Golden(FOLDER / name) for name in CASES}
FLAT = [name for name in CASES if name.startswith("flat")]
SEQUENTIAL = [name for name in CASES if name.startswith("sequential")]


def assert_same_log_probs(golden: Golden) -> None:
    if not golden.artifact.is_sequential:
        assert np.abs(flat_log_probs(golden) - golden.expected["log_probs"]).max() < TOLERANCE
        return
    answers = sequential_log_probs(golden)
    for pairs in (answers.rows, answers.lengths, answers.left):
        for ours, theirs in pairs:
            assert np.abs(ours - theirs).max() < TOLERANCE
    assert answers.rows
    assert answers.left


def assert_same_codes(golden: Golden) -> None:
    """Check the codes of rows; what stands under a null is random, and only the code that says so counts."""
    ours = encode_table(golden.target, golden.artifact.tgt_stats)
    at = 0
    for name, subs in ours.columns.items():
        is_null = golden.target[name].isna().to_numpy()
        says_all = golden.artifact.tgt_stats.columns[name].NAME == "peer_datetime_relative"
        for sub in subs:
            counts = slice(None) if sub.null is not None or says_all else ~is_null
            assert (ours.codes[at][counts] == golden.expected["codes"][at][counts]).all(), (name, sub.name)
            at += 1


def assert_same_context_codes(golden: Golden) -> None:
    """Check the codes of the context, as `assert_same_codes` does those of rows; empty lists and places behind ends."""
    if golden.context is None or golden.artifact.ctx_stats is None:
        return
    ours, theirs = encode_table(golden.context, golden.artifact.ctx_stats), golden.context_codes().numpy()
    at = 0
    for column, (name, subs) in zip(golden.layout.context, ours.columns.items(), strict=True):
        n_subs, n_steps = len(column.sub_columns), max(1, column.n_steps)
        lists = [list(v)[:n_steps] if v is not None else [] for v in golden.context[name]] if column.n_steps else None
        cells = lists if lists is not None else [[value] for value in golden.context[name]]
        is_null = np.array([[i < len(c) and bool(pd.isna(c[i])) for c in cells] for i in range(n_steps)])  # [T, B]
        for place, sub in enumerate(column.sub_columns):
            own, peers = (codes[at + place : at + n_steps * n_subs : n_subs] for codes in (ours.codes, theirs))
            counts = ~is_null | (sub in ("nan", "cat", "bin"))
            assert (own[counts] == peers[counts]).all(), (name, sub)
        at += len(subs)


def assert_same_values(golden: Golden) -> None:
    """Check what codes decode to; inside a bin it is random, and the bin's ends count."""
    stats = golden.artifact.tgt_stats
    ours = decode_table(golden.encoded, stats)
    for name in stats.columns:
        own, theirs = ours[name], golden.decoded[name]
        kind = stats.columns[name].NAME
        if kind == "peer_numeric_binned":
            edges = np.array(stats.columns[name].edges)
            assert (own.isna() == theirs.isna()).all()
            own, theirs = own.dropna().to_numpy(float), theirs.dropna().to_numpy(float)
            places = np.searchsorted(edges, [own, theirs], side="right")
            assert (np.abs(places[0] - places[1]) <= 1).all(), "a value cut to decimals may fall below its bin"
            continue
        if pd.api.types.is_string_dtype(theirs.dtype):
            theirs = theirs.astype("string")
        if kind == "peer_categorical":  # the peer writes its marker, we leave the value missing
            rare = golden.encoded.codes[_place_of(golden, name)] == 0
            theirs = theirs.mask(rare)
        if kind == "peer_character":  # the peer loses blanks at the end
            own = own.str.rstrip()
        assert own.dtype == theirs.dtype, name
        pd.testing.assert_series_equal(own, theirs, check_names=False, obj=name)


def _place_of(golden: Golden, column: str) -> int:
    place = 0
    for name, subs in golden.encoded.columns.items():
        if name == column:
            return place
        place += len(subs)
    raise KeyError(column)


@pytest.mark.parametrize("name", CASES)
def test_log_probabilities_are_the_peers(name):  # E8
    assert_same_log_probs(GOLDEN[name])


@pytest.mark.parametrize("name", CASES)
def test_rows_get_the_peers_codes(name):  # E20
    assert_same_codes(GOLDEN[name])


@pytest.mark.parametrize("name", [name for name in CASES if GOLDEN[name].artifact.ctx_stats])
def test_contexts_get_the_peers_codes(name):  # E20, E32
    assert_same_context_codes(GOLDEN[name])


@pytest.mark.parametrize("name", CASES)
def test_codes_decode_to_the_peers_values(name):  # E20
    assert_same_values(GOLDEN[name])


@pytest.mark.parametrize("name", ["flat_s", "flat_context_l"])
@pytest.mark.parametrize("n_given", [1, 3, 5])
def test_values_given_before_the_first_step_count_as_if_they_had_been_generated(name, n_given):  # E40
    golden = GOLDEN[name]
    n_given = min(n_given, len(golden.order(0)))
    ours, theirs = log_probs_after_given(golden, n_given), golden.expected["log_probs"]
    later = golden.order(0)[n_given:]
    np.testing.assert_allclose(ours[later], theirs[later], atol=TOLERANCE)


def test_every_encoding_and_kind_of_context_is_among_the_golden_models():
    seen = {stats.NAME for golden in GOLDEN.values() for stats in golden.artifact.tgt_stats.columns.values()}
    assert seen == {
        "peer_categorical", "peer_numeric_discrete", "peer_numeric_binned", "peer_numeric_digit", "peer_datetime",
        "peer_datetime_relative", "peer_character", "peer_lat_long",
    }  # fmt: skip
    assert GOLDEN["sequential_long_s"].artifact.tgt_seq_len_max > 99, "positions as digits"
    assert len(GOLDEN["flat_s"].artifact.tgt_cardinalities) > 50, "column embeddings that are mapped to fewer numbers"
    sequences = GOLDEN["sequential_sequential_context_s"].layout.context_tables
    assert len(sequences) == 3, "one of them has nothing but empty lists"


@pytest.mark.parametrize("name", CASES)
def test_the_artifact_survives_its_bytes(name):  # E7
    artifact = GOLDEN[name].artifact
    data = artifact.to_bytes()
    again = ModelArtifact.from_bytes(data)
    assert again.to_bytes() == data
    assert (again.family, again.tgt_stats, again.ctx_stats) == ("peer", artifact.tgt_stats, artifact.ctx_stats)


@pytest.mark.parametrize("name", FLAT)
def test_flat_models_generate_rows_of_the_columns_they_know(name):  # E3, E8
    golden = GOLDEN[name]
    rows = generate_flat(golden.artifact, 24, ctx_data=golden.context, random_state=1)
    assert list(rows.columns) == [column.name for column in golden.artifact.tgt_stats.schema.columns]
    assert len(rows) == 24
    assert rows.equals(generate_flat(golden.artifact, 24, ctx_data=golden.context, random_state=1))
    codes = encode_table(rows, golden.artifact.tgt_stats).codes
    assert (codes < np.array(list(golden.artifact.tgt_cardinalities.values()))[:, None]).all()
    for column in set(rows.columns) & {"shop"}:
        assert set(rows[column].dropna()) <= {"north", "south", "east ", "_RARE_", "<<NULL>>", "\x01odd", "once"}
    if golden.context is not None:
        assert rows["id"].tolist() == golden.context["id"].tolist()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_models_generate_sequences_of_the_lengths_they_know(name):  # E3, E8, E33
    import torch

    golden, before = GOLDEN[name], torch.get_rng_state().tolist()
    artifact = golden.artifact
    rows = generate_sequential(artifact, ctx_data=golden.context, sample_size=24, random_state=1)
    assert torch.get_rng_state().tolist() == before, "the generator of the whole process is left alone"
    sizes = rows.groupby("id", sort=False).size()
    assert sizes.between(max(1, artifact.tgt_seq_len_min), artifact.tgt_seq_len_max).all()
    assert len(sizes) == 24 or artifact.tgt_seq_len_min == 0
    assert (rows["id"] != rows["id"].shift().fillna("")).sum() == len(sizes), "rows of a key stand together"
    if golden.context is not None:
        assert set(rows["id"]) <= set(golden.context["id"])


@pytest.mark.parametrize("name", CASES)
def test_no_rows_are_asked_for_and_none_come(name):  # E3, E41
    golden = GOLDEN[name]
    context = None if golden.context is None else golden.context.head(0)
    generate = generate_sequential if golden.artifact.is_sequential else generate_flat
    rows = generate(golden.artifact, sample_size=0, ctx_data=context)
    assert len(rows) == 0
    assert len(log_prob(golden.artifact, rows, ctx_data=context)) == 0
    assert len(impute(golden.artifact, rows, ctx_data=context)) == 0


def test_lengths_of_sequences_are_drawn_from_the_models_distribution():  # E33
    golden = GOLDEN["sequential_context_s"]
    assert golden.context is not None
    sizes = [
        len(generate_sequential(golden.artifact, ctx_data=golden.context, random_state=seed)) / len(golden.context)
        for seed in range(5)
    ]
    assert abs(np.mean(sizes) - 3.5) < 0.6, "lengths of 1 to 6 rows were trained on, evenly"


@pytest.mark.parametrize("name", ["flat_context_l", "sequential_context_s"])
def test_keys_have_the_type_of_the_contexts(name):  # E9, E43
    golden = GOLDEN[name]
    assert golden.context is not None
    generate = generate_sequential if golden.artifact.is_sequential else generate_flat
    rows = generate(golden.artifact, ctx_data=golden.context.assign(id=range(100, 124)), random_state=1)
    assert rows["id"].dtype == "int64"
    assert set(rows["id"]) <= set(range(100, 124))


def test_a_given_prefix_comes_back_and_goes_on():  # E40
    golden = GOLDEN["sequential_context_s"]
    prefix = golden.target.groupby("id").head(2)
    rows = generate_sequential(golden.artifact, ctx_data=golden.context, seed_data=prefix, random_state=1)
    again = rows.groupby("id").head(2).merge(prefix.assign(given=True), on=["id", "kind", "on"], how="inner")
    assert len(again) >= len(prefix)


def test_given_columns_come_back_and_the_others_follow_them():  # E40
    artifact = GOLDEN["flat_s"].artifact
    seeds = pd.DataFrame({"shop": ["north", None] * 20, "paid": [20.0] * 40})
    rows = generate_flat(artifact, seed_data=seeds, random_state=1)
    assert (rows["paid"] == 20.0).all()
    assert (rows["shop"][::2] == "north").all()
    assert rows["shop"][1::2].nunique() > 1


@pytest.mark.parametrize("name", ["flat_s", "flat_context_l"])
def test_given_booleans_are_the_texts_that_the_model_knows(name):  # E40
    golden = GOLDEN[name]
    context = golden.context.head(20) if golden.context is not None else None
    given = [True, False, None, True] * 5
    rows = [
        generate_flat(golden.artifact, seed_data=pd.DataFrame({"gift": gift}), ctx_data=context, random_state=1)
        for gift in (given, pd.Series(given, dtype="boolean"), [None if v is None else str(v) for v in given])
    ]
    assert rows[0]["gift"].iloc[[0, 1, 3]].tolist() == ["True", "False", "True"]
    assert rows[0].equals(rows[1])
    assert rows[0].equals(rows[2])


@pytest.mark.parametrize("dtype", ["boolean", "bool[pyarrow]", "object"])
def test_missing_booleans_are_filled_in_as_booleans(dtype):  # E9, E41
    golden = GOLDEN["flat_s"]
    missing = np.arange(24) % 3 == 0
    table = golden.target.assign(gift=golden.target["gift"].astype("boolean").mask(missing).astype(dtype))
    filled = impute(golden.artifact, table, random_state=1)
    assert filled["gift"].isin([True, False]).all()
    assert (filled["gift"][~missing].astype(bool) == golden.target["gift"][~missing]).all()


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), ["2020-01-01", "2020-01-02"]),
        (pd.to_datetime(["2020-01-01 10:00", "2020-01-02 00:00"]), ["2020-01-01 10:00:00", "2020-01-02 00:00:00"]),
        (pd.array([1, 2], dtype="Int64"), ["1.0", "2.0"]),
    ],
)
def test_missing_values_of_columns_that_the_peer_knows_as_text_get_their_own_type(tmp_path, values, texts):  # E9, E41
    path = unpacked(tmp_path, "flat_s") / "ModelStore" / "tgt-stats" / "stats.json"
    document = json.loads(path.read_text())
    codes = document["columns"]["gift"]["codes"]
    assert list(codes) == ["_RARE_", "False", "True"]
    document["columns"]["gift"]["codes"] = dict(zip(["_RARE_", *texts], range(3), strict=True))
    path.write_text(json.dumps(document))
    column = pd.Series(values).repeat(12).reset_index(drop=True)
    table = GOLDEN["flat_s"].target.assign(gift=column.mask(np.arange(24) % 3 == 0))
    filled = impute(ModelArtifact.from_workspace(tmp_path), table, random_state=1)
    assert filled["gift"].dtype == column.dtype
    assert filled["gift"].isin(values).all()


def test_rare_values_are_another_value_or_their_marker():  # E42
    artifact = GOLDEN["flat_l"].artifact
    assert "once" not in artifact.tgt_stats.columns["shop"].categories
    drawn = {
        rare: generate_flat(artifact, 3000, rare=rare, random_state=1)["shop"].value_counts()["_RARE_"]
        for rare in ("sample", "constant")
    }
    assert drawn["constant"] > drawn["sample"], "beside the text '_RARE_' of the table"


def test_a_fixed_order_is_kept():  # E31
    artifact = GOLDEN["flat_m"].artifact
    assert not artifact.enable_flexible_generation
    with pytest.raises(ConfigError, match="'items' was given without all before it"):
        generate_flat(artifact, seed_data=pd.DataFrame({"items": [3]}))


@pytest.mark.parametrize(("end", "moment"), [("min", "1500-01-31"), ("max", "9999-12-31")])
def test_dates_that_nanoseconds_cannot_say_are_microseconds(tmp_path, end, moment):  # E9
    path = unpacked(tmp_path, "flat_l") / "ModelStore" / "tgt-stats" / "stats.json"
    document = json.loads(path.read_text())
    document["columns"]["day"][end] = moment
    path.write_text(json.dumps(document))
    rows = generate_flat(ModelArtifact.from_workspace(tmp_path), 20, random_state=1)
    assert rows["day"].dtype == "datetime64[us]"
    assert rows["day"].between("2021-01-01", "2025-01-01").any()


def test_contexts_change_what_is_generated():  # E32
    golden = GOLDEN["flat_context_m"]
    context = golden.context
    assert context is not None
    other = context.assign(city=context["city"].iloc[::-1].to_numpy(), age=30.0)
    rows = [generate_flat(golden.artifact, ctx_data=given, random_state=1) for given in (context, other)]
    assert not rows[0].drop(columns="id").equals(rows[1].drop(columns="id"))


def test_context_sequences_may_be_empty_missing_or_longer_than_those_trained_on():  # E32
    golden = GOLDEN["flat_sequential_context_s"]
    assert golden.context is not None
    context = golden.context.head(4).copy()
    context["visits::page"] = [[], None, ["home"] * 50, ["nowhere"]]
    context["visits::seconds"] = [[], None, [1] * 50, [None]]
    context["visits::on"] = [[], None, ["2022-05-01"] * 50, ["2022-05-01"]]
    assert len(generate_flat(golden.artifact, ctx_data=context, random_state=1)) == 4


def test_lists_of_one_sequence_that_differ_in_length_are_refused_by_the_column():  # E32
    golden = GOLDEN["flat_sequential_context_s"]
    assert golden.context is not None
    pages = [[*pages, "home"] for pages in golden.context["visits::page"]]
    with pytest.raises(DataError, match=r"24 of 24 context rows .+ in 'visits::seconds' than in 'visits::page'"):
        generate_flat(golden.artifact, ctx_data=golden.context.assign(**{"visits::page": pages}))


# --------------------------------------------------------------------------------------------------------- from files
def unpacked(folder: Path, name: str = "flat_context_s") -> Path:
    """Return a workspace folder with the ModelStore of a golden model."""
    with tarfile.open(FOLDER / name / "model.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_a_store_a_workspace_and_an_archive_of_either_are_one_model(tmp_path):  # E8
    workspace = unpacked(tmp_path / "workspace")
    bare = tmp_path / "bare.tar.gz"
    with tarfile.open(bare, "w:gz") as archive:
        for entry in sorted((workspace / "ModelStore").iterdir()):
            archive.add(entry, entry.name)
    found = [workspace, workspace / "ModelStore", str(bare), FOLDER / "flat_context_s" / "model.tar.gz"]
    assert len({ModelArtifact.from_workspace(path).to_bytes() for path in found}) == 1


NEEDED = (
    "tgt-stats/stats.json", "ctx-stats/stats.json", "model-data/model-configs.json", "model-data/model-weights.pt",
)  # fmt: skip


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_missing_is_named(tmp_path, name):  # E7, E8
    workspace = unpacked(tmp_path)
    (workspace / "ModelStore" / name).unlink()
    with pytest.raises(ArtifactError, match=rf"has no {name}.+training has finished"):
        ModelArtifact.from_workspace(workspace)


def test_a_path_that_leads_nowhere_is_named_as_it_was_given(tmp_path):
    for place in (str(tmp_path / "nowhere"), f"file://{tmp_path}"):
        with pytest.raises(ArtifactError, match=f"There is nothing at '{place}'"):
            ModelArtifact.from_workspace(place)


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("change", ["empty", "cut", "flipped", "other"])
def test_a_file_that_changed_is_named(tmp_path, name, change):  # E7, E8
    path = unpacked(tmp_path) / "ModelStore" / name
    content = path.read_bytes()
    half = len(content) // 2
    flipped = content[:half] + bytes([content[half] ^ 0xFF]) + content[half + 1 :]
    path.write_bytes({"empty": b"", "cut": content[:half], "flipped": flipped, "other": b"[1]"}[change])
    with pytest.raises(ArtifactError, match=rf"^{name} of .+(changed|failed)"):
        ModelArtifact.from_workspace(tmp_path)


def changed(folder: Path, name: str, *entry: str) -> Path:
    """Return a workspace whose JSON file `name` lacks an entry, given by its keys from the outermost."""
    path = unpacked(folder) / "ModelStore" / name
    document = json.loads(path.read_text())
    inner = document
    for key in entry[:-1]:
        inner = inner[key]
    del inner[entry[-1]]
    path.write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        (NEEDED[0], ["columns"]), (NEEDED[0], ["is_sequential"]), (NEEDED[0], ["keys"]),
        (NEEDED[0], ["no_of_training_records"]), (NEEDED[0], ["columns", "shop", "argn_column"]),
        (NEEDED[0], ["columns", "items", "max_digits"]), (NEEDED[1], ["columns"]), (NEEDED[1], ["keys"]),
        (NEEDED[1], ["columns", "city", "codes"]), (NEEDED[2], ["model_units"]),
        (NEEDED[2], ["enable_flexible_generation"]),
    ],
)  # fmt: skip
def test_an_entry_that_is_missing_is_named_with_its_file(tmp_path, name, entry):  # E8
    with pytest.raises(ArtifactError, match=rf"^{name} of .+'{entry[-1]}'.+mostlyai-engine 2\.7"):
        ModelArtifact.from_workspace(changed(tmp_path, name, *entry))


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        (NEEDED[0], ["columns", "shop"]), (NEEDED[0], ["columns", "shop", "codes"]),
        (NEEDED[0], ["columns", "on", "max"]), (NEEDED[1], ["columns", "visits::page", "codes"]),
        (NEEDED[1], ["columns", "visits::on", "min"]), (NEEDED[1], ["columns", "visits::page", "seq_len", "max"]),
        (NEEDED[2], ["model_id"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [[1], {}, 1.5], ids=str)
def test_an_entry_of_another_kind_is_refused_with_its_file(tmp_path, name, entry, value):  # E8
    case = "sequential_context_s" if "on" in entry else "flat_sequential_context_s"
    path = unpacked(tmp_path, case) / "ModelStore" / name
    document = json.loads(path.read_text())
    inner = document
    for key in entry[:-1]:
        inner = inner[key]
    inner[entry[-1]] = value
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=f"^{name} of |^{NEEDED[3]} of "):
        ModelArtifact.from_workspace(tmp_path)


def test_a_model_of_another_kind_is_refused_by_its_name(tmp_path):
    path = unpacked(tmp_path) / "ModelStore" / NEEDED[2]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_id": "MOSTLY_AI/LSTMFromScratch-3m"}))
    with pytest.raises(ArtifactError, match=r"model-configs\.json of .+'MOSTLY_AI/LSTM.+'; MOSTLY_AI/Small"):
        ModelArtifact.from_workspace(tmp_path)


def test_an_archive_of_two_models_is_refused(tmp_path):
    with tarfile.open(tmp_path / "two.tar.gz", "w:gz") as archive:
        for name in ("flat_m", "flat_s"):
            archive.add(unpacked(tmp_path / name, name), name)
    with pytest.raises(ArtifactError, match="holds 2 models, in 'flat_m/ModelStore', 'flat_s/ModelStore'"):
        ModelArtifact.from_workspace(tmp_path / "two.tar.gz")


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "model.tar.gz").write_bytes(b"not an archive")
    with pytest.raises(ArtifactError, match=r"cannot be read as a \.tar\.gz"):
        ModelArtifact.from_workspace(tmp_path / "model.tar.gz")


def test_models_of_free_text_are_refused_by_the_column(tmp_path):
    path = unpacked(tmp_path) / "ModelStore" / "tgt-stats" / "stats.json"
    document = json.loads(path.read_text())
    document["columns"]["shop"]["encoding_type"] = "LANGUAGE_TEXT"
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=r"Column 'shop' is encoded as 'LANGUAGE_TEXT'.+free text are not"):
        ModelArtifact.from_workspace(tmp_path)


def test_statistics_that_do_not_belong_to_the_weights_are_refused(tmp_path):
    path = unpacked(tmp_path) / "ModelStore" / "tgt-stats" / "stats.json"
    document = json.loads(path.read_text())
    columns = document["columns"]
    for others in (columns | {"more": columns["shop"] | {"argn_column": "c77"}}, {"shop": columns["shop"]}):
        path.write_text(json.dumps(document | {"columns": others}))
        with pytest.raises(ArtifactError, match=r"model-weights\.pt of .+ does not belong to the statistics beside it"):
            ModelArtifact.from_workspace(tmp_path)
    columns["shop"]["cardinalities"]["cat"] += 1
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=r"tgt-stats/stats\.json of .+ Column 'shop' .+ has the cardinalities"):
        ModelArtifact.from_workspace(tmp_path)


def test_sequences_of_another_length_do_not_belong_to_the_weights(tmp_path):
    path = unpacked(tmp_path, "sequential_s") / "ModelStore" / "tgt-stats" / "stats.json"
    document = json.loads(path.read_text())
    document["seq_len"]["max"] += 1
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=r"sidx_cat\.weight has the shape \[7, 7\], and \[8, 7\] was expected"):
        ModelArtifact.from_workspace(tmp_path)


def cut_rows(weights):
    name = next(name for name in weights if name.startswith("predictors"))
    return weights | {name: weights[name][:-1]}


WEIGHTS = {
    "less than is needed": (lambda weights: dict(list(weights.items())[1:]), "is missing"),
    "more than is needed": (lambda weights: weights | {"more": weights[min(weights)]}, "more belongs to no column"),
    "of another shape": (cut_rows, r"predictors\..+ has the shape"),
    "not a number": (lambda weights: {name: weight * np.nan for name, weight in weights.items()}, "not finite"),
    "none at all": (lambda weights: list(weights.values()), "cannot be read as weights"),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_that_do_not_fit_are_refused_before_anything_is_generated(tmp_path, kind):  # E8
    import torch

    path = unpacked(tmp_path) / "ModelStore" / NEEDED[3]
    change, message = WEIGHTS[kind]
    torch.save(change(dict(torch.load(path))), path)
    with pytest.raises(ArtifactError, match=rf"^{NEEDED[3]} of .+{message}"):
        ModelArtifact.from_workspace(tmp_path)


class _Trap:
    def __reduce__(self):
        return (os.mkdir, ("trap",))


@pytest.mark.parametrize("content", [b"", b"PK", pickle.dumps(_Trap(), protocol=2)], ids=["empty", "cut", "code"])
def test_weights_that_are_none_are_refused_and_nothing_in_them_runs(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (unpacked(tmp_path) / "ModelStore" / "model-data" / "model-weights.pt").write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read as weights"):
        ModelArtifact.from_workspace(tmp_path)
    assert not (tmp_path / "trap").exists()


def test_code_inside_an_archive_of_weights_does_not_run(tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    stream = io.BytesIO()
    torch.save({"weight": _Trap()}, stream)
    (unpacked(tmp_path) / "ModelStore" / "model-data" / "model-weights.pt").write_bytes(stream.getvalue())
    with pytest.raises(ArtifactError, match="cannot be read as weights"):
        ModelArtifact.from_workspace(tmp_path)
    assert not (tmp_path / "trap").exists()


def test_encodings_of_imported_models_cannot_be_declared():  # E25
    from argn_assets.engine import train_flat

    with pytest.raises(ConfigError, match="there is no encoding 'peer_categorical'"):
        train_flat(pd.DataFrame({"a": ["x", "y"]}), {"a": "peer_categorical"})


def test_a_context_without_its_columns_is_refused_by_name():
    with pytest.raises(SchemaError, match="city"):
        generate_flat(GOLDEN["flat_context_s"].artifact, ctx_data=pd.DataFrame({"id": ["c1"], "age": [3]}))


# ------------------------------------------------------------------------------------------------------ with the peer
@pytest.fixture(scope="session")
def made_now(request, tmp_path_factory) -> Path:
    """Return the folder of the cases that this run is about, all made by the peer in one process."""
    folder = tmp_path_factory.mktemp("peer")
    wanted = [
        item.callspec.params["made"] for item in request.session.items if "made" in getattr(item, "fixturenames", ())
    ]
    script = [os.environ["ARGN_PEER_PYTHON"], str(FOLDER / "make_workspaces.py"), str(folder), *dict.fromkeys(wanted)]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}  # more only wait for each other in models of this size
    done = subprocess.run(script, capture_output=True, text=True, check=False, env=one_thread)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture
def made(request, made_now) -> Golden:
    return Golden(made_now / request.param)


def with_the_peer(*names: str):
    def mark(test):
        test = pytest.mark.parametrize("made", names, indirect=True)(test)
        reason = "ARGN_PEER_PYTHON names no Python with the peer"
        return pytest.mark.peer(pytest.mark.skipif("ARGN_PEER_PYTHON" not in os.environ, reason=reason)(test))

    return mark


@with_the_peer(*CASES, *LARGE_CASES)
def test_models_that_the_peer_trains_now_import(made):  # E8
    assert_same_log_probs(made)
    assert_same_codes(made)
    assert_same_context_codes(made)
    assert_same_values(made)


def shares_apart(ours: pd.Series, theirs: pd.Series) -> float:
    """Return half the sum of differences between the shares of values; of numbers and times, of their eighths."""
    if not pd.api.types.is_string_dtype(theirs.dtype):
        edges = theirs.dropna().quantile(np.linspace(0, 1, 9)).drop_duplicates().to_numpy()
        ours, theirs = (pd.Series(np.searchsorted(edges, c.dropna(), "right")).reindex(c.index) for c in (ours, theirs))
    shares = [column.value_counts(normalize=True, dropna=False) for column in (ours, theirs)]
    return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


@with_the_peer(*(name for name, case in LARGE_CASES.items() if case.n_sample))
def test_rows_are_spread_as_the_peers_own_sample(made):  # E8
    theirs, artifact = made.sample, made.artifact
    if artifact.is_sequential:
        ours = generate_sequential(artifact, sample_size=3000, random_state=1, rare="constant")
        lengths = [rows.groupby("id").size().reset_index(drop=True) for rows in (ours, theirs)]
        assert shares_apart(*lengths) < 0.04
    else:
        ours = generate_flat(artifact, 3000, random_state=1, rare="constant")
    for name in artifact.tgt_stats.columns:
        assert shares_apart(ours[name], theirs[name]) < 0.06, name
