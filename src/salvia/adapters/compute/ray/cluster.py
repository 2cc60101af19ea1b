"""The process that speaks with Ray for one server: places runs on nodes, and tidies up behind those that have ended.

Arguments: the descriptor of the line to the server, the cluster's address, the folder of runs. It ends with its server. All it
knows is at Ray and in the folders of runs, so several servers may each have one.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import sys
import time
import uuid
from io import BufferedRWPair
from pathlib import Path
from select import select
from typing import Any

import ray
from ray.util import list_named_actors
from ray.util.placement_group import (
    PlacementGroup,
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from salvia.adapters.compute.process.folders import RunFolders
from salvia.adapters.compute.ray import mark
from salvia.adapters.compute.ray.instance import Instance
from salvia.adapters.compute.ray.mark import Mark
from salvia.adapters.compute.ray.room import Part, fitted
from salvia_container.launch import record

NAMESPACE = "salvia"
_TIDY_SECONDS = 0.5
_DEATH_SECONDS = 5.0  # how long what an actor was looking after may take to end when the actor is gone
_UNKNOWN_SECONDS = 60.0  # how long a placement group may have no run: another server may be about to place it


def main() -> None:
    line, address, runs = socket.socket(fileno=int(sys.argv[1])), sys.argv[2], Path(sys.argv[3])
    ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    cluster = _Cluster(runs)
    with line, line.makefile("rwb") as stream:
        _serve(cluster, line, stream)


def _serve(cluster: "_Cluster", line: socket.socket, stream: BufferedRWPair) -> None:
    """Until the server closes the line. It asks one thing at a time, so nothing of the next is ever in the buffer."""
    while True:
        if not select([line], [], [], _TIDY_SECONDS)[0]:
            cluster.tidy()
            continue
        asked = stream.readline()
        if not asked:
            return
        stream.write(json.dumps(_answer(cluster, json.loads(asked))).encode() + b"\n")
        stream.flush()


def _answer(cluster: "_Cluster", request: dict[str, Any]) -> dict[str, Any]:
    try:
        if request["do"] == "look":
            nodes = cluster.nodes()
            return {"cpus": sum(cpus for cpus, _ in nodes), "memory": sum(memory for _, memory in nodes)}
        return cluster.place(request)
    except (ray.exceptions.RayError, ValueError, OSError) as error:
        return {"error": str(error)}


class _Cluster:
    def __init__(self, runs: Path) -> None:
        self._folders = RunFolders(runs)
        # Names at Ray begin with it: two installations may use one cluster.
        self._prefix = hashlib.sha256(str(runs.resolve()).encode()).hexdigest()[:8]
        self._missed: dict[str, float] = {}  # since when an actor, or the runs of a placement group, are missed
        self._seen: set[str] = set()  # placement groups that have had runs

    def nodes(self) -> list[Part]:
        """What each living node has in all."""
        resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        found = [(float(has.get("CPU", 0)), int(has.get("memory", 0))) for has in resources]
        return [node for node in found if node[0] > 0]

    def place(self, request: dict[str, Any]) -> dict[str, Any]:
        """Idempotent. The instances of a job are the bundles of one placement group, made with the first of them."""
        name, members, order = request["name"], request["members"], request["order"]
        folder = self._folders.path(name)
        if mark.read(folder) is not None:
            return {}
        group, parts = self._group_of(members, request["shares"], grows=request["grows"])
        index = members.index(name)
        cpus, memory = parts[index]
        order |= {"hosts": request["hosts"], "cpus": cpus, "memory": memory}
        actor = f"{self._prefix}/{uuid.uuid4().hex}/{name}"
        strategy = PlacementGroupSchedulingStrategy(group, index, placement_group_capture_child_tasks=False)
        options = {"name": actor, "lifetime": "detached", "num_cpus": cpus, "memory": memory, "max_restarts": 0}
        ray.remote(Instance).options(**options, scheduling_strategy=strategy).remote(json.dumps(order))
        self._seen.add(self._name_of(group))
        mark.write(folder, Mark(self._name_of(group), actor))
        return {}

    def tidy(self) -> None:
        """Ends what Ray has lost, and gives back the room of jobs whose runs have all ended."""
        marks = {path.parent.name: mark.read(path.parent) for path in self._folders.top.glob(f"[!.]*/{mark.MARK}")}
        taken = {name: found for name, found in marks.items() if found is not None}
        mine = [table for table in placement_group_table().values() if self._is_mine(table)]
        if not taken and not mine:
            self._missed.clear()
            return
        alive = set(list_named_actors())
        busy = {found.placement for name, found in taken.items() if self._goes_on(name, found, alive)}
        self._seen |= {found.placement for found in taken.values()}
        for table in mine:
            name = table["name"]
            if name in busy or (name not in self._seen and not self._is_missed_for(name, _UNKNOWN_SECONDS)):
                continue
            self._seen.discard(name)
            self._missed.pop(name, None)
            remove_placement_group(get_placement_group(name))

    def _goes_on(self, name: str, found: Mark, alive: set[str]) -> bool:
        run = self._folders.observe(name)
        if run is not None and run.exit_code is not None:
            self._missed.pop(found.actor, None)
            return False
        if found.actor not in alive and self._is_missed_for(found.actor, _DEATH_SECONDS):
            self._lose(name)
            return False
        return True

    def _lose(self, name: str) -> None:
        """The node of a run is gone, or is cut off from the cluster, which ends what it has."""
        try:
            with self._folders.open(name) as folder:
                claim = record.claim(folder)  # so that nobody can begin it any more
                record.write_ending(folder, record.Ending(-signal.SIGKILL, time.time(), "Lost"))
                if claim is not None:
                    os.close(claim)
        except FileNotFoundError:  # it was removed meanwhile
            return

    def _is_missed_for(self, name: str, seconds: float) -> bool:
        return time.monotonic() - self._missed.setdefault(name, time.monotonic()) > seconds

    def _group_of(self, members: list[str], shares: list[Part], *, grows: bool) -> tuple[PlacementGroup, list[Part]]:
        """The placement group that one of the job's runs stands in already, or a new one; and the sizes of its bundles."""
        for name in members:
            found = mark.read(self._folders.path(name))
            with contextlib.suppress(ValueError):  # those that were started have ended, and their room is given back
                group = get_placement_group(found.placement if found else "")
                return group, [(bundle["CPU"], int(bundle["memory"])) for bundle in group.bundle_specs]
        parts = shares if grows else fitted([(cpus, memory) for cpus, memory in shares], self.nodes())
        bundles = [{"CPU": cpus, "memory": memory} for cpus, memory in parts]
        name = f"{self._prefix}/{uuid.uuid4().hex}"
        return placement_group(bundles, strategy="SPREAD", name=name, lifetime="detached"), parts

    def _name_of(self, group: PlacementGroup) -> str:
        name: str = placement_group_table(group)["name"]
        return name

    def _is_mine(self, table: dict[str, Any]) -> bool:
        return str(table["name"]).startswith(f"{self._prefix}/") and table["state"] != "REMOVED"


if __name__ == "__main__":
    main()
