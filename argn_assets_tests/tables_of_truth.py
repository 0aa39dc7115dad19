"""Tables whose truth we wrote: each function returns a table, and its docstring says what must stay true of a copy."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl


def shop_orders(n_rows: int = 4000, seed: int = 0) -> pl.DataFrame:
    """Orders of a shop.

    `total` is `price` times `quantity`, so it is never below `price`; `price` is one of five amounts; 30 % of the
    orders are gifts, and only gifts have a `message`; `country` decides `currency`; 40 % of `discount` is exactly 0;
    `ordered_at` lies in 2024.
    """
    rng = np.random.default_rng(seed)
    price = rng.choice([4.99, 9.99, 19.99, 49.99, 99.99], n_rows, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    quantity = rng.integers(1, 5, n_rows)
    gift = rng.random(n_rows) < 0.3
    country = rng.choice(["DE", "FR", "US", "GB"], n_rows, p=[0.4, 0.2, 0.3, 0.1])
    currency = np.where(np.isin(country, ["DE", "FR"]), "EUR", np.where(country == "US", "USD", "GBP"))
    discount = np.where(rng.random(n_rows) < 0.4, 0.0, np.round(rng.gamma(2.0, 3.0, n_rows), 2))
    message = pl.Series(rng.choice(["Happy birthday", "With love", "Thank you"], n_rows))
    start = datetime(2024, 1, 1)
    seconds = rng.integers(0, 366 * 24 * 3600, n_rows).tolist()
    return pl.DataFrame(
        {
            "order": np.arange(n_rows) + 1000,
            "price": price,
            "quantity": quantity.astype(np.int32),
            "total": np.round(price * quantity, 2),
            "gift": gift,
            "message": pl.select(pl.when(pl.Series(gift)).then(message)).to_series(),
            "country": country,
            "currency": currency,
            "discount": discount,
            "ordered_at": pl.Series([start + timedelta(seconds=s) for s in seconds], dtype=pl.Datetime("ms")),
        }
    )


def two_coins(n_rows: int = 4000, seed: int = 0) -> pl.DataFrame:
    """Two columns of two values, with P(first = heads) = 0.7 and P(same) = 0.9: small enough to enumerate."""
    rng = np.random.default_rng(seed)
    first = rng.random(n_rows) < 0.7
    second = np.where(rng.random(n_rows) < 0.9, first, ~first)
    sides = np.array(["tails", "heads"])
    return pl.DataFrame({"first": sides[first.astype(int)], "second": sides[second.astype(int)]})


def customers(n: int, first: int = 0, seed: int = 1) -> pl.DataFrame:
    """Return customers of three kinds: `never` makes no visit, `rare` 1 to 3, `often` 8 to 12."""
    kinds = np.random.default_rng(seed).choice(["never", "rare", "often"], n, p=[0.2, 0.4, 0.4])
    return pl.DataFrame({"customer": np.arange(first, first + n), "kind": kinds})


def visits(context: pl.DataFrame, seed: int = 2) -> pl.DataFrame:
    """Return the visits of `customers`, of which these sentences are true.

    - `step` counts the rows of a customer from 0, and `is_last` is true of the last row alone.
    - `color` is the same in all rows of a customer, and `is_warm` is true where it is red.
    - `level` never falls within a customer, and `day` neither.
    """
    rng = np.random.default_rng(seed)
    ranges = {"never": (0, 1), "rare": (1, 4), "often": (8, 13)}
    sizes = [int(rng.integers(*ranges[kind])) for kind in context["kind"]]
    n = sum(sizes)
    step = np.concatenate([np.arange(size) for size in sizes])
    color = np.repeat(rng.choice(["red", "green", "blue"], len(sizes)), sizes)
    start = np.repeat(rng.integers(0, 300, len(sizes)), sizes)

    def grown(changes: np.ndarray) -> np.ndarray:
        total = np.cumsum(np.where(step == 0, 0, changes))
        return total - np.repeat(total[step == 0], [size for size in sizes if size])

    return pl.DataFrame(
        {
            "visit": np.arange(n) + 1,
            "customer": np.repeat(context["customer"].to_numpy(), sizes),
            "step": step,
            "color": color,
            "is_warm": color == "red",
            "level": grown(rng.integers(0, 3, n)),
            "day": np.datetime64("2024-01-01", "ms") + (start + grown(rng.integers(0, 15, n))) * np.timedelta64(1, "D"),
            "is_last": step + 1 == np.repeat(sizes, sizes),
        }
    )


def family_shop(n_customers: int = 300, seed: int = 0) -> dict[str, pl.DataFrame]:
    """Customers, their orders, and the items of these.

    A `new` customer has at most one order, a `regular` one two, a `loyal` one four. Loyal customers order in the `app`,
    all others on the `web`; the `place` of an order counts from 1 in the order of a customer's orders. An order in the
    app has three items, one on the web has one; the `price` of an item is below 10 on the web and above 20 in the app;
    its `language` is that of the customer's country.
    """
    rng = np.random.default_rng(seed)
    segment = rng.choice(["new", "regular", "loyal"], n_customers, p=[0.3, 0.4, 0.3])
    german = rng.random(n_customers) < 0.6
    customers = pl.DataFrame(
        {"id": np.arange(n_customers) + 5000, "segment": segment, "country": np.where(german, "DE", "FR")}
    )
    n_orders = np.select([segment == "new", segment == "regular"], [rng.integers(0, 2, n_customers), 2], 4)
    of_customer = np.repeat(np.arange(n_customers), n_orders)
    app = segment[of_customer] == "loyal"
    orders = pl.DataFrame(
        {
            "number": [f"order-{i:05}" for i in range(len(of_customer))],
            "customer": of_customer + 5000,
            "channel": np.where(app, "app", "web"),
            "place": np.arange(len(of_customer)) - np.repeat(np.cumsum(n_orders) - n_orders, n_orders) + 1,
        }
    )
    of_order = np.repeat(np.arange(len(orders)), np.where(app, 3, 1))
    items = pl.DataFrame(
        {
            "order": orders["number"].gather(of_order),
            "price": np.where(app[of_order], rng.integers(21, 40, len(of_order)), rng.integers(1, 10, len(of_order))),
            "language": np.where(german[of_customer][of_order], "de", "fr"),
        }
    )
    return {"customers": customers, "orders": orders, "items": items}


def subscribers(n: int, first: int = 0, seed: int = 1) -> pl.DataFrame:
    """Return subscribers with two siblings: `orders`, 0 to 6 rows of a color and stars, and `calls`, 0 to 3 reasons."""
    rng = np.random.default_rng(seed)
    n_orders, n_calls = rng.choice([0, 1, 2, 4, 6], n), rng.integers(0, 4, n)
    colors, reasons = np.array(["red", "green", "blue", "black"]), np.array(["late", "broken"])
    chosen = [rng.choice(colors, size).tolist() for size in n_orders]
    stars = [rng.integers(1, 4, size).tolist() for size in n_orders]
    said = [rng.choice(reasons, size).tolist() for size in n_calls]
    return pl.DataFrame(
        {
            "id": np.arange(first, first + n),
            "plan": rng.choice(["free", "paid"], n),
            "orders::color": pl.Series(chosen, dtype=pl.List(pl.String)),
            "orders::stars": pl.Series(stars, dtype=pl.List(pl.Int64)),
            "calls::reason": pl.Series(said, dtype=pl.List(pl.String)),
        }
    )


def profiles(context: pl.DataFrame) -> pl.DataFrame:
    """Return one row per subscriber: the color of the last order, whether its stars are high on average, the number of
    orders, and the reason of the first call. What does not exist is "none", or 0.
    """  # fmt: skip
    orders, stars = pl.col("orders::color"), pl.col("orders::stars")
    return context.select(
        "id",
        last_color=orders.list.last().fill_null("none"),
        is_happy=(stars.list.mean() > 2).fill_null(False),
        n_orders=orders.list.len().cast(pl.Int64),
        first_reason=pl.col("calls::reason").list.first().fill_null("none"),
    )


def parcels(context: pl.DataFrame) -> pl.DataFrame:
    """Return one parcel per order, in their order: `label` has the color of the order, `before` that of the one before,
    and `urgent` says whether the subscriber ever called because something came late.
    """  # fmt: skip
    color = pl.col("orders::color")
    rows = context.select(
        "id",
        label=color,
        before=color.list.eval(pl.element().shift(1).fill_null("none")),
        urgent=pl.col("calls::reason").list.contains("late"),
    )
    return rows.filter(pl.col("label").list.len() > 0).explode("label", "before")
