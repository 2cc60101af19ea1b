"""Records as rows: the JSON documents of a record, and the columns of both SQL tables in one order."""

from typing import Any

import orjson

from salvia.ports.table import Record

# What a select gives to `record_of`, after the three columns of the place.
COLUMNS = "r.key, d.arn, r.created, r.modified, d.spec, d.status, r.name, r.state, r.owner, r.wanted, r.due, d.tags, r.version"

dumps = orjson.dumps


def narrow(record: Record) -> dict[str, Any]:
    """What stands beside the documents, by column."""
    return {
        "key": record.key,
        "name": record.name,
        "state": record.state,
        "owner": record.owner,
        "wanted": record.wanted,
        "created": record.created,
        "modified": record.modified,
        "due": record.due,
        "version": record.version,
    }


def record_of(place: tuple[str, str, str], row: Any) -> Record:
    """`place` is (kind, account, region), `row` holds COLUMNS."""
    key, arn, created, modified, spec, status, name, state, owner, wanted, due, tags, version = row
    kind, account, region = place
    return Record(
        kind,
        account,
        region,
        key,
        arn,
        created,
        modified,
        orjson.loads(spec),
        orjson.loads(status),
        name,
        state,
        owner,
        wanted,
        due,
        orjson.loads(tags),
        version,
    )
