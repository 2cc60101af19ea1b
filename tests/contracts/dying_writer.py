"""Writes a record, claims it, says so and then waits for its end."""

import asyncio
import signal
import sys

from salvia.adapters.table.postgres import PostgresTable
from salvia.adapters.table.sqlite import SqliteTable
from salvia.ports.table import Record


async def main(address: str) -> None:
    table = PostgresTable(address) if address.startswith("postgresql:") else SqliteTable(address)
    names = ("TrainingJob", "000000000000", "us-west-2", "dying", "arn:dying")
    record = Record(*names, created=1000.0, modified=1000.0, spec={"A": 1}, due=1000.0)
    await table.insert(record)
    record.state = "Claimed"
    await table.save_fact(record, "dying")
    await table.claim(1000.0, "dying", 2000.0)
    sys.stdout.write("written\n")
    sys.stdout.flush()
    signal.pause()


asyncio.run(main(sys.argv[1]))
