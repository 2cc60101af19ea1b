"""The instances of a job: their host names, groups and addresses, and their share of the machine."""

from dataclasses import dataclass
from typing import Any

from salvia.resources.instances import Share, share_of
from salvia.resources.machine import capped


@dataclass(frozen=True, slots=True)
class Host:
    name: str  # "algo-1"
    instance_type: str
    group: str
    share: Share


def hosts_of(spec: dict[str, Any]) -> list[Host]:
    """algo-1..N, group by group, in the order of the request."""
    resources = spec["ResourceConfig"]
    groups = resources.get("InstanceGroups") or [{"InstanceGroupName": "homogeneousCluster"} | resources]
    types = [
        (group["InstanceType"], group["InstanceGroupName"]) for group in groups for _ in range(group["InstanceCount"])
    ]
    return [Host(f"algo-{number}", kind, group, share_of(kind)) for number, (kind, group) in enumerate(types, 1)]


def addresses(hosts: list[Host]) -> dict[str, str]:
    """Every host has a loopback address of its own: 127.0.1.N."""
    return {host.name: f"127.0.{1 + (number >> 8)}.{number & 255}" for number, host in enumerate(hosts, 1)}


def whole_share(hosts: list[Host]) -> Share:
    return Share(sum(host.share.cpus for host in hosts), sum(host.share.memory for host in hosts))


def part_of(share: Share, host: Host, count: int) -> Share:
    """What one of `count` instances gets of the share that they have together."""
    return capped(host.share, Share(max(1.0, share.cpus / count), share.memory // count))


def resource_config(hosts: list[Host], current: Host) -> dict[str, Any]:
    """/opt/ml/input/config/resourceconfig.json of one host."""
    groups: dict[str, dict[str, Any]] = {}
    for host in hosts:
        empty = {"instance_group_name": host.group, "instance_type": host.instance_type, "hosts": []}
        groups.setdefault(host.group, empty)["hosts"].append(host.name)
    return {
        "current_host": current.name,
        "current_instance_type": current.instance_type,
        "current_group_name": current.group,
        "hosts": [host.name for host in hosts],
        "instance_groups": list(groups.values()),
        "network_interface_name": "lo",
    }
