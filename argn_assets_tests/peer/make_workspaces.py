"""Train tiny models with the peer (mostlyai-engine 2.7.3) and write down what it makes of them; run by its own Python.

    PEER_PYTHON argn_assets_tests/peer/make_workspaces.py FOLDER [CASE ...]

Each case becomes FOLDER/CASE with

- `model.tar.gz`: the ModelStore as the peer leaves it, without optimizer and logs;
- `target.parquet`, `context.parquet`: rows as a user has them;
- `expected.npz`: the peer's codes of these rows, `order`, and for every code its log-probability in float64 given what
  comes before it in that order; for sequences also the positional codes, one step longer than the rows;
- `decoded.parquet`: what the peer decodes from `codes`;
- `sample.parquet`: what the peer generates, for the cases that ask for it.

What is random in the peer (codes under a null, the place inside a bin) differs from run to run; `make test-peer`
therefore compares with what it has just made.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import shutil
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

N_GIVEN = 24  # rows, or sequences, with expectations


@dataclass(frozen=True)
class Case:
    """One model: which table, which context, and how it is trained."""

    table: str = "orders"
    model_size: str = "Small"
    context: str | None = None
    any_order: bool = True
    value_protection: bool = True
    columns: tuple[str, ...] = ()  # of the table; () is all
    private: bool = False  # with differential privacy, of statistics and training
    n_sample: int = 0  # rows, or sequences, that the peer generates


_ODD = (
    "categorical nothing", "numeric_discrete nothing", "numeric_binned nothing", "numeric_binned one",
    "numeric_binned few", "numeric_digit nothing", "numeric_digit few", "numeric_digit hundreds", "datetime few",
    "character nothing", "character blanks",
)  # fmt: skip
CASES = {
    "flat_s": Case(),
    "flat_m": Case(model_size="Medium", any_order=False, value_protection=False, columns=("shop", "items", "gift")),
    "flat_l": Case(model_size="Large", columns=("shop", "stars", "day")),
    "flat_odd_s": Case(table="oddities", columns=_ODD),
    "flat_context_s": Case(context="customers", columns=("shop", "paid", "items")),
    "flat_context_m": Case(model_size="Medium", context="customers", columns=("shop", "items"), value_protection=False),
    "flat_context_l": Case(model_size="Large", context="customers", columns=("shop", "gift")),
    "flat_sequential_context_s": Case(context="visits", columns=("shop", "gift")),
    "sequential_s": Case(table="events", columns=("kind", "when")),
    "sequential_fixed_order_s": Case(
        table="events", any_order=False, columns=("kind", "amount"), value_protection=False
    ),
    "sequential_context_s": Case(table="events", context="customers", columns=("kind", "on")),
    "sequential_sequential_context_s": Case(table="events", context="visits", columns=("kind", "amount")),
    "sequential_long_s": Case(table="long", value_protection=False),
}
# Too large to be committed; `make test-peer` makes them too.
LARGE_CASES = {
    "flat_context_m_with_all": Case(model_size="Medium", context="customers"),
    "flat_l_with_all": Case(model_size="Large"),
    "flat_odd_with_all_s": Case(table="oddities"),
    "flat_forms_s": Case(table="forms", value_protection=False),
    "flat_sample_m": Case(model_size="Medium", columns=("shop", "stars", "paid", "items", "day"), n_sample=3000),
    "sequential_sample_m": Case(table="events", model_size="Medium", columns=("kind", "amount"), n_sample=3000),
    "flat_private_s": Case(columns=("shop", "paid", "items", "at"), private=True),
    "sequential_private_s": Case(table="events", context="visits", private=True, value_protection=False),
    "sequential_context_m": Case(table="events", model_size="Medium", context="visits"),
    "sequential_context_l": Case(table="events", model_size="Large", context="customers"),
}

_TYPES = {
    "shop": "TABULAR_CATEGORICAL", "gift": "TABULAR_CATEGORICAL", "stars": "TABULAR_NUMERIC_DISCRETE",
    "share": "TABULAR_NUMERIC_DISCRETE", "paid": "TABULAR_NUMERIC_BINNED", "items": "TABULAR_NUMERIC_DIGIT",
    "weight": "TABULAR_NUMERIC_DIGIT", "day": "TABULAR_DATETIME", "at": "TABULAR_DATETIME",
    "code": "TABULAR_CHARACTER", "place": "TABULAR_LAT_LONG", "when": "TABULAR_DATETIME_RELATIVE",
    "on": "TABULAR_DATETIME_RELATIVE",
    "kind": "TABULAR_CATEGORICAL", "amount": "TABULAR_NUMERIC_BINNED", "age": "TABULAR_NUMERIC_AUTO",
    "born": "TABULAR_DATETIME", "city": "TABULAR_CATEGORICAL", "member": "TABULAR_CATEGORICAL",
    "visits::page": "TABULAR_CATEGORICAL", "visits::seconds": "TABULAR_NUMERIC_DIGIT",
    "visits::on": "TABULAR_DATETIME_RELATIVE", "calls::topic": "TABULAR_CATEGORICAL",
    "letters::topic": "TABULAR_CATEGORICAL",
}  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ tables
def orders(rng: Any, n: int = 400) -> Any:
    """Return a table with a column of every encoding that a flat table may have."""
    import numpy as np
    import pandas as pd

    def with_nulls(values: Any, share: float) -> Any:
        return pd.Series(values).mask(rng.random(n) < share)

    shops = rng.choice(
        ["north", "south", "east ", "_RARE_", "<<NULL>>", "\x01odd", "once"],
        n,
        p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.045, 0.005],
    )
    at = pd.to_datetime("2021-02-27") + pd.to_timedelta(rng.integers(0, 90_000_000, n) * 97, unit="ms")
    points = np.array(
        [[48.2082, 16.3738], [-33.8688, 151.2093], [40.7128, -74.0060], [0.5, -0.25], [51.5, 0.125], [-5.0, -60.0]]
    )
    spots = points[rng.integers(0, 6, n)] + rng.integers(0, 8, (n, 2)) * 0.00125
    places = [f"{lat:.5f}, {long:.5f}" for lat, long in spots]
    return pd.DataFrame(
        {
            "shop": with_nulls(shops, 0.1),
            "gift": rng.random(n) < 0.3,
            "stars": with_nulls(rng.integers(1, 6, n).astype(float), 0.1),
            "share": rng.choice([0.25, 0.5, -0.75], n),
            "paid": with_nulls(np.round(rng.lognormal(3, 1, n), 2), 0.08),
            "items": with_nulls(rng.integers(-40, 260, n).astype(float), 0.05),
            "weight": np.round(rng.normal(0.5, 0.4, n), 3),
            "day": pd.Series(at.normalize()),
            "at": with_nulls(at, 0.06),
            "code": with_nulls(
                [f"{'AB'[i % 2]}{i % 7}{'-' * (i % 3)}{'äz'[i % 2] * (i % 4)}" for i in rng.integers(0, 999, n)], 0.1
            ),
            "place": with_nulls(places, 0.05),
        }
    )


def oddities(rng: Any, n: int = 200) -> Any:
    """Return columns without values, with one value, with too few to be shown, or of odd ones; one per encoding."""
    import numpy as np
    import pandas as pd

    kinds = {
        "categorical": "x", "numeric_discrete": 7.0, "numeric_binned": -2.5, "numeric_digit": 1200.0,
        "datetime": pd.Timestamp("2020-02-29 12:30"), "character": "a b", "lat_long": "-33.86880, 151.20930",
    }  # fmt: skip
    columns: dict[str, Any] = {}
    for kind, value in kinds.items():
        columns[f"{kind} nothing"] = pd.Series([None] * n, dtype=pd.Series([value]).dtype)
        columns[f"{kind} one"] = pd.Series([value] * n)
        columns[f"{kind} few"] = pd.Series([value] * n).where(np.arange(n) % 20 == 0)
    columns["numeric_digit fine"] = np.round(rng.random(n), 6)
    columns["numeric_digit hundreds"] = rng.integers(1, 40, n) * 100
    columns["numeric_digit large"] = rng.integers(-(1 << 40), 1 << 40, n)
    columns["numeric_binned steps"] = rng.integers(0, 500, n) * 1000
    columns["datetime old"] = pd.to_datetime("1890-01-31") + pd.to_timedelta(rng.integers(0, 99_999, n), unit="D")
    columns["character blanks"] = [" " * (i % 3) + "é" * (i % 4) for i in range(n)]
    return pd.DataFrame(columns)


def forms(rng: Any, n: int = 240) -> Any:
    """Return columns of many types and forms of text, of odd names too; the first word is the encoding."""
    import pandas as pd

    def with_nulls(values: Any, dtype: str) -> Any:
        return pd.Series(values).astype(dtype).mask(rng.random(n) < 0.1)

    flags, whole = rng.random(n) < 0.4, rng.integers(-3, 9, n)
    days = pd.Series(pd.to_datetime("2019-02-26") + pd.to_timedelta(rng.integers(0, 700, n), unit="D"))
    times = days + pd.to_timedelta(rng.integers(0, 9, n) * 2500, unit="ms")
    fractions = rng.choice([0.1, 1e16, 1e-7, -0.0, 123456789.25], n)
    texts = {"money": [f"${value:,}" for value in rng.integers(0, 5000, n)], "kilos": [f"{v} kg" for v in fractions]}
    columns: dict[str, Any] = {}
    for kind in ("categorical", "character"):
        columns |= {
            f"{kind} a::b": flags, f"{kind} nulls/äß": with_nulls(flags, "boolean"), f"{kind} whole": whole,
            f"{kind} Int64": with_nulls(whole, "Int64"), f"{kind} fractions": fractions, f"{kind} days": days,
            f"{kind} times": times, f"{kind} zone": times.dt.tz_localize("Europe/Vienna"),
            f"{kind} kinds": pd.Categorical(rng.choice(["p", "q", "r s"], n)),
        }  # fmt: skip
    for kind in ("numeric_discrete", "numeric_binned", "numeric_digit"):
        columns |= {f"{kind} Int64": with_nulls(whole, "Int64"), f"{kind} fractions": fractions}
        columns |= {f"{kind} single": fractions.clip(0, 1).astype("float32")}
        columns |= {f"{kind} {name}": values for name, values in texts.items()}
    columns |= {"numeric_digit flags": flags, "numeric_binned flags": with_nulls(flags, "boolean")}
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y %H:%M", "%d %B %Y", "%Y%m%d", "%Y-%m"):
        columns[f"datetime {form}"] = times.dt.strftime(form)
    columns["datetime zone"] = times.dt.tz_localize("Europe/Vienna")
    for form in ("{:.5f}, {:.5f}", "{:.3f},{:.3f}", "{:.0f} , {:.9f}"):
        places = rng.choice([48.2, -33.8, 0.0], n), rng.normal(0, 60, n)
        columns[f"lat_long {form}"] = [form.format(*place) for place in zip(*places, strict=True)]
    return pd.DataFrame(columns)


def customers(rng: Any, n: int = 160) -> Any:
    """Return a flat context table."""
    import numpy as np
    import pandas as pd

    return pd.DataFrame(
        {
            "id": [f"c{i:04d}" for i in range(n)],
            "age": pd.Series(rng.integers(18, 90, n).astype(float)).mask(rng.random(n) < 0.1),
            "city": rng.choice(["Wien", "Graz", "Linz"], n),
            "member": rng.random(n) < 0.5,
            "born": pd.Series(pd.to_datetime("1990-01-01") + pd.to_timedelta(rng.integers(0, 9000, n), unit="D")).mask(
                np.arange(n) % 11 == 0
            ),
        }
    )


def visits(rng: Any, n: int = 160) -> Any:
    """Return a context of one flat column and two tables of sequences, some of them empty."""
    table = customers(rng, n)[["id", "city"]]
    sizes, calls = rng.integers(0, 5, n), rng.integers(0, 3, n)
    table["visits::page"] = [list(rng.choice(["home", "cart", "help"], size)) for size in sizes]
    table["visits::seconds"] = [[int(v) if v < 800 else None for v in rng.integers(0, 900, size)] for size in sizes]
    table["visits::on"] = [_days(rng, size) for size in sizes]
    table["calls::topic"] = [list(rng.choice(["order", "return"], size)) for size in calls]
    table["letters::topic"] = [[] for _ in range(n)]
    return table


def _days(rng: Any, size: int) -> list[str]:
    import pandas as pd

    days = pd.to_datetime("2022-05-01") + pd.to_timedelta(
        rng.integers(0, 60) + rng.integers(0, 9, size).cumsum(), unit="D"
    )
    return [str(day.date()) for day in days]


def events(rng: Any, n: int = 160, most: int = 7) -> Any:
    """Return sequences: a category, an amount and times that mostly rise, of customers c0000 …; some have none."""
    import numpy as np
    import pandas as pd

    sizes = rng.integers(1, most, n)
    sizes[::17] = 0
    rows = int(sizes.sum())
    owner = np.repeat(np.arange(n), sizes)
    hours = rng.integers(-2, 250, rows)
    table = pd.DataFrame(
        {
            "id": [f"c{i:04d}" for i in owner],
            "kind": pd.Series(rng.choice(["buy", "look", "return"], rows)).mask(rng.random(rows) < 0.05),
            "amount": np.round(rng.lognormal(2, 1, rows), 1),
            "when": pd.to_datetime("2020-12-30") + pd.to_timedelta(rng.integers(0, 40, n)[owner], unit="D"),
        }
    )
    table["when"] += pd.to_timedelta(pd.Series(hours).groupby(owner).cumsum().to_numpy() * 3600 + owner % 4, unit="s")
    table["on"] = table["when"].dt.normalize()
    table["when"] = table["when"].mask((table.groupby("id").cumcount() > 0) & (rng.random(rows) < 0.05))
    return table


def long(rng: Any, n: int = 60) -> Any:
    """Return short sequences and two of more than a hundred rows, whose positions are written as digits."""
    import pandas as pd

    sizes = [103, 101, *rng.integers(1, 4, n - 2)]
    return pd.DataFrame(
        {
            "id": [f"c{i:04d}" for i, size in enumerate(sizes) for _ in range(size)],
            "kind": rng.choice(["buy", "look"], sum(sizes)),
        }
    )


TABLES = {
    "orders": orders,
    "oddities": oddities,
    "customers": customers,
    "visits": visits,
    "events": events,
    "forms": forms,
    "long": long,
}


# ------------------------------------------------------------------------------------------------------------- training
def tables_of(case: Case) -> tuple[Any, Any]:
    """Return the target and the context table of a case; orders get a key where there is a context."""
    import numpy as np

    rng = np.random.default_rng(7)
    context = TABLES[case.context](rng) if case.context else None
    target = TABLES[case.table](rng)
    if case.columns:
        target = target[[name for name in target.columns if name in ("id", *case.columns)]]
    if case.table == "orders" and context is not None:
        target = target.head(len(context)).copy()
        target.insert(0, "id", context["id"].head(len(target)))
    return target, context


def train(case: Case, target: Any, context: Any, workspace: Path) -> None:
    """Train the model of a case in the folder `workspace`."""
    from mostlyai import engine
    from mostlyai.engine.domain import DifferentialPrivacyConfig

    keys: dict[str, Any] = {"tgt_context_key": "id"} if "id" in target else {}
    if context is not None:
        keys |= {"ctx_data": context, "ctx_primary_key": "id"}
        keys["ctx_encoding_types"] = {c: _TYPES[c] for c in context.columns if c != "id"}
    types = {c: _TYPES.get(c) or f"TABULAR_{c.split()[0].upper()}" for c in target.columns if c != "id"}
    private = {"differential_privacy": DifferentialPrivacyConfig()} if case.private else {}
    engine.set_random_state(1)
    engine.split(tgt_data=target, tgt_encoding_types=types, workspace_dir=workspace, **keys)
    engine.analyze(workspace_dir=workspace, value_protection=case.value_protection, **private)
    engine.encode(workspace_dir=workspace)
    engine.train(
        workspace_dir=workspace, model=f"MOSTLY_AI/{case.model_size}", max_epochs=2, device="cpu",
        enable_flexible_generation=case.any_order, **private,
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------------- expectations
def expectations(case: Case, target: Any, context: Any, workspace: Path) -> tuple[dict[str, Any], Any, Any, Any]:
    """Return what goes into `expected.npz`, the given rows, their context, and what the peer decodes."""
    import numpy as np
    import torch
    from mostlyai.engine._common import get_cardinalities, get_columns_from_cardinalities
    from mostlyai.engine._tabular.common import prepare_context_inputs
    from mostlyai.engine._tabular.encoding import encode_df
    from mostlyai.engine._tabular.generation import _decode_df
    from mostlyai.engine._workspace import Workspace

    store = Workspace(workspace)
    stats, context_stats = store.tgt_stats.read(), store.ctx_stats.read()
    key = stats.get("keys", {}).get("context_key")
    given = _first(target, key)
    if not stats["is_sequential"] and key is not None:
        given = given.drop_duplicates(key).reset_index(drop=True)
    given_context = None if context is None else context[context["id"].isin(given[key])].reset_index(drop=True)
    encoded, _, encoded_key = encode_df(given, stats, tgt_context_key=key)
    cardinalities = get_cardinalities(stats)
    columns = get_columns_from_cardinalities(cardinalities)
    rng = np.random.default_rng(3)
    order = list(columns)
    if case.any_order:
        first = 1 if stats["is_sequential"] else 0
        order = order[:first] + list(rng.permutation(order[first:]))
    inputs: dict[str, Any] = {}
    if given_context is not None:
        inputs, context_encoded, _ = prepare_context_inputs(given_context, context_stats, torch.device("cpu"), "id")
    model = _model(store, stats, context_stats, cardinalities, order)
    codes = encoded[[name for name in cardinalities if name in encoded]]
    expected = {
        "columns": np.array(columns), "order": np.array(order), "sub_columns": np.array(list(cardinalities)),
        "codes": codes.to_numpy(np.int32).T,
    }  # fmt: skip
    if stats["is_sequential"]:
        expected |= _sequential_log_probs(model, encoded, encoded_key, inputs, list(cardinalities), stats)
    else:
        inputs |= {c: torch.tensor(codes[c].to_numpy(np.int64)).unsqueeze(-1) for c in cardinalities}
        logits, _ = model(dict(inputs), mode="trn", column_order=order)
        expected["log_probs"] = np.stack([_chosen(logits[c].detach(), inputs[c]).numpy() for c in cardinalities])
    if given_context is not None:
        names = list(get_cardinalities(context_stats))
        flat = [c for c in names if c.startswith("ctxflt")]
        expected["context_codes"] = context_encoded[flat].to_numpy(np.int32).T
        for c in names:
            if c.startswith("ctxseq"):
                expected[f"context {c}"] = np.concatenate([np.array(v, dtype=np.int32) for v in context_encoded[c]])
                expected[f"sizes {c}"] = np.array([len(v) for v in context_encoded[c]])
    decoded = _decode_df(encoded.rename(columns={encoded_key: key}) if key else encoded, stats, context_key=key)
    return expected, given, given_context, decoded


def _first(target: Any, key: str | None) -> Any:
    if key is None:
        return target.head(N_GIVEN).reset_index(drop=True)
    return target[target[key].isin(target[key].unique()[:N_GIVEN])].reset_index(drop=True)


def _model(store: Any, stats: dict[str, Any], context_stats: dict[str, Any], cardinalities: Any, order: Any) -> Any:
    import torch
    from mostlyai.engine._common import get_cardinalities, get_ctx_sequence_length, get_sequence_length_stats
    from mostlyai.engine._tabular.common import create_and_load_model

    lengths = get_sequence_length_stats(stats)
    return create_and_load_model(
        store, stats["is_sequential"], cardinalities, get_cardinalities(context_stats),
        store.model_configs.read()["model_units"], get_ctx_sequence_length(context_stats, "median"), order,
        torch.device("cpu"), lengths["median"], lengths["max"],
    ).double()  # fmt: skip


def _chosen(logits: Any, codes: Any) -> Any:
    """Return the log-probability of each code, [B] or [B, T]."""
    return logits.log_softmax(-1).gather(-1, codes.long()).squeeze(-1)


def _sequential_log_probs(
    model: Any, encoded: Any, key: str, context: dict[str, Any], names: list[str], stats: dict[str, Any]
) -> dict[str, Any]:
    """Return the codes of all steps, the padding step included, [S, M], their log-probabilities and the sizes."""
    import numpy as np
    import torch
    from mostlyai.engine._tabular.encoding import _enrich_positional_columns, flatten_frame, pad_tgt_sequences

    most = stats["seq_len"]["max"]
    cut = encoded[encoded.groupby(key).cumcount() < most].reset_index(drop=True)
    frame = flatten_frame(_enrich_positional_columns(pad_tgt_sequences(cut, key), key, most), key)
    sizes = frame[names[0]].apply(len).to_numpy()
    codes = {
        c: torch.nn.utils.rnn.pad_sequence(
            [torch.tensor(np.array(v, dtype=np.int64)) for v in frame[c]], True
        ).unsqueeze(-1)
        for c in names
    }
    logits, _ = model(context | codes, mode="trn", column_order=model.column_order)
    inside = torch.arange(int(sizes.max())) < torch.tensor(sizes)[:, None]
    return {
        "step_codes": np.stack([codes[c].squeeze(-1)[inside].numpy() for c in names]).astype(np.int32),
        "log_probs": np.stack([_chosen(logits[c].detach(), codes[c])[inside].numpy() for c in names]),
        "sizes": sizes,
    }


def sample(case: Case, workspace: Path) -> Any:
    """Return rows that the peer generates."""
    import pandas as pd
    from mostlyai import engine

    # Of sequences without a context no more than were trained on are asked for; keys of a context it takes all.
    context = {"ctx_data": pd.DataFrame({"id": range(case.n_sample)})} if case.table == "events" else {}
    engine.generate(workspace_dir=workspace, sample_size=case.n_sample, device="cpu", **context)
    return pd.read_parquet(workspace / "SyntheticData")


# ---------------------------------------------------------------------------------------------------------------- files
def write_archive(workspace: Path, path: Path) -> None:
    """Write the ModelStore without what only training needs; the same files give the same bytes."""
    import gzip

    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for file in sorted((workspace / "ModelStore").rglob("*")):
            wanted = file.name in ("stats.json", "model-configs.json", "model-weights.pt")
            if file.is_file() and wanted:
                content = file.read_bytes()
                info = tarfile.TarInfo(str(file.relative_to(workspace)))
                info.size, info.mode = len(content), 0o644
                tar.addfile(info, io.BytesIO(content))


def make(name: str, case: Case, folder: Path) -> None:
    """Write everything about one case."""
    import numpy as np

    target, context = tables_of(case)
    with tempfile.TemporaryDirectory() as scratch:
        train(case, target, context, Path(scratch))
        expected, given, given_context, decoded = expectations(case, target, context, Path(scratch))
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
        write_archive(Path(scratch), folder / name / "model.tar.gz")
        if case.n_sample:
            sample(case, Path(scratch)).to_parquet(folder / name / "sample.parquet", compression="zstd", index=False)
    np.savez_compressed(folder / name / "expected.npz", **expected)
    given.to_parquet(folder / name / "target.parquet", compression="zstd", index=False)
    decoded.to_parquet(folder / name / "decoded.parquet", compression="zstd", index=False)
    if given_context is not None:
        given_context.to_parquet(folder / name / "context.parquet", compression="zstd", index=False)


def main() -> None:
    """Make the named cases, or all that are committed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    every = CASES | LARGE_CASES
    for name in options.cases or CASES:
        make(name, every[name], options.folder)
        size = sum(file.stat().st_size for file in (options.folder / name).iterdir())
        print(json.dumps({"case": name, "bytes": size}), flush=True)


if __name__ == "__main__":
    main()
