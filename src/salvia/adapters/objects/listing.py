"""Pages of keys in byte order, with a skip over what a delimiter folds.

A common prefix costs one look-up, however many keys lie below it: the scan goes on behind the prefix, not through it.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from salvia.adapters.objects import rows
from salvia.adapters.objects.keys import prefix_end
from salvia.ports.object_store import Listing, Page, Upload, Version

T = TypeVar("T")
Row = Sequence[Any]
_NEWEST = 1 << 62


@dataclass(frozen=True, slots=True)
class _Scan(Generic[T]):
    """One order of rows. A cursor stands before a row: its first member is a key.

    `read` gives the rows from a cursor on, lazily; `at` the cursor before a key's first row.
    """

    read: Callable[[Any], Iterable[Row]]
    start: Any
    at: Callable[[str], Any]
    key: Callable[[Row], str]
    name: Callable[[Row], str]  # of the row within its key, for the client: a version, an upload
    make: Callable[[Row], T]


def objects(connection: sqlite3.Connection, bucket: str, asked: Listing) -> Page[Version]:
    query = (
        f"select {rows.SUMMARY} from versions indexed by objects where bucket = ? and latest = 1 and marker = 0 "  # noqa: S608
        "and key >= ? and key < ? order by key"
    )
    end = prefix_end(asked.prefix)
    return _page(
        _Scan(
            read=lambda cursor: connection.execute(query, (bucket, cursor, end)),
            # the least key behind another is that key and a NUL
            start=max(asked.prefix, f"{asked.after}\0") if asked.after else asked.prefix,
            at=lambda key: key,
            key=lambda row: str(row[1]),
            name=lambda _: "",
            make=rows.summary,
        ),
        asked,
    )


def versions(connection: sqlite3.Connection, bucket: str, asked: Listing) -> Page[Version]:
    query = (
        f"select {rows.SUMMARY}, seq from versions where bucket = ? and key >= ? and key < ? "  # noqa: S608
        "and (key > ? or seq < ?) order by key, seq desc"
    )
    end = prefix_end(asked.prefix)
    start = (asked.prefix, _NEWEST)
    if asked.after and asked.after >= asked.prefix:
        row = connection.execute(
            "select seq from versions where bucket = ? and key = ? and version = ?",
            (bucket, asked.after, asked.after_version),
        ).fetchone()
        start = (asked.after, row[0] if row else 0)
    return _page(
        _Scan(
            read=lambda cursor: connection.execute(query, (bucket, cursor[0], end, *cursor)),
            start=start,
            at=lambda key: (key, _NEWEST),
            key=lambda row: str(row[1]),
            name=lambda row: str(row[2]),
            make=rows.summary,
        ),
        asked,
    )


def uploads(connection: sqlite3.Connection, bucket: str, asked: Listing) -> Page[Upload]:
    query = (
        f"select {rows.UPLOAD} from uploads where bucket = ? and key >= ? and key < ? "  # noqa: S608
        "and (key > ? or (started, id) > (?, ?)) order by key, started, id"
    )
    end = prefix_end(asked.prefix)
    start = (asked.prefix, -1.0, "")
    if asked.after and asked.after >= asked.prefix:
        row = connection.execute("select started from uploads where id = ?", (asked.after_version,)).fetchone()
        start = (asked.after, row[0] if row else float("inf"), asked.after_version)
    return _page(
        _Scan(
            read=lambda cursor: connection.execute(query, (bucket, cursor[0], end, *cursor)),
            start=start,
            at=lambda key: (key, -1.0, ""),
            key=lambda row: str(row[2]),
            name=lambda row: str(row[0]),
            make=rows.upload,
        ),
        asked,
    )


def _page(scan: _Scan[T], asked: Listing) -> Page[T]:
    items: list[T] = []
    prefixes: list[str] = []
    if asked.limit == 0:
        return Page(items, prefixes, truncated=False)
    last, last_name = "", ""
    cursor = scan.start
    if asked.after and _folded(asked.after, asked) == asked.after:
        # the page before ended with this common prefix
        cursor = scan.at(prefix_end(asked.after))
    while True:
        folded = ""
        for row in scan.read(cursor):
            if len(items) + len(prefixes) == asked.limit:
                return Page(items, prefixes, truncated=True, last=last, last_version=last_name)
            key = scan.key(row)
            folded = _folded(key, asked)
            if folded:
                break
            items.append(scan.make(row))
            last, last_name = key, scan.name(row)
        if not folded:
            return Page(items, prefixes, truncated=False)
        prefixes.append(folded)
        last, last_name = folded, ""
        cursor = scan.at(prefix_end(folded))


def _folded(key: str, asked: Listing) -> str:
    """The common prefix that stands for this key, or ""."""
    if not asked.delimiter or not key.startswith(asked.prefix):
        return ""
    found = key.find(asked.delimiter, len(asked.prefix))
    return key[: found + len(asked.delimiter)] if found >= 0 else ""
