"""Data sets of several tables: children follow parents, keys resolve, subjects stay on one side of the holdout."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from argn_assets.datasets import check_foreign_keys, context_table, parse_dataset
from argn_assets.errors import DataError, SchemaError
from argn_assets.orchestration.one_table import compute_table_stats, draw_holdout, encode_with_context
from argn_assets.pipeline import synthesize
from argn_assets_tests.tables_of_truth import family_shop

SHOP = """
dataset: shop
tables:
  items: {source: items.csv, context: {table: orders, key: order}}
  orders: {source: orders.csv, primary_key: number, context: {table: customers, key: customer}}
  customers: {source: customers.csv, primary_key: id}
generator: {model_size: S, max_epochs: 15, batch_size: 32}
seed: 3
"""
RELATIONS = (("orders", "customer", "customers", "id"), ("items", "order", "orders", "number"))


def shop(folder="", **fields):
    spec = parse_dataset(SHOP + "".join(f"{field}: {value}\n" for field, value in fields.items()), "shop.yaml")
    return spec.in_folder(str(folder))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    for name, table in family_shop().items():
        table.write_csv(folder / f"{name}.csv")
    return synthesize(shop(folder))


# O4
def test_every_table_of_three_levels_comes_back_as_it_was_declared(made):
    assert list(made) == ["items", "orders", "customers"]
    for name, real in family_shop().items():
        assert made[name].synthetic.schema == real.schema
    assert made["customers"].synthetic.height == 300


# O4, E43
def test_synthetic_keys_are_unique_and_resolve(made):
    for child, key, parent, primary_key in RELATIONS:
        parents = made[parent].synthetic[primary_key]
        assert parents.n_unique() == len(parents)
        assert made[child].synthetic[key].is_in(parents.implode()).all()


# O4
def test_children_follow_their_parents_in_number_and_values(made):
    customers, orders, items = (made[name].synthetic for name in ("customers", "orders", "items"))
    n_orders = customers.join(orders, left_on="id", right_on="customer", how="left").group_by("id", "segment")
    n_orders = n_orders.agg(rows=pl.col("number").count())
    few, wanted = pl.col("rows") <= 1, pl.when(pl.col("segment") == "loyal").then(4).otherwise(2)
    right = pl.when(pl.col("segment") == "new").then(few).otherwise(pl.col("rows") == wanted)
    assert n_orders.select(right.mean()).item() > 0.9
    ordered = orders.join(customers, left_on="customer", right_on="id")
    assert ((ordered["segment"] == "loyal") == (ordered["channel"] == "app")).mean() > 0.9
    n_items = orders.join(items, left_on="number", right_on="order", how="left").group_by("number", "channel")
    n_items = n_items.agg(rows=pl.col("price").count())
    right = pl.col("rows") == pl.when(pl.col("channel") == "app").then(3).otherwise(1)
    assert n_items.select(right.mean()).item() > 0.9


# O4: what the parent's parent says
def test_grandchildren_follow_the_parents_of_their_parents(made):
    customers, orders, items = (made[name].synthetic for name in ("customers", "orders", "items"))
    whole = items.join(orders, left_on="order", right_on="number").join(customers, left_on="customer", right_on="id")
    assert ((whole["language"] == "de") == (whole["country"] == "DE")).mean() > 0.9
    assert ((whole["price"] > 20) == (whole["channel"] == "app")).mean() > 0.9


# E33
def test_the_order_inside_a_sequence_is_kept(made):
    places = made["orders"].synthetic.group_by("customer", maintain_order=True).agg("place")["place"].to_list()
    assert np.mean([found == list(range(1, len(found) + 1)) for found in places]) > 0.9


# O21
def test_sequences_are_measured_as_sequences(made):
    figures = {name: table.quality.summary() for name, table in made.items()}
    assert "sequence_coherence" not in figures["customers"]
    for name in ("orders", "items"):
        assert figures[name]["foreign_keys"] == 1.0
        assert figures[name]["sequence_length_accuracy"] > 0.85
    assert figures["orders"]["sequences_synthetic"] == 300
    assert figures["orders"]["sequence_coherence"] > 0.85
    assert made["orders"].quality.sequences.mean_length_training == pytest.approx(2.35, abs=0.15)


# O4: holdout by subject
def test_nobody_is_on_both_sides_of_the_holdout():
    tables, spec = family_shop(), shop()
    held = draw_holdout(spec, tables)
    customers = set(tables["customers"].filter(held["customers"])["id"])
    assert 30 < len(customers) < 100
    orders = tables["orders"].with_columns(held=held["orders"])
    assert (orders["customer"].is_in(customers) == orders["held"]).all()
    items = tables["items"].with_columns(held=held["items"]).join(orders, left_on="order", right_on="number")
    assert (items["held"] == items["held_right"]).all()


# O4: what training leaves out is what the report calls held out
def test_codes_carry_the_same_holdout_in_the_order_of_the_sequences():
    tables, spec = family_shop(60), shop()
    shuffled = {name: table.sample(fraction=1.0, shuffle=True, seed=1) for name, table in tables.items()}
    held = draw_holdout(spec, shuffled)
    for name in spec.tables:
        stats = compute_table_stats(spec, name, shuffled)
        encoded = encode_with_context(spec, name, shuffled, stats, held)
        assert encoded.own.validation.sum() == held[name].sum()
        if encoded.context is not None:
            parent = spec.tables[name].context.table
            assert encoded.context.validation.tolist() == held[parent].tolist()
            assert len(encoded.context.keys) == shuffled[parent].height


# E23: rare is what few subjects share, not what few orders do
def test_what_one_customer_has_in_many_orders_stays_hidden():
    tables = family_shop()
    (one,) = tables["customers"].filter(segment="loyal")["id"].head(1)
    his = tables["orders"]["customer"] == one
    orders = tables["orders"].with_columns(channel=pl.when(his).then(pl.lit("fax")).otherwise("channel"))
    faxed = tables["items"]["order"].is_in(orders.filter(his)["number"].implode())
    items = tables["items"].with_columns(language=pl.when(faxed).then(pl.lit("xx")).otherwise("language"))
    assert faxed.sum() == 12
    for name in ("orders", "items"):
        stats = compute_table_stats(shop(), name, tables | {"orders": orders, "items": items})
        assert b"fax" not in stats.own.to_bytes() + stats.context.to_bytes()
        assert b"xx" not in stats.own.to_bytes()


def test_how_many_items_one_customer_has_in_each_order_stays_hidden():
    tables = family_shop()
    orders, items = tables["orders"], tables["items"]
    (one,) = orders.filter(channel="app")["customer"].head(1)
    his = items["order"].is_in(orders.filter(customer=one)["number"].implode())
    stats = compute_table_stats(shop(), "items", tables | {"items": pl.concat([items, *[items.filter(his)] * 9])})
    assert stats.own.lengths.highs == (1, 3)  # his four orders have 30 items each


@pytest.mark.parametrize(("n_empty", "least"), [(0, 1), (4, 1), (7, 0)])
def test_that_few_customers_have_no_orders_stays_hidden(n_empty, least):
    tables = family_shop()
    buyers = tables["customers"].filter(pl.col("id").is_in(tables["orders"]["customer"].implode()))
    new = pl.DataFrame({"id": range(n_empty), "segment": "new", "country": "DE"}, buyers.schema)
    stats = compute_table_stats(shop(), "orders", tables | {"customers": pl.concat([buyers, new])})
    assert stats.own.lengths.least == least


def test_orders_without_items_are_rare_where_few_customers_have_them():
    tables = family_shop()
    (one,) = tables["orders"].filter(channel="app")["customer"].head(1)
    empty = pl.DataFrame({"number": [f"order-x{i}" for i in range(20)], "customer": one, "channel": "app", "place": 1})
    orders = pl.concat([tables["orders"], empty.cast(tables["orders"].schema)])
    assert compute_table_stats(shop(), "items", tables | {"orders": orders}).own.lengths.least == 1


def test_what_is_given_of_a_sequence_is_the_parent_and_its_ancestors():
    tables, spec = family_shop(40), shop()
    given = context_table(spec, tables, "items")
    assert given.columns == ["number", "channel", "place", "customers.segment", "customers.country"]
    assert given["number"].to_list() == tables["orders"]["number"].to_list()
    joined = tables["orders"].join(tables["customers"], left_on="customer", right_on="id", maintain_order="left")
    assert given["customers.segment"].to_list() == joined["segment"].to_list()
    orders = tables["orders"].rename({"channel": "customers.country"})
    with pytest.raises(SchemaError, match=r"'customers\.country'"):
        context_table(spec, tables | {"orders": orders}, "items")


# O20
def test_keys_that_name_no_parent_are_counted_and_shown_on_request_only(monkeypatch):
    tables = family_shop(40)
    orders = tables["orders"].with_columns(customer=pl.Series([99, 99, 98, None, *tables["orders"]["customer"][4:]]))
    with pytest.raises(DataError) as caught:
        check_foreign_keys(shop(), tables | {"orders": orders})
    message = str(caught.value)
    assert "table 'orders': 3 of" in message
    assert "the key 'customer' are no 'id' of 'customers'" in message
    assert "in 4 of" in message
    assert "rows, such as 1, 2, 3, 4. One of them is the missing value, in 1 rows" in message
    assert "99" not in message
    monkeypatch.setenv("ARGN_SHOW_VALUES", "1")
    with pytest.raises(DataError, match="99, 98"):
        check_foreign_keys(shop(), tables | {"orders": orders})


@pytest.mark.parametrize("dtype", [pl.Int32, pl.UInt64, pl.Float64])
def test_numbers_of_any_type_refer_to_each_other(dtype):
    tables = family_shop(40)
    check_foreign_keys(shop(), tables | {"orders": tables["orders"].with_columns(pl.col("customer").cast(dtype))})


def test_numbers_and_texts_do_not_refer_to_each_other():
    tables = family_shop(40)
    with pytest.raises(SchemaError, match="'customer' is String, and 'id' of table 'customers' is Int64"):
        check_foreign_keys(shop(), tables | {"orders": tables["orders"].cast({"customer": pl.String})})


BRIEFLY = "generator: {model_size: S, max_epochs: 2, batch_size: 32}\nvalue_protection: false\n"


def read_and_synthesize(tmp_path, declared, **tables):
    for name, table in tables.items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    return synthesize(parse_dataset(f"dataset: d\n{BRIEFLY}tables:\n{declared}", "d.yaml").in_folder(str(tmp_path)))


# E36, O4
def test_a_parent_of_keys_alone_has_children(tmp_path):
    users = pl.DataFrame({"id": range(40)})
    visits = pl.DataFrame({"user": [i % 30 for i in range(90)], "page": ["a", "b", "c"] * 30})
    made = read_and_synthesize(
        tmp_path,
        "  users: {source: users.parquet, primary_key: id}\n"
        "  visits: {source: visits.parquet, context: {table: users, key: user}}\n",
        visits=visits, users=users,
    )  # fmt: skip
    assert made["visits"].synthetic["user"].is_in(made["users"].synthetic["id"].implode()).all()
    assert made["users"].quality is None
    assert made["visits"].quality.sequences.sequences_synthetic == 40


# O4, E43: one row per parent at most, named by the parent's key
def test_a_child_may_share_the_key_of_its_parent(tmp_path):
    users = pl.DataFrame({"id": [f"u{i}" for i in range(60)], "kind": ["x", "y"] * 30})
    profiles = pl.DataFrame({"id": users["id"][:50], "colour": ["red", "blue"] * 25})
    made = read_and_synthesize(
        tmp_path,
        "  users: {source: users.parquet, primary_key: id}\n"
        "  profiles: {source: profiles.parquet, primary_key: id, context: {table: users, key: id}}\n",
        users=users, profiles=profiles,
    )  # fmt: skip
    found = made["profiles"].synthetic
    assert found["id"].n_unique() == found.height > 0
    assert found["id"].is_in(made["users"].synthetic["id"].implode()).all()


def test_related_tables_train_without_a_holdout(tmp_path):
    users = pl.DataFrame({"id": range(30), "kind": ["x", "y"] * 15})
    visits = pl.DataFrame({"user": [i % 30 for i in range(90)], "page": ["a", "b", "c"] * 30})
    made = read_and_synthesize(
        tmp_path,
        "  users: {source: users.parquet, primary_key: id}\n"
        "  visits: {source: visits.parquet, context: {table: users, key: user}}\nholdout: 0\n",
        visits=visits, users=users,
    )  # fmt: skip
    assert made["visits"].quality.sequences.c2st_auc_holdout is None
    assert made["visits"].quality.rows_holdout == 0


def test_a_child_without_rows_is_not_measured(tmp_path):
    users = pl.DataFrame({"id": range(60), "kind": ["x", "y"] * 30})
    made = read_and_synthesize(
        tmp_path,
        "  users: {source: users.parquet, primary_key: id}\n"
        "  visits: {source: visits.parquet, context: {table: users, key: user}}\nsampling: {rows: 1}\n",
        visits=pl.DataFrame({"user": [7, 7], "page": ["a", "b"]}), users=users,
    )  # fmt: skip
    assert made["visits"].synthetic.schema == {"user": pl.Int64, "page": pl.String}
    assert made["visits"].synthetic.is_empty()
    assert made["visits"].quality is None
    assert made["users"].quality is not None


def test_a_child_with_one_row_per_parent_has_one_each_that_follows_from_it(tmp_path):  # O4
    users = pl.DataFrame({"id": [f"user {i}" for i in range(400)], "kind": ["x", "y", "z", "z"] * 100})
    badge = pl.col("kind").replace_strict({"x": "gold", "y": "silver", "z": "none"})
    profiles = users.select(user="id", badge=badge).sample(fraction=1.0, shuffle=True, seed=1)
    users.write_parquet(tmp_path / "users.parquet")
    profiles.write_parquet(tmp_path / "profiles.parquet")
    declared = """
dataset: d
generator: {model_size: S, max_epochs: 25}
tables:
  users: {source: users.parquet, primary_key: id}
  profiles: {source: profiles.parquet, context: {table: users, key: user}}
"""
    made = synthesize(parse_dataset(declared, "d.yaml").in_folder(str(tmp_path)))
    assert made["profiles"].synthetic["user"].to_list() == made["users"].synthetic["id"].to_list()
    follows = pl.concat([made["profiles"].synthetic, made["users"].synthetic], how="horizontal")
    assert follows.select((pl.col("badge") == badge).mean()).item() > 0.95


def clinic(n_people: int = 400) -> dict[str, pl.DataFrame]:
    """People, their visits, and their bills.

    A person has up to three visits of a random kind, whatever the person; there is one bill per visit, in the same
    order, and its `amount` is 10 for a `checkup` and 90 for an `operation`.
    """
    rng = np.random.default_rng(4)
    n_visits = rng.integers(0, 4, n_people)
    person = np.repeat(np.arange(n_people), n_visits)
    kind = rng.choice(["checkup", "operation"], len(person))
    return {
        "people": pl.DataFrame({"id": np.arange(n_people), "region": rng.choice(["n", "s"], n_people)}),
        "visits": pl.DataFrame({"person": person, "kind": kind}),
        "bills": pl.DataFrame({"person": person, "amount": np.where(kind == "checkup", 10, 90)}),
    }


# O4, E32
def test_a_child_follows_the_rows_of_its_siblings(tmp_path):
    for name, table in clinic().items():
        table.write_parquet(tmp_path / f"{name}.parquet")
    spec = parse_dataset(
        """
dataset: clinic
tables:
  people: {source: people.parquet, primary_key: id}
  visits: {source: visits.parquet, context: {table: people, key: person}}
  bills: {source: bills.parquet, context: {table: people, key: person}}
generator: {model_size: S, max_epochs: 15, batch_size: 32}
""",
        "clinic.yaml",
    ).in_folder(str(tmp_path))
    made = {name: table.synthetic for name, table in synthesize(spec).items()}
    visits = made["visits"].group_by("person").agg("kind")
    both = visits.join(made["bills"].group_by("person").agg("amount"), on="person", how="full", coalesce=True)
    same = both["kind"].list.len().fill_null(0) == both["amount"].list.len().fill_null(0)
    assert same.mean() > 0.9
    pairs = both.filter(same).drop_nulls().explode("kind", "amount")
    assert ((pairs["kind"] == "checkup") == (pairs["amount"] == 10)).mean() > 0.85
