"""What the engine says of the machine it is on."""

import dataclasses
from pathlib import Path

from salvia.adapters.compute.process.abilities import Abilities, probe

ALL = Abilities(privileged=True, user_namespaces="", mounts="", processes="", network="", memory_groups="")


def test_a_machine_that_runs_these_tests_can_make_sandboxes(tmp_path: Path) -> None:
    found = probe(tmp_path)

    assert found.sandbox
    assert (found.mounts, found.processes, found.network) == ("", "", "")
    assert found.advice() == ""


def test_a_machine_without_namespaces_is_told_what_to_change() -> None:
    denied = dataclasses.replace(ALL, mounts="unshare: Operation not permitted")

    assert not denied.sandbox
    assert "does not let Salvia make sandboxes for jobs (unshare: Operation not permitted)" in denied.advice()
