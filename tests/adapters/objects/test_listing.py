"""Listings against a model: a sorted dict, folded and cut by the book."""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salvia.adapters.objects import listing
from salvia.adapters.objects.index import SCHEMA
from salvia.adapters.objects.keys import prefix_end
from salvia.adapters.objects.versions import insert
from salvia.ports.object_store import Listing, Page, Version

LETTERS = st.sampled_from(["a", "b", "/", "-", "é", "\ud7ff", "\U0010ffff", "\x00"])
KEYS = st.text(LETTERS, min_size=1, max_size=5)
SOME = st.text(LETTERS, max_size=2)
Item = tuple[str, str]  # (key or common prefix, version; "/" for a prefix)


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.executescript(SCHEMA)
    yield made
    made.close()


_numbers = itertools.count()


def bucket_of(connection: sqlite3.Connection, keys: list[str], versioning: str = "") -> str:
    """A new bucket with one version for each of `keys`."""
    name = f"b{next(_numbers)}"
    connection.execute("insert into buckets values (?, '0', 'us-east-1', 0, ?, '{}')", (name, versioning))
    for key in keys:
        insert(connection, Version(name, key, "", 1, "etag", 0.0))
    return name


def folded(items: list[Item], asked: Listing) -> list[Item]:
    """What all pages together must be, from every (key, version) in order."""
    found: list[Item] = []
    for key, version in items:
        if not key.startswith(asked.prefix):
            continue
        at = key.find(asked.delimiter, len(asked.prefix)) if asked.delimiter else -1
        item = (key[: at + len(asked.delimiter)], "/") if at >= 0 else (key, version)
        if item[1] != "/" or item not in found:
            found.append(item)
    return found


def all_pages(read: Callable[[Listing], Page[Version]], asked: Listing) -> list[Item]:
    found: list[Item] = []
    while True:
        page = read(asked)
        assert len(page.items) + len(page.prefixes) <= asked.limit
        prefixes = [(prefix, "/") for prefix in page.prefixes]
        items = [(item.key, item.version) for item in page.items]
        # sorted by key alone: the versions of a key keep the order they came in
        found += sorted(items + prefixes, key=lambda item: item[0].encode())
        if not page.truncated:
            return found
        asked = replace(asked, after=page.last, after_version=page.last_version)


@given(keys=st.sets(KEYS, max_size=12), prefix=SOME, delimiter=SOME, limit=st.integers(1, 5))
def test_pages_of_objects_are_what_a_sorted_dict_would_give(
    connection: sqlite3.Connection, keys: set[str], prefix: str, delimiter: str, limit: int
) -> None:
    asked = Listing(prefix, delimiter, limit=limit)
    bucket = bucket_of(connection, list(keys))

    found = all_pages(lambda wanted: listing.objects(connection, bucket, wanted), asked)

    assert found == folded([(key, "null") for key in sorted(keys, key=lambda key: key.encode())], asked)


@given(keys=st.lists(KEYS, max_size=12), prefix=SOME, delimiter=SOME, limit=st.integers(1, 5))
def test_pages_of_versions_are_what_a_sorted_dict_would_give(
    connection: sqlite3.Connection, keys: list[str], prefix: str, delimiter: str, limit: int
) -> None:
    asked = Listing(prefix, delimiter, limit=limit)
    bucket = bucket_of(connection, keys, "Enabled")
    rows = connection.execute("select key, version, seq from versions where bucket = ?", (bucket,)).fetchall()

    found = all_pages(lambda wanted: listing.versions(connection, bucket, wanted), asked)

    newest_first = sorted(rows, key=lambda row: (row[0].encode(), -row[2]))
    assert found == folded([(key, version) for key, version, _ in newest_first], asked)


@given(keys=st.sets(KEYS, max_size=12), after=KEYS, limit=st.integers(1, 20))
def test_a_listing_starts_behind_any_key(
    connection: sqlite3.Connection, keys: set[str], after: str, limit: int
) -> None:
    bucket = bucket_of(connection, list(keys))

    found = listing.objects(connection, bucket, Listing(after=after, limit=limit)).items

    assert [item.key for item in found] == sorted(key for key in keys if key > after)[:limit]


def test_a_folder_of_many_keys_costs_one_look_up(connection: sqlite3.Connection) -> None:
    bucket = bucket_of(connection, [f"{folder}/{number:03}" for folder in "abc" for number in range(300)])
    steps = itertools.count()
    connection.set_progress_handler(lambda: next(steps) and 0, 100)

    page = listing.objects(connection, bucket, Listing(delimiter="/"))

    connection.set_progress_handler(None, 0)
    assert page.prefixes == ["a/", "b/", "c/"]
    assert next(steps) < 10


@given(prefix=st.text(max_size=4), rest=st.text(max_size=3))
def test_the_end_of_a_prefix_is_behind_all_it_begins(prefix: str, rest: str) -> None:
    assert prefix + rest < prefix_end(prefix)
