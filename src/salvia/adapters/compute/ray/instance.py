"""The actor that looks after one run on its node: Ray's side of it, in a process of Ray's."""

import json
import os
import subprocess
import sys
import threading

import ray
from ray.util.placement_group import placement_group_table

_KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH")


class Instance:
    """One bundle of the job's placement group. It ends with its run; when it is killed, the run is killed too.

    `order` is JSON: what salvia.adapters.compute.ray.node takes, with `hosts` still a loopback address for each.
    """

    def __init__(self, order: str) -> None:
        told = json.loads(order)
        told["hosts"], told["here"] = _addresses(told["hosts"])
        threading.Thread(target=_look_after, args=(json.dumps(told),), daemon=True).start()


def _addresses(hosts: dict[str, str]) -> tuple[dict[str, str], str]:
    """Those of the nodes, and this node's own; where all instances share a node, they keep their loopback addresses, and "".

    The bundles of the placement group are in the order of `hosts`.
    """
    places = placement_group_table(ray.util.get_current_placement_group())["bundles_to_node_id"]
    if len(places) == 1:
        return hosts, ""
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes()}
    found = {host: nodes[place] for host, (_, place) in zip(hosts, sorted(places.items()), strict=True)}
    if len(set(found.values())) == 1:
        return hosts, ""
    return found, ray.util.get_node_ip_address()


def _look_after(order: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "salvia.adapters.compute.ray.node"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: os.environ[name] for name in _KEPT if name in os.environ},
        cwd="/",
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(order.encode() + b"\n")
    process.stdin.flush()
    process.stdout.read()  # it says nothing; this returns when it has ended
    os._exit(0)  # the way for an actor to end itself from outside a call
