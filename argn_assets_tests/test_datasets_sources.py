"""Sources become tables: kinds of files, globs, columns that are left out, and damaged files."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import zipfile
from typing import Any

import fsspec
import polars as pl
import pytest

from argn_assets.datasets import DatasetSpec, TableSpec, read_table, read_tables
from argn_assets.datasets.messages import shown_url
from argn_assets.errors import ArgnError, DataError, SchemaError, SourceError

TABLE = pl.DataFrame({"id": [1, 2, 3], "name": ["a", None, "c"], "when": [dt.date(2013, 1, day) for day in (1, 2, 3)]})
CSV = "id,name,when\n1,a,2013-01-01\n2,NA,2013-01-02\n3,c,2013-01-03\n"
JSONL = (
    '{"id":1,"name":"a","when":"2013-01-01"}\n{"id":2,"when":"2013-01-02"}\n\n{"id":3,"name":"c","when":"2013-01-03"}'
)


def declare(source: Any, csv: dict[str, Any] | None = None, **fields: Any) -> DatasetSpec:
    return DatasetSpec.model_validate(
        {"dataset": "shop", "tables": {"users": {"source": str(source), **fields}}, "csv": csv or {}}
    )


def read(source: Any, csv: dict[str, Any] | None = None, **fields: Any) -> pl.DataFrame:
    return read_table(declare(source, csv, **fields), "users")


def message(error: type[ArgnError], source: Any, **fields: Any) -> str:
    with pytest.raises(error) as caught:
        read(source, **fields)
    return str(caught.value)


def zipped(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def parquet_bytes(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def arrow_bytes(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_ipc(buffer)
    return buffer.getvalue()


FILES = {
    "users.csv": CSV.encode(),
    "users.CSV": CSV.encode(),
    "windows.csv": b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode(),
    "users.csv.gz": gzip.compress(CSV.encode()),
    "users.csv.zip": zipped({"users.csv": CSV}),
    "users.jsonl": JSONL.encode(),
    "users.jsonl.gz": gzip.compress(JSONL.encode()),
    "users.ndjson": JSONL.encode(),
    "users.parquet": parquet_bytes(TABLE),
    "users.arrow": arrow_bytes(TABLE),
    "users.feather": arrow_bytes(TABLE),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_the_same_table(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    assert read(tmp_path / name).equals(TABLE)


@pytest.mark.parametrize("name", ["users.csv.gz", "users.parquet", "users.jsonl"])
def test_a_source_may_be_a_url_of_any_file_system(name):
    with fsspec.open(f"memory://sources/{name}", "wb") as file:
        file.write(FILES[name])
    assert read(f"memory://sources/{name}").equals(TABLE)


@pytest.mark.parametrize("name", FILES)
def test_dropped_columns_are_not_there_and_the_first_rows_are_enough(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    table = read(tmp_path / name, columns={"name": {"role": "drop"}}, limit_rows=2)
    assert table.equals(TABLE.drop("name").head(2))


def test_a_sample_is_never_more_than_what_is_declared(tmp_path):
    (tmp_path / "users.csv").write_text(CSV)
    spec = declare(tmp_path / "users.csv", limit_rows=2)
    assert [len(read_table(spec, "users", rows=n)) for n in (1, 5)] == [1, 2]


def test_all_tables_of_a_data_set_are_read(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    (tmp_path / "b.parquet").write_bytes(parquet_bytes(TABLE))
    tables = {"a": TableSpec(source="a.csv"), "b": TableSpec(source="b.parquet")}
    read_back = read_tables(DatasetSpec(dataset="two", tables=tables).in_folder(str(tmp_path)))
    assert {name: table.shape for name, table in read_back.items()} == {"a": (1, 1), "b": (3, 3)}


def test_a_zip_made_on_a_mac_holds_one_file(tmp_path):
    (tmp_path / "users.csv.zip").write_bytes(zipped({"users.csv": CSV, "__MACOSX/._users.csv": "resource fork"}))
    assert read(tmp_path / "users.csv.zip").equals(TABLE)


def test_a_zip_of_several_files_is_refused_with_their_names(tmp_path):
    (tmp_path / "users.csv.zip").write_bytes(zipped({"one.csv": CSV, "two.csv": CSV}))
    assert "holds 2: one.csv, two.csv" in message(SourceError, tmp_path / "users.csv.zip")


@pytest.mark.parametrize("name", ["users.csv.gz", "users.csv.zip", "users.parquet", "users.arrow"])
@pytest.mark.parametrize("content", [b"", b"no such thing", None])
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(FILES[name][:-9] if content is None else content)
    assert name in message(SourceError, tmp_path / name) if content else message(ArgnError, tmp_path / name)


# Globs


def test_a_glob_is_read_in_sorted_order_by_the_names_of_its_columns(tmp_path):
    (tmp_path / "2.csv").write_text("b,a\nx,2\n")
    (tmp_path / "1.csv").write_text("a,b\n1,NA\n")
    (tmp_path / "3.csv").write_text("a,b\n3,z\n")
    assert read(tmp_path / "*.csv").rows() == [(1, None), (2, "x"), (3, "z")]
    assert read(tmp_path / "*.csv", limit_rows=2).rows() == [(1, None), (2, "x")]


def test_text_files_of_a_glob_are_typed_together(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,1\n")
    (tmp_path / "2.csv").write_text("a,b\nx,2\n")
    table = read(tmp_path / "*.csv")
    assert table.rows() == [("1", 1), ("x", 2)]


def test_a_glob_works_on_urls():
    for number in (1, 2):
        with fsspec.open(f"memory://glob/{number}.parquet", "wb") as file:
            file.write(parquet_bytes(TABLE))
    assert len(read("memory://glob/*.parquet")) == 6


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_of_different_columns_are_refused_with_file_and_column(tmp_path, suffix):
    for number, table in enumerate((TABLE, TABLE.rename({"name": "nom"}))):
        writer = table.write_csv if suffix == "csv" else table.write_parquet
        writer(tmp_path / f"{number}.{suffix}")
    text = message(SchemaError, tmp_path / f"*.{suffix}")
    assert "'name'" in text
    assert f"0.{suffix} and not in " in text
    assert f"1.{suffix}" in text


def test_parquet_files_of_different_types_are_refused_with_file_and_column(tmp_path):
    TABLE.write_parquet(tmp_path / "0.parquet")
    TABLE.with_columns(pl.col("id").cast(pl.Float64)).write_parquet(tmp_path / "1.parquet")
    text = message(SchemaError, tmp_path / "*.parquet")
    assert "column 'id' is int64 in" in text
    assert "double in" in text


def test_a_parquet_file_without_values_takes_the_type_of_the_others(tmp_path):
    TABLE.with_columns(pl.lit(None).alias("id")).write_parquet(tmp_path / "0.parquet")
    TABLE.write_parquet(tmp_path / "1.parquet")
    assert read(tmp_path / "*.parquet")["id"].to_list() == [None, None, None, 1, 2, 3]


def test_a_glob_that_matches_nothing_says_so(tmp_path):
    assert "*.csv matches no file" in message(SourceError, tmp_path / "*.csv")


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    (tmp_path / "users[1].csv").write_text(CSV)
    assert read(tmp_path / "users[1].csv").equals(TABLE)


def test_files_of_different_kinds_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text(CSV)
    TABLE.write_parquet(tmp_path / "a.parquet")
    assert "of different kinds" in message(SourceError, tmp_path / "a.*")


# What is not there


def test_a_missing_file_is_answered_with_a_near_name(tmp_path):
    (tmp_path / "users.csv").write_text(CSV)
    text = message(SourceError, tmp_path / "user.csv")
    assert f"{tmp_path / 'user.csv'} does not exist. Did you mean 'users.csv'?" in text


def test_a_folder_is_answered_with_the_patterns_of_its_files(tmp_path):
    for name in ("a.csv", "b.csv", "year=1/c.parquet", "year=2/d.parquet", "_tmp/e.parquet", ".f.csv", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(CSV)
    text = message(SourceError, tmp_path)
    assert f"{tmp_path} is a folder. Name its files: " in text
    assert f"{tmp_path}/*.csv (2 files)" in text
    assert f"{tmp_path}/**/*.parquet (2 files)" in text


def test_a_folder_of_nothing_to_read_says_so(tmp_path):
    assert "no file that can be read" in message(SourceError, tmp_path)


def test_an_unknown_kind_of_file_is_answered_with_the_known_ones(tmp_path):
    (tmp_path / "users.xlsx").write_bytes(b"")
    text = message(SourceError, tmp_path / "users.xlsx")
    assert "users.xlsx" in text
    assert ".csv.gz" in text


def test_an_unknown_file_system_is_answered_with_a_near_one():
    assert "Did you mean 's3'" in message(SourceError, "s33://bucket/users.csv")


def test_a_missing_package_is_answered_with_its_installation():
    text = message(SourceError, "package://no_such_package_here/data/users.csv")
    assert "pip install no_such_package_here" in text


@pytest.mark.parametrize("source", ["package://", "package://click", "package://click/../x.csv", "package://a b/x.csv"])
def test_a_package_source_stays_inside_its_package(source):
    assert "package://NAME/path" in message(SourceError, source)


def test_a_file_of_a_package_is_read_without_importing_the_package(tmp_path, monkeypatch):
    package = tmp_path / "breaks_when_imported"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "users.csv").write_text(CSV)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read("package://breaks_when_imported/users.csv").equals(TABLE)
    assert "does not exist. Did you mean 'users.csv'?" in message(
        SourceError, "package://breaks_when_imported/user.csv"
    )


def test_a_secret_in_a_url_stays_out_of_messages():
    text = message(SourceError, "memory://me:secret@bucket/users.csv?sig=secret")
    assert "secret" not in text
    assert shown_url("s3://key:secret@bucket/a.csv") == "s3://…@bucket/a.csv"


# Columns


@pytest.mark.parametrize("name", ["users.csv", "users.parquet", "users.jsonl", "users.arrow"])
@pytest.mark.parametrize(
    ("fields", "role"),
    [
        ({"primary_key": "nam"}, "primary key"),
        ({"columns": {"nam": {"role": "drop"}}}, "column"),
        ({"columns": {"nam": {"encoding": "categorical"}}}, "column"),
    ],
)
def test_a_declared_column_that_is_missing_is_named_with_those_there_are(tmp_path, name, fields, role):
    (tmp_path / name).write_bytes(FILES[name])
    text = message(SchemaError, tmp_path / name, **fields)
    assert "data set 'shop', table 'users'" in text
    assert f"no {role} 'nam'. Did you mean 'name'? Its columns: id, name, when" in text


def test_a_column_name_that_is_there_twice_is_refused(tmp_path):
    (tmp_path / "users.csv").write_text("a,b,a\n1,2,3\n")
    assert "several columns called 'a'" in message(SchemaError, tmp_path / "users.csv")


def test_a_column_without_a_name_is_refused_until_it_is_dropped(tmp_path):
    (tmp_path / "users.csv").write_text(",a\n0,1\n")
    assert "column 1" in message(SchemaError, tmp_path / "users.csv")
    assert read(tmp_path / "users.csv", columns={"": {"role": "drop"}}).to_dict(as_series=False) == {"a": [1]}


# CSV


def test_csv_settings_are_used(tmp_path):
    (tmp_path / "users.csv").write_text("a;b\n1,5;-\n2;x\n")
    table = read(tmp_path / "users.csv", {"decimal": ",", "separator": ";", "null_values": ["-"]})
    assert table.rows() == [(1.5, None), (2.0, "x")]


def test_a_type_that_changes_late_in_a_file_makes_text(tmp_path):
    (tmp_path / "users.csv").write_text("a,b\n" + "1,2\n" * 20_000 + "x,NA\n")
    table = read(tmp_path / "users.csv")
    assert table.schema == {"a": pl.String, "b": pl.Int64}
    assert table.row(-1) == ("x", None)


def test_quotes_hold_separators_lines_and_quotes(tmp_path):
    (tmp_path / "users.csv").write_text('a,b\n"1,5","x\ny"\n"say ""hi""",z\n')
    assert read(tmp_path / "users.csv").rows() == [("1,5", "x\ny"), ('say "hi"', "z")]


@pytest.mark.parametrize(("line", "fields"), [("anna", 1), ("anna,b,c", 3)])
def test_a_line_of_a_wrong_length_is_named_and_not_shown(tmp_path, line, fields):
    (tmp_path / "users.csv").write_text(f'a,b\n1,"x\ny"\n\n{line}\n')
    text = message(DataError, tmp_path / "users.csv")
    assert f"users.csv, line 5: {fields} fields, where the header has 2" in text
    assert line not in text


def test_latin_1_text_is_named_with_its_line(tmp_path):
    (tmp_path / "users.csv").write_bytes(b"a,b\n1,2\n3,caf\xe9\n")
    text = message(DataError, tmp_path / "users.csv")
    assert "users.csv, line 3: byte 0xe9 is not UTF-8" in text
    assert "iconv -f latin1" in text


def test_latin_1_text_in_the_header_is_named_with_its_line(tmp_path):
    (tmp_path / "users.csv").write_bytes(b"a,caf\xe9\n1,2\n")
    assert "line 1: byte 0xe9" in message(DataError, tmp_path / "users.csv")


def test_utf_16_text_is_recognised(tmp_path):
    (tmp_path / "users.csv").write_text(CSV, encoding="utf-16")
    assert "UTF-16" in message(DataError, tmp_path / "users.csv")


def test_an_open_quote_is_told(tmp_path):
    (tmp_path / "users.csv").write_text('a,b\n"1,2\n3,4\n')
    assert "users.csv, line" in message(DataError, tmp_path / "users.csv")


@pytest.mark.parametrize("content", ["", "\n", " \n\n"])
def test_an_empty_csv_file_is_told(tmp_path, content):
    (tmp_path / "users.csv").write_text(content)
    assert "users.csv is empty" in message(DataError, tmp_path / "users.csv")


@pytest.mark.parametrize("content", ["a,b", "a,b\n"])
def test_a_header_alone_is_a_table_without_rows(tmp_path, content):
    (tmp_path / "users.csv").write_text(content)
    assert read(tmp_path / "users.csv").shape == (0, 2)


def test_an_empty_line_is_a_missing_value_where_there_is_one_column(tmp_path):
    (tmp_path / "users.csv").write_text("a\n1\n\n3\n")
    assert read(tmp_path / "users.csv")["a"].to_list() == [1, None, 3]


# JSON lines


@pytest.mark.parametrize(
    ("line", "told"),
    [("{oops: secret}", "not JSON"), ("[1]", "a JSON list"), ('{"a": "\\x"}', "not JSON"), ("1", "a JSON int")],
)
def test_a_line_that_is_no_object_is_named_and_not_shown(tmp_path, line, told):
    (tmp_path / "users.jsonl").write_text('{"a": 1}\n\n' + line)
    text = message(DataError, tmp_path / "users.jsonl")
    assert "users.jsonl, line 3" in text
    assert told in text
    assert "secret" not in text


def test_json_types_are_kept_and_mixed_ones_are_text(tmp_path):
    lines = ['{"i": 1, "f": 1, "b": true, "m": 1, "big": 1, "t": "007"}']
    lines += ['{"i": 2, "f": 0.5, "b": null, "m": "x", "big": 36893488147419103232, "t": "8", "late": true}']
    (tmp_path / "users.jsonl").write_text("\n".join(lines))
    table = read(tmp_path / "users.jsonl")
    assert table.to_dict(as_series=False) == {
        "i": [1, 2],
        "f": [1.0, 0.5],
        "b": [True, None],
        "m": ["1", "x"],
        "big": ["1", "36893488147419103232"],
        "t": ["007", "8"],
        "late": [None, True],
    }
