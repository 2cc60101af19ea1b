"""Metrics of a training job: regular expressions over its log, as the request or the built-in algorithm gives them."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from salvia.ports.images import Image
from salvia.ports.metrics import MetricDefinition, Sample
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs.cluster import Host
from salvia.services.sagemaker.training.container import LOG_GROUP, stream_name

NAMESPACE = "/aws/sagemaker/TrainingJobs"


def definitions_of(job: Record, image: Image) -> list[MetricDefinition]:
    """A built-in algorithm's own metrics, which AWS attaches by itself, then the request's."""
    asked = job.spec["AlgorithmSpecification"]["MetricDefinitions"]
    names = {definition["Name"] for definition in asked}
    own = [definition for definition in built_in(image.algorithm) if definition.name not in names]
    return [MetricDefinition(definition["Name"], definition["Regex"]) for definition in asked] + own


@cache
def built_in(algorithm: str) -> tuple[MetricDefinition, ...]:
    """What the algorithm's package says of its metrics, as data: its code is never loaded here."""
    if not algorithm:
        return ()
    document = json.loads(files("salvia_algorithms").joinpath(algorithm, "metrics.json").read_text())
    return tuple(MetricDefinition(metric["name"], metric["regex"]) for metric in document["metrics"])


async def scrape(world: World, job: Record, image: Image, hosts: list[Host]) -> list[dict[str, Any]]:
    """FinalMetricDataList, as far as the log has come; every match becomes a CloudWatch sample once."""
    definitions = definitions_of(job, image)
    latest: dict[str, Sample] = {}
    for host in hosts if definitions else []:
        samples = await world.metrics.scrape(
            job.account,
            job.region,
            LOG_GROUP,
            stream_name(job, host),
            definitions,
            NAMESPACE,
            {"TrainingJobName": job.name},
        )
        for sample in samples:
            if sample.name not in latest or sample.timestamp >= latest[sample.name].timestamp:
                latest[sample.name] = sample
    return [
        {"MetricName": sample.name, "Value": sample.value, "Timestamp": sample.timestamp} for sample in latest.values()
    ]
