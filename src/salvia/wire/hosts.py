"""What a Host header says: the service, region and bucket that AWS's host names carry."""

import re
from dataclasses import dataclass
from functools import lru_cache

_AWS = re.compile(r"\.amazonaws\.com(\.cn)?$")
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-\d+")
_S3 = re.compile(r"s3(-fips)?(-(?P<region>[a-z]{2,3}(-[a-z]+)+-\d+))?")


@dataclass(frozen=True, slots=True)
class Place:
    """`prefix` is the service's endpoint prefix ("api.sagemaker", "sts", "s3"); "" where the name does not say."""

    prefix: str = ""
    region: str = ""
    bucket: str = ""


@lru_cache(maxsize=1024)
def read_host(host: str) -> Place:
    """sts.us-west-2.amazonaws.com, bucket.s3.us-west-2.amazonaws.com, bucket.localhost:8321; anything else says nothing."""
    name = host.lower().rpartition(":")[0] if re.search(r":\d*$", host) else host.lower()
    if name.endswith(".localhost"):
        return Place(prefix="s3", bucket=name.removesuffix(".localhost"))
    stem = _AWS.sub("", name)
    if stem == name:
        return Place()
    labels = stem.split(".")
    region = ""
    if _REGION.fullmatch(labels[-1]):
        region = labels.pop()
    if labels and labels[-1] == "dualstack":
        labels.pop()
    # From the right: a bucket may have a label "s3" of its own.
    if labels and (s3 := _S3.fullmatch(labels[-1])):
        return Place("s3", region or s3["region"] or "", ".".join(labels[:-1]))
    return Place(".".join(labels).removesuffix("-fips"), region)
