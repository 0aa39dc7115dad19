"""The wording of errors: near names, short lists, masked values, and URLs without their secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import urlsplit, urlunsplit

_MOST_LISTED = 30


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest known word, or nothing.

    >>> suggestion("sorce", ["source", "limit_rows"])
    " Did you mean 'source'?"
    >>> suggestion("zebra", ["source"])
    ''
    """
    folded = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), folded, n=1)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""


def listing(words: Iterable[object]) -> str:
    """Join words with commas; beyond thirty, say how many more there are."""
    texts = [str(word) for word in words]
    more = len(texts) - _MOST_LISTED
    return ", ".join(texts[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def shows_values() -> bool:
    """Tell whether values of people's data may stand in messages: only with ARGN_SHOW_VALUES=1."""
    return os.environ.get("ARGN_SHOW_VALUES") == "1"


def shown_text(text: str) -> str:
    """Return another library's message without the users, passwords and queries of the URLs in it.

    >>> shown_text("404, url='https://me:secret@host/a.csv?sig=secret'")
    "404, url='https://…@host/a.csv?…'"
    """
    return re.sub(r"\?[^\s'\"]*=[^\s'\"]*", "?…", re.sub(r"(?<=://)[^/\s@]+@", "…@", text))


def shown_url(url: str) -> str:
    """Return a URL as messages may show it: without user, password, query and fragment.

    >>> shown_url("https://me:secret@host/data.csv?sig=abc")
    'https://…@host/data.csv?…'
    >>> shown_url("data/planes.csv")
    'data/planes.csv'
    """
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:  # not a URL a parser takes: show the protocol only
        return url.split("://", 1)[0] + "://…"
    host = "…@" + parts.netloc.rpartition("@")[2] if "@" in parts.netloc else parts.netloc
    # A glob may hold a question mark, which a parser takes for a query: only key=value is a query.
    query = "…" if "=" in parts.query else parts.query
    return urlunsplit((parts.scheme, host, parts.path, query, ""))
