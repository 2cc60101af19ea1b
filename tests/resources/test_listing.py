"""Records of a query, however many steps they take."""

from dataclasses import replace

import pytest

from salvia.adapters.table.sqlite import SqliteTable
from salvia.ports.table import Query, Record
from salvia.resources.listing import every

QUERY = Query("Noun", "000000000000", "us-west-2", sort="key", descending=False)


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
@pytest.mark.parametrize("sort", ["key", "created"])
async def test_every_record_comes_once_in_the_querys_order(limit: int, sort: str) -> None:
    table = SqliteTable(":memory:")
    for number in range(5):
        key = f"key-{number}"
        arn = f"arn:aws:test:us-west-2:000000000000:noun/{key}"
        created = float(number // 2)  # some at the same moment
        await table.insert(Record("Noun", "000000000000", "us-west-2", key, arn, created, created, {}))

    found = [record.key async for record in every(table, replace(QUERY, sort=sort, limit=limit))]
    await table.close()

    assert found == [f"key-{number}" for number in range(5)]
