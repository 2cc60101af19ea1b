"""Settled training jobs, put straight into the table through its port."""

import asyncio
import time
from pathlib import Path

from benchmarks.measured.jobs import ACCOUNT, REGION, asked

from salvia.adapters.table.sqlite import SqliteTable
from salvia.ports.table import Record
from salvia.services.sagemaker.training.request import admitted


def seed(path: Path, count: int) -> None:
    """`count` completed jobs, as the server would have left them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    asyncio.run(_seed(SqliteTable(path), count))


async def _seed(records: SqliteTable, count: int) -> None:
    now = time.time()
    for number in range(count):
        await records.insert(settled(number, now - (count - number) * 60))
    await records.close()


def settled(number: int, created: float) -> Record:
    name = f"job-{number:06d}"
    started, ended = created + 0.1, created + 0.9
    steps = [("Starting", created), ("Downloading", created), ("Training", started), ("Uploading", ended)]
    transitions = [
        {"Status": step, "StartTime": at, "EndTime": ended, "StatusMessage": f"{step} the training job"}
        for step, at in steps
    ]
    metrics = [
        {"MetricName": f"{channel}:rmse", "Value": 2.2, "Timestamp": ended} for channel in ("train", "validation")
    ]
    return Record(
        kind="TrainingJob",
        account=ACCOUNT,
        region=REGION,
        key=name,
        arn=f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}",
        created=created,
        modified=ended,
        spec=admitted(asked(name)),
        status={
            "SecondaryStatus": "Completed",
            "SecondaryStatusTransitions": transitions,
            "TrainingStartTime": started,
            "TrainingEndTime": ended,
            "TrainingTimeInSeconds": 1,
            "BillableTimeInSeconds": 1,
            "FinalMetricDataList": metrics,
        },
        name=name,
        state="Completed",
    )
