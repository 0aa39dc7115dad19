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
