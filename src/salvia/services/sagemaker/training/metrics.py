"""Metrics of a training job: regular expressions over its log, as the request or the built-in algorithm gives them."""

from typing import Any

from salvia.ports.images import Image
from salvia.ports.metrics import MetricDefinition, Sample
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs.built_in import metrics_of
from salvia.services.sagemaker.runs.cluster import Host
from salvia.services.sagemaker.training.container import LOG_GROUP, stream_name

NAMESPACE = "/aws/sagemaker/TrainingJobs"


def definitions_of(job: Record, image: Image) -> list[MetricDefinition]:
    """A built-in algorithm's own metrics, which AWS attaches by itself, then the request's."""
    of_algorithm = job.spec.get("_algorithm", {}).get("metrics", [])
    asked = [*job.spec["AlgorithmSpecification"]["MetricDefinitions"], *of_algorithm]
    names = {definition["Name"] for definition in asked}
    own = [metric.definition for metric in metrics_of(image.algorithm) if metric.definition.name not in names]
    return [MetricDefinition(definition["Name"], definition["Regex"]) for definition in asked] + own


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
