"""What a declaration may say, and what the message says when it may not."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from argn_assets.datasets import DatasetSpec, TableSpec, parse_dataset
from argn_assets.datasets.encoding_names import known_encodings
from argn_assets.datasets.field_types import is_dataset_name
from argn_assets.errors import ConfigError

HEAD = "dataset: shop\ntables:\n  users:\n    source: users.csv\n"
KIN = (
    "dataset: kin\ntables:\n  a: {source: a, primary_key: i, context: {table: b, key: k}}\n"
    "  b: {source: b, primary_key: i, context: {table: c, key: k}}\n  "
)


def problem(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_dataset(text, "shop.yaml")
    return str(caught.value)


# O4
def test_parents_come_before_their_children_and_know_their_ancestors():
    spec = parse_dataset(KIN + "c: {source: c, primary_key: i}\n  d: {source: d}\n", "kin.yaml")
    assert spec.ordered_tables() == ("c", "d", "b", "a")
    assert (spec.ancestors("a"), spec.ancestors("c")) == (("b", "c"), ())
    assert spec.tables["a"].regenerated() == ("i", "k")


# O1
def test_a_source_may_be_a_query_of_files_or_of_a_database():
    spec = parse_dataset(
        "dataset: shop\ntables:\n  a: {source: {sql: select * from u, files: {u: users.csv}}}\n"
        "  b: {source: {sql: select * from u, connection: SHOP_DATABASE}}\n",
        "shop.yaml",
    )
    assert [table.shown for table in spec.tables.values()] == ["the query of u", "the query of SHOP_DATABASE"]
    assert DatasetSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_url_that_stands_where_a_variable_is_named_is_not_repeated():
    text = "dataset: shop\ntables: {t: {source: {sql: a, connection: 'postgresql://me:hunter2@host/shop'}}}"
    assert "hunter2" not in problem(text)


# O1
def test_the_defaults_are_those_of_the_specification():
    spec = parse_dataset(HEAD, "shop.yaml")
    generator, sampling = spec.generator, spec.sampling
    assert (generator.family, generator.model_size, generator.max_epochs, generator.max_training_time) == (
        "argn",
        "M",
        100,
        60,
    )
    assert (sampling.rows, sampling.temperature, sampling.top_p, sampling.rare) == ("same", 1, 1, "sample")
    assert (spec.value_protection, spec.holdout, spec.seed, spec.target) == (True, 0.2, 0, None)
    assert (spec.csv.null_values, spec.csv.decimal) == (("", "NA"), ".")
    assert (spec.keep.last, spec.keep.days, spec.max_age_days, spec.floors.fidelity) == (5, 90, 8, None)


def test_every_field_of_this_version_can_be_written():
    spec = parse_dataset(
        """
dataset: shop
tables:
  users:
    source: users.csv
    primary_key: id
    limit_rows: 10
    columns: {age: {encoding: numeric_binned}, mail: {role: drop}, id: {role: key}}
generator: {family: argn, model_size: S, max_epochs: 2.5, max_training_time: 0.5, batch_size: 64}
variants: []
folds: 0
meta_model: none
sampling: {rows: 1000, temperature: 0.9, top_p: 0.95, rare: sample}
retrain: {on_change: true, at_latest: daily, always: true, warm_start: true, only_on_drift: 0.5}
value_protection: false
target: age
holdout: 0
csv: {null_values: [NO, "-1"], decimal: ",", separator: ";"}
raw: copy
export: {to: null, format: parquet}
publish: false
floors: {fidelity: 0.8, copy_rate: 0.01}
max_age_days: 3
keep: {last: 5, days: 90}
owners: [me@example.org]
tags: {since: 2013-01-01}
compute: {engine: local}
seed: 7
""",
        "shop.yaml",
    )
    users = spec.tables["users"]
    assert users.encoding_types() == {"age": "numeric_binned"}
    assert (users.dropped(), users.limit_rows, users.primary_key) == (("mail",), 10, "id")
    assert (spec.sampling.rows, spec.generator.batch_size, spec.target_column()) == (1000, 64, ("users", "age"))
    # YAML 1.2: neither `NO` nor a date is anything but text
    assert spec.csv.null_values == ("NO", "-1")
    assert spec.tags == {"since": "2013-01-01"}


def test_a_declaration_survives_being_written_as_json():
    spec = parse_dataset(HEAD + "target: age\nseed: 3\n", "shop.yaml")
    assert DatasetSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_declaration_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        parse_dataset(HEAD, "shop.yaml").seed = 3


@given(st.text(string.ascii_lowercase + string.digits + "_.-", min_size=1, max_size=63))
def test_a_dataset_name_is_of_one_alphabet_starts_plainly_and_has_no_double_dot(name):
    assert is_dataset_name(name) == (name[0] not in "_.-" and ".." not in name)


@given(st.text(max_size=70))
def test_an_accepted_name_is_one_harmless_path_segment(name):
    if is_dataset_name(name):
        assert not set(name) & set("/\\\0\n :%")
        assert name not in (".", "..")
        assert len(name) <= 63


@pytest.mark.parametrize("name", ["", "../x", "a..b", "Planes", "a/b", "a\n", "é", "-a", "a" * 64, "con:"])
def test_a_bad_name_is_refused_with_the_alphabet(name):
    with pytest.raises(ValidationError, match="a-z 0-9"):
        DatasetSpec(dataset=name, tables={"t": TableSpec(source="t.csv")})


def test_encodings_are_known_by_their_files():
    from argn_assets.encodings.base import encodings

    assert set(known_encodings()) == set(encodings())


BAD = {
    "": ["shop.yaml is empty", "dataset: planes"],
    "- 1": ["does not hold fields"],
    "dataset: shop\n\ttables: 1": ["line 2", "not YAML", "spaces"],
    "dataset: shop\ntables: {a: [}": ["line 2", "not YAML"],
    HEAD + "---\na: 1": ["single document"],
    "dataset: shop": ["tables", "required", "source: planes.csv"],
    "dataset: shop\ntables: {}": ["line 2", "tables", "at least one table"],
    "dataset: ../x\ntables: {t: {source: a}}": ["line 1", "dataset", "'../x'", "a-z 0-9", "'..'"],
    "dataset: 2013\ntables: {t: {source: a}}": ["dataset", "2013", "quotes"],
    "dataset: true\ntables: {t: {source: a}}": ["dataset", "true", "quotes"],
    "dataset: shop\ndataset: shop\ntables: {t: {source: a}}": ["line 2", "'dataset'", "twice"],
    "dataset: shop\ntables: {t: {source: a}, t: {source: b}}": ["line 2", "'t'", "twice"],
    "dataset: shop\ntables: {../t: {source: a}}": ["'../t'", "cannot name a table"],
    "dataset: shop\ntables: {t: {source: a}, T: {source: b}}": ["'t'", "'T'", "case"],
    "dataset: shop\ntables: {1: {source: a}}": ["tables.1", "quotes"],
    "dataset: shop\ntables: {t: {sorce: a}}": ["unknown field 'sorce'", "Did you mean 'source'?", "primary_key"],
    "dataset: shop\ntables: {t: a.csv}": ["tables.t", "'a.csv'", "fields"],
    "dataset: shop\ntables: {t: {source: ''}}": ["tables.t.source", "''"],
    "dataset: shop\ntables: {t: {source: {sql: select}}}": [
        "line 2",
        "source",
        "files: {NAME: PATH}",
        "connection: NAME",
    ],
    "dataset: shop\ntables: {t: {source: {sql: select, connection: X, files: {a: b.csv}}}}": ["one of the two"],
    "dataset: shop\ntables: {t: {source: {sqll: select, connection: X}}}": ["'sqll'", "Did you mean 'sql'?", "files"],
    "dataset: shop\ntables: {t: {source: {sql: 3, connection: X}}}": ["t.source.sql: 3", "not text"],
    "dataset: shop\ntables: {t: {source: {sql: a, connection: 'x://u:p@h'}}}": ["t.source.connection", "variable"],
    "dataset: shop\ntables: {t: {source: [a.csv]}}": ["t.source", "['a.csv']", "text"],
    HEAD + "    primary_key: [a, b]": ["line 5", "primary_key", "one column"],
    HEAD + "    limit_rows: 0": ["line 5", "limit_rows", "0", "greater than or equal to 1"],
    HEAD + "    limit_rows: many": ["limit_rows", "'many'", "integer"],
    HEAD + "    context: users": ["line 5", "tables.users.context", "'users'", "fields"],
    HEAD + "    context: {table: users}": ["line 5", "tables.users.context.key", "required"],
    HEAD + "    context: {table: users, key: [a, b]}": ["users.context.key", "one column"],
    HEAD + "    context: {table: users, key: id}": ["line 5", "users.context.table", "users → users", "circle"],
    HEAD + "    context: {table: user, key: id}": ["line 5", "'user' is not a table", "Did you mean 'users'?"],
    HEAD + "  orders: {source: o.csv, context: {table: users, key: user}}": [
        "line 5",
        "orders.context.table",
        "primary_key",
    ],
    HEAD + "    context: {table: users, key: id}\n    columns: {id: {role: drop}}": [
        "line 3",
        "'id'",
        "context",
        "'key'",
    ],
    KIN + "c: {source: c, primary_key: i, context: {table: a, key: k}}\n": ["a → b → c → a", "circle"],
    KIN + "c: {source: c, primary_key: i}\n  d: {source: d, context: {table: a, key: k}}\n": [
        "d → a → b → c",
        "4 levels",
        "3",
    ],
    HEAD + "    constraints: [{type: inequality}]": ["line 5", "constraints.0", "low: start, high: end"],
    HEAD + "    constraints: [{type: inequality, low: a, high: a}]": ["constraints.0", "two columns"],
    HEAD + "    constraints: [{type: fixed_combinations, columns: [a]}]": ["constraints.0", "two or more columns"],
    HEAD + "    constraints: [{type: equal, columns: [a, b]}]": ["constraints.0.type", "'fixed_combinations' or"],
    HEAD + "    constraints: [{type: inequality, low: a, hihg: b}]": ["'hihg'", "Did you mean 'high'?"],
    HEAD + "    primary_key: a\n    constraints: [{type: inequality, low: a, high: b}]": ["'a ≤ b' names 'a'", "a key"],
    HEAD + "    columns: {a: {encoding: numeric_bined}}": [
        "'numeric_bined'",
        "Did you mean 'numeric_binned'?",
        "known",
    ],
    HEAD + "    columns: {a: drop}": ["columns.a", "'drop'", "fields"],
    HEAD + "    columns: {a: {role: dropp}}": ["'dropp'", "Did you mean 'drop'?"],
    HEAD + "    columns: {a: {role: pattern, encoding: boolean}}": ["columns.a", "'pattern'", "has no encoding"],
    HEAD + "    primary_key: a\n    columns: {a: {role: pattern}}": ["primary_key 'a'", "no role but 'key'"],
    HEAD + "    columns: {a: {role: drop, encoding: boolean}}": ["columns.a", "has no encoding"],
    HEAD + "    primary_key: a\n    columns: {a: {role: drop}}": ["primary_key 'a'", "remove"],
    HEAD + "    primary_key: a\n    columns: {a: {encoding: boolean}}": ["primary_key 'a'", "no encoding"],
    HEAD + "epochs: 3": ["line 5", "unknown field 'epochs'", "generator"],
    HEAD + "generator: {epochs: 3}": ["'epochs'", "Did you mean 'max_epochs'?"],
    HEAD + "generator: {family: ctgan}": ["generator.family", "'ctgan'", "not built yet", "'argn'"],
    HEAD + "generator: {model_size: XL}": ["generator.model_size", "'XL'", "'S', 'M' or 'L'"],
    HEAD + "generator: {max_training_time: 0}": ["max_training_time", "0", "greater than 0"],
    HEAD + "generator: {max_epochs: .inf}": ["max_epochs", "inf", "finite"],
    HEAD + "generator: {max_epochs: true}": ["max_epochs", "true", "number"],
    HEAD + "generator:": ["generator", "nothing stands here"],
    HEAD + "variants: [{model_size: S}]": ["variants", "not built yet", "[]"],
    HEAD + "folds: 5": ["folds", "5", "not built yet", "0"],
    HEAD + "meta_model: mixture": ["meta_model", "'mixture'", "'none'"],
    HEAD + "sampling: {rows: 0}": ["sampling.rows", "0", "'same'"],
    HEAD + "sampling: {rows: all}": ["sampling.rows", "'all'", "'same'"],
    HEAD + "sampling: {rare: keep}": ["sampling.rare", "keep", "'sample' or 'constant'"],
    HEAD + "sampling: {temperature: 0}": ["temperature", "greater than 0"],
    HEAD + "sampling: {top_p: 1.5}": ["top_p", "1.5", "less than or equal to 1"],
    HEAD + "retrain: {always: often}": ["retrain.always", "'often'", "true or false"],
    HEAD + "retrain: {at_latest: hourly}": ["retrain.at_latest", "'hourly'", "'weekly'"],
    HEAD + "retrain: {only_on_drift: -1}": ["retrain.only_on_drift", "-1", "greater than or equal to 0"],
    HEAD + "retrain: {on_change: false, only_on_drift: 1}": ["retrain", "only_on_drift", "on_change"],
    HEAD + "value_protection: maybe": ["value_protection", "'maybe'", "true or false"],
    HEAD + "holdout: 0.6": ["holdout", "0.6", "0.5"],
    HEAD + "csv: {decimal: ','}": ["csv", "separator: ';'"],
    HEAD + "csv: {separator: '||'}": ["csv.separator", "'||'", "one ASCII character"],
    HEAD + "csv: {null_values: [-1]}": ["null_values", "-1", "quotes"],
    HEAD + "raw: reference": ["raw", "'reference'", "'copy'"],
    HEAD + "export: {to: 'postgresql://me:secret@host/x'}": ["export.to", "connection: NAME", "environment variable"],
    HEAD + "export: {to: {connection: NO GOOD}}": ["line 5: export.to.connection: this is not the name"],
    HEAD + "export: {to: {conection: SHOP}}": ["export.to.conection", "Did you mean 'connection'?"],
    "dataset: shop\ntables: {t: {source: [a.csv, b.csv]}}": ["line 2", "tables.t.source", "one pattern", "data/*.csv"],
    HEAD + "export: {to: a, format: xlsx}": ["export.format", "parquet", "csv"],
    HEAD + "publish: true": ["publish", "true", "not built yet", "false"],
    HEAD + "compute: {engine: ray}": ["compute.engine", "'ray'", "'local'"],
    HEAD + "floors: {fidelity: 2}": ["floors.fidelity", "2", "1"],
    HEAD + "floors: {copy_rate: 1.5}": ["floors.copy_rate", "1"],
    HEAD + "keep: {last: 0}": ["keep.last", "0", "greater than or equal to 1"],
    HEAD + "keep: {days: -1}": ["keep.days", "-1", "greater than or equal to 0"],
    HEAD + "max_age_days: 0": ["max_age_days", "0", "greater than or equal to 1"],
    HEAD + "owners: me": ["owners", "'me'", "list"],
    HEAD + "seed: -1": ["seed", "-1", "greater than or equal to 0"],
    "dataset: shop\ntables: {t: {source: a}, u: {source: b}}\ntarget: age": ["line 3", "'age'", "table.column"],
    HEAD + "    columns: {age: {role: drop}}\ntarget: age": ["line 6", "'age'", "dropped"],
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_file_is_explained_with_file_field_value_and_what_would_do(text):
    message = problem(text)
    assert "shop.yaml" in message
    for part in BAD[text]:
        assert part in message or part.capitalize() in message, message


def test_all_problems_of_a_file_are_told_at_once_in_its_order():
    lines = problem(HEAD + "seed: -1\nfolds: 3\nholdout: 1\n").splitlines()
    assert "3 problems" in lines[0]
    assert [line.split(": ")[1] for line in lines[1:]] == ["seed", "folds", "holdout"]


def test_text_in_another_code_page_is_told_with_its_line():
    assert "line 5: not UTF-8" in problem(HEAD.encode() + b"tags: {a: \xe9}")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(sorted(DatasetSpec.model_fields)), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_whatever_a_file_holds_it_is_a_declaration_or_one_error_of_ours(value):
    import yaml

    with suppress(ConfigError):
        parse_dataset(yaml.safe_dump(value), "shop.yaml")
