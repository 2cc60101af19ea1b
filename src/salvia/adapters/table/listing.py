"""A Query as SQL: filter, then sort, then cut, in the words that SQLite and PostgreSQL share."""

from typing import Any

from salvia.ports.table import Query, Record

SORTS = ("name", "state", "created", "modified", "key")


def listing(query: Query, region: str, mark: str, like: str) -> tuple[str, list[Any]]:
    """What follows `where r.place = ...`: more conditions, the order and the limit, and their parameters.

    A place has one `region`. `mark` is the driver's placeholder, `like` its operator that ignores case.
    """
    if query.sort not in SORTS:
        raise ValueError(f"cannot sort by {query.sort!r}: one of {', '.join(SORTS)}")
    found = [(sql, value) for sql, value in _filters(query, like) if value not in {None, ""}]
    conditions = [sql.replace("?", mark) for sql, _ in found]
    values = [value for _, value in found]
    order, beyond = ("desc", "<") if query.descending else ("asc", ">")
    # Within one state, the order by state is the order by key; saying so spares the database a sort.
    by_key = query.sort == "key" or (query.sort == "state" and query.state)
    columns = ["r.key"] if by_key else [f"r.{query.sort}", "r.key"]
    if query.after:
        if query.after_region and (region < query.after_region if query.descending else region > query.after_region):
            beyond += "="  # the row that ties with the last one seen, but stands in a region not yet reached
        conditions.append(f"({', '.join(columns)}) {beyond} ({', '.join([mark] * len(columns))})")
        values += query.after[-len(columns) :]
    where = "".join(f" and {condition}" for condition in conditions)
    by = ", ".join(f"{column} {order}" for column in columns)
    return f"{where} order by {by} limit {mark}", [*values, query.limit]


def merge(query: Query, pages: list[list[Record]]) -> list[Record]:
    """The first `query.limit` of several regions' pages, each fetched by `listing` and so each in order."""

    def rank(record: Record) -> tuple[Any, str, str]:
        return getattr(record, query.sort), record.key, record.region

    rows = sorted((record for page in pages for record in page), key=rank, reverse=query.descending)
    return rows[: query.limit]


def _filters(query: Query, like: str) -> list[tuple[str, Any]]:
    return [
        ("r.owner = ? and r.owner <> ''", query.owner),  # in the words of the partial index, so that it serves
        ("r.state = ?", query.state),
        (f"r.name {like} ? escape '\\'", _pattern(query.name_contains)),
        ("r.created > ?", query.created_after),
        ("r.created < ?", query.created_before),
        ("r.modified > ?", query.modified_after),
        ("r.modified < ?", query.modified_before),
    ]


def _pattern(text: str) -> str:
    if not text:
        return ""
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return f"%{text}%"
