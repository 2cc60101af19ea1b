"""DataCaptureConfig: manifests of what a transform job read and wrote, where Model Monitor looks for them.

Source: "Capture data from batch transform job" in the SageMaker documentation: below the destination there are folders `input` and
`output`, in them one for each hour, and there manifests as S3DataType ManifestFile reads them.
"""

import logging
import uuid
from datetime import UTC, datetime

import orjson

from salvia.ports.objects import NoSuchObjectError
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs.channels import bucket_and_key
from salvia.services.sagemaker.runs.places import Item

_log = logging.getLogger(__name__)


async def keep(world: World, job: Record, run: str, items: list[Item]) -> None:
    """One manifest each of the instance's inputs and outputs; doing it twice leaves one. A failure costs the manifests, not the job."""
    config = job.spec.get("DataCaptureConfig")
    if not config or not items:
        return
    bucket, prefix = bucket_and_key(config["DestinationS3Uri"])
    first = items[0]
    source = f"s3://{first.bucket}/{first.key.removesuffix(first.path)}"
    target = job.spec["TransformOutput"]["S3OutputPath"].rstrip("/") + "/"
    manifests = {"input": (source, [item.path for item in items]), "output": (target, [f"{i.path}.out" for i in items])}
    hour = datetime.fromtimestamp(job.created, UTC).strftime("%Y/%m/%d/%H")
    name = uuid.uuid5(uuid.NAMESPACE_URL, run)
    for folder, (below, names) in manifests.items():
        key = f"{prefix.rstrip('/')}/{folder}/{hour}/{name}.json".lstrip("/")
        body = orjson.dumps([{"prefix": below}, *names])
        try:
            await world.objects.put(bucket, key, body, content_type="application/json")
        except NoSuchObjectError as error:
            _log.warning("%s captures nothing: %s", job.arn, error)
            return
