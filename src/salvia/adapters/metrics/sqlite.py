"""Metrics in a SQLite file of their own, which several servers may share."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from salvia.adapters.metrics.scrape import Found, Scraper
from salvia.ports.logs import LogEvents, StreamKey
from salvia.ports.metrics import MetricDefinition, MetricKey, Observation, Sample

_CHUNK = 1 << 20
_KEPT = 455 * 86_400.0  # seconds, as CloudWatch keeps data; older ones go when the file is next opened

_SCHEMA = """
CREATE TABLE IF NOT EXISTS metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL, region TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    dimensions TEXT NOT NULL, last REAL NOT NULL,
    UNIQUE (account, region, namespace, name, dimensions)
) STRICT;
CREATE TABLE IF NOT EXISTS observations (
    metric INTEGER NOT NULL REFERENCES metrics, timestamp REAL NOT NULL, unit TEXT NOT NULL,
    sample_count REAL NOT NULL, total REAL NOT NULL, low REAL NOT NULL, high REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS by_time ON observations (metric, timestamp);
CREATE TABLE IF NOT EXISTS scrapes (
    id INTEGER PRIMARY KEY,
    account TEXT NOT NULL, region TEXT NOT NULL, log_group TEXT NOT NULL, stream TEXT NOT NULL,
    namespace TEXT NOT NULL, dimensions TEXT NOT NULL, position INTEGER NOT NULL,
    UNIQUE (account, region, log_group, stream, namespace, dimensions)
) STRICT;
CREATE TABLE IF NOT EXISTS latest (
    scrape INTEGER NOT NULL REFERENCES scrapes, name TEXT NOT NULL, value REAL NOT NULL, timestamp REAL NOT NULL,
    PRIMARY KEY (scrape, name)
) STRICT, WITHOUT ROWID;
"""


class SqliteMetrics:
    """Metrics and MetricData. A commit survives the process; the last ones before a power failure may be lost."""

    def __init__(self, path: Path, logs: LogEvents) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)  # before SQLite does: its other files take over the mode
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self._db.execute("DELETE FROM observations WHERE timestamp < (SELECT max(last) FROM metrics) - ?", (_KEPT,))
        self._logs = logs
        self._scraper = Scraper()

    async def close(self) -> None:
        await self._scraper.close()
        self._db.close()

    async def put(self, account: str, region: str, namespace: str, samples: Sequence[Sample]) -> None:
        await self.record([_observed(account, region, namespace, sample) for sample in samples])

    async def record(self, observations: Sequence[tuple[MetricKey, Observation]]) -> None:
        with self._transaction():
            self._insert(observations)

    async def scrape(
        self,
        account: str,
        region: str,
        group: str,
        stream: str,
        definitions: Sequence[MetricDefinition],
        namespace: str,
        dimensions: Mapping[str, str],
    ) -> list[Sample]:
        key = StreamKey(account, region, group, stream)
        scrape, position = self._cursor(key, namespace, dimensions)
        behind = True
        while behind and (gained := await self._logs.text(key, position, _CHUNK)):
            text, after = gained
            # A short chunk was all there was: a job that never stops printing must not hold this call for ever.
            behind = after - position > _CHUNK // 2
            if after == position:
                break
            found = await self._scraper.find(key, definitions, text)
            if not self._store(key, scrape, position, after, found, namespace, dimensions):
                scrape, after = self._cursor(key, namespace, dimensions)  # another server was faster
            position = after
        latest = {
            name: Sample(name, value, timestamp, dict(dimensions))
            for name, value, timestamp in self._db.execute(
                "SELECT name, value, timestamp FROM latest WHERE scrape=?", (scrape,)
            )
        }
        names = dict.fromkeys(definition.name for definition in definitions)
        return [latest[name] for name in names if name in latest]

    async def observations(self, key: MetricKey, start: float, end: float) -> Sequence[Observation]:
        rows = self._db.execute(
            "SELECT timestamp, unit, sample_count, total, low, high FROM observations"
            " WHERE metric=(SELECT id FROM metrics WHERE account=? AND region=? AND namespace=? AND name=?"
            " AND dimensions=?) AND timestamp>=? AND timestamp<? ORDER BY timestamp",
            (*key[:4], json.dumps(key.dimensions), start, end),
        )
        return [Observation(*row) for row in rows]

    async def metrics(
        self,
        account: str,
        region: str,
        *,
        namespace: str = "",
        name: str = "",
        active_since: float = 0.0,
        after: int = 0,
        limit: int = 500,
    ) -> Sequence[tuple[int, MetricKey]]:
        rows = self._db.execute(
            "SELECT id, account, region, namespace, name, dimensions FROM metrics WHERE id>? AND account=? AND region=?"
            " AND (namespace=? OR ?='') AND (name=? OR ?='') AND last>=? ORDER BY id LIMIT ?",
            (after, account, region, namespace, namespace, name, name, active_since, limit),
        )
        return [
            (
                row[0],
                MetricKey(row[1], row[2], row[3], row[4], tuple((pair[0], pair[1]) for pair in json.loads(row[5]))),
            )
            for row in rows
        ]

    def _cursor(self, key: StreamKey, namespace: str, dimensions: Mapping[str, str]) -> tuple[int, int]:
        identity = (*key, namespace, json.dumps(_sorted(dimensions)))
        self._db.execute(
            "INSERT OR IGNORE INTO scrapes (account, region, log_group, stream, namespace, dimensions, position)"
            " VALUES (?,?,?,?,?,?,0)",
            identity,
        )
        found: tuple[int, int] = self._db.execute(
            "SELECT id, position FROM scrapes WHERE account=? AND region=? AND log_group=? AND stream=?"
            " AND namespace=? AND dimensions=?",
            identity,
        ).fetchone()
        return found

    def _store(
        self,
        key: StreamKey,
        scrape: int,
        before: int,
        after: int,
        found: Sequence[Found],
        namespace: str,
        dimensions: Mapping[str, str],
    ) -> bool:
        """Samples and cursor in one transaction; false when the cursor was moved by somebody else meanwhile."""
        with self._transaction():
            moved = self._db.execute(
                "UPDATE scrapes SET position=? WHERE id=? AND position=?", (after, scrape, before)
            ).rowcount
            if not moved:
                return False
            samples = [Sample(each.name, each.value, each.timestamp, dimensions) for each in found]
            self._insert([_observed(key.account, key.region, namespace, sample) for sample in samples])
            self._db.executemany(
                "INSERT OR REPLACE INTO latest (scrape, name, value, timestamp) VALUES (?,?,?,?)",
                [(scrape, each.name, each.value, each.timestamp) for each in found],
            )
        return True

    def _insert(self, observations: Sequence[tuple[MetricKey, Observation]]) -> None:
        numbers: dict[MetricKey, int] = {}
        for key, observation in observations:
            if key not in numbers:
                numbers[key] = self._metric(key, observation.timestamp)
        self._db.executemany(
            "INSERT INTO observations (metric, timestamp, unit, sample_count, total, low, high) VALUES (?,?,?,?,?,?,?)",
            [(numbers[key], *observation) for key, observation in observations],
        )

    def _metric(self, key: MetricKey, timestamp: float) -> int:
        number: int = self._db.execute(
            "INSERT INTO metrics (account, region, namespace, name, dimensions, last) VALUES (?,?,?,?,?,?)"
            " ON CONFLICT DO UPDATE SET last=max(last, excluded.last) RETURNING id",
            (*key[:4], json.dumps(key.dimensions), timestamp),
        ).fetchone()[0]
        return number

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _observed(account: str, region: str, namespace: str, sample: Sample) -> tuple[MetricKey, Observation]:
    key = MetricKey(account, region, namespace, sample.name, _sorted(sample.dimensions))
    return key, Observation(sample.timestamp, sample.unit, 1.0, sample.value, sample.value, sample.value)


def _sorted(dimensions: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(dimensions.items()))
