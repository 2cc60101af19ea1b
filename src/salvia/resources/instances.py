"""What an instance type promises: vCPUs and memory, for every ml.* type of the API."""

import re
from dataclasses import dataclass

GIB = 1 << 30

# GiB of memory for each vCPU, by family. Source: the instance tables of the SageMaker and EC2 pricing pages.
_RATIO = {"c": 2.0, "inf": 2.0, "m": 4.0, "g": 4.0, "t": 4.0, "trn": 4.0, "r": 8.0, "p": 8.0, "x": 16.0}
_SIZES = {"medium": 2, "large": 2, "xlarge": 4}
_EXCEPTIONS = {
    "ml.t2.medium": (2, 4.0),
    "ml.t3.medium": (2, 4.0),
    "ml.p2.xlarge": (4, 61.0),
    "ml.p2.8xlarge": (32, 488.0),
    "ml.p2.16xlarge": (64, 732.0),
    "ml.p3.2xlarge": (8, 61.0),
    "ml.p3.8xlarge": (32, 244.0),
    "ml.p3.16xlarge": (64, 488.0),
    "ml.p3dn.24xlarge": (96, 768.0),
    "ml.p4d.24xlarge": (96, 1152.0),
    "ml.p4de.24xlarge": (96, 1152.0),
    "ml.p5.48xlarge": (192, 2048.0),
    "ml.p5e.48xlarge": (192, 2048.0),
    "ml.p5en.48xlarge": (192, 2048.0),
}
_TYPE = re.compile(r"ml\.([a-z]+)([0-9]*)[a-z0-9-]*\.([0-9]*)(medium|large|xlarge|metal)")


@dataclass(frozen=True, slots=True)
class Share:
    """CPUs, and bytes of memory."""

    cpus: float
    memory: int

    def times(self, count: int) -> "Share":
        return Share(self.cpus * count, self.memory * count)


def share_of(instance_type: str) -> Share:
    """The share an instance type promises; a type without a known size counts as ml.m5.large."""
    if instance_type in _EXCEPTIONS:
        cpus, gib = _EXCEPTIONS[instance_type]
        return Share(cpus, int(gib * GIB))
    found = _TYPE.match(instance_type)
    if found is None:
        return Share(2, 8 * GIB)
    family, _, times, size = found.groups()
    cpus = 96 if size == "metal" else _SIZES[size] * int(times or 1)
    return Share(cpus, int(cpus * _RATIO.get(family, 4.0) * GIB))
