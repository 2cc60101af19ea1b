"""What uses the machine: the jobs that have not ended, oldest first, with what they declare and who waits for whom; and the endpoints.

Of root's account, in the region of the settings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from salvia.resources.instances import Share, share_of

_BEGUN = {
    "TrainingJob": "TrainingStartTime",
    "ProcessingJob": "ProcessingStartTime",
    "TransformJob": "TransformStartTime",
}


class Caller(Protocol):
    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Use:
    """`ahead` older jobs are before one that has not begun. `cpus` and `memory` (bytes) are what the instance types promise: a job
    gets no more than the machine has. Endpoints declare nothing.
    """

    kind: str
    name: str
    status: str
    instances: str
    cpus: float = 0.0
    memory: int = 0
    ahead: int = 0

    def __str__(self) -> str:
        jobs = "1 older job" if self.ahead == 1 else f"{self.ahead} older jobs"
        state = f"waits behind {jobs}" if self.ahead else self.status
        share = f"{self.cpus:g} CPUs, {self.memory >> 30} GiB" if self.cpus else "reserves nothing"
        return f"{self.kind} {self.name}: {state}, {self.instances} ({share})"


def uses(client: Caller) -> list[Use]:
    """Raises Refusal when the server refuses."""
    jobs = sorted(_jobs(client), key=lambda job: (job[1]["CreationTime"], job[1][f"{job[0]}Arn"]))
    return [_job(noun, described, place) for place, (noun, described) in enumerate(jobs)] + list(_endpoints(client))


def _jobs(client: Caller) -> Iterator[tuple[str, dict[str, Any]]]:
    for noun in _BEGUN:
        for status in ("InProgress", "Stopping"):
            for summary in _listed(client, f"{noun}s", f"{noun}Summaries", StatusEquals=status):
                name = f"{noun}Name"
                yield noun, client.call("sagemaker", f"Describe{noun}", **{name: summary[name]})


def _job(noun: str, described: dict[str, Any], place: int) -> Use:
    resources = described.get("ResourceConfig") or described.get("TransformResources")
    resources = resources or described["ProcessingResources"]["ClusterConfig"]
    share, words = Share(0, 0), []
    for group in resources.get("InstanceGroups") or [resources]:
        kind, count = group["InstanceType"], group.get("InstanceCount", 1)
        promised = share_of(kind).times(count)
        share = Share(share.cpus + promised.cpus, share.memory + promised.memory)
        words.append(f"{count} x {kind}")
    return Use(
        kind=noun,
        name=described[f"{noun}Name"],
        status=described.get("SecondaryStatus") or described[f"{noun}Status"],
        instances=", ".join(words),
        cpus=share.cpus,
        memory=share.memory,
        ahead=0 if described.get(_BEGUN[noun]) else place,
    )


def _endpoints(client: Caller) -> Iterator[Use]:
    for summary in _listed(client, "Endpoints", "Endpoints"):
        described = client.call("sagemaker", "DescribeEndpoint", EndpointName=summary["EndpointName"])
        count = sum(variant.get("CurrentInstanceCount", 0) for variant in described.get("ProductionVariants") or ())
        words = "1 instance" if count == 1 else f"{count} instances"
        yield Use("Endpoint", described["EndpointName"], described["EndpointStatus"], words)


def _listed(client: Caller, nouns: str, members: str, **filters: str) -> Iterator[dict[str, Any]]:
    token: dict[str, str] = {}
    while True:
        page = client.call("sagemaker", f"List{nouns}", MaxResults=100, **filters, **token)
        yield from page[members]
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}
