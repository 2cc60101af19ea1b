"""Several instances as one: which rows each of them trains on, and where LightGBM's own network meets."""

import socket

import numpy as np

from salvia_algorithms.first_party.collective import Collective
from salvia_algorithms.meeting import address_of
from salvia_algorithms.tabular.data import Rows
from salvia_container.failure import UserError
from salvia_container.training import TrainingEnvironment

LOOPBACK = "127."
MINUTES = 10  # after which a host that says nothing counts as lost


def shared(rows: Rows, hosts: Collective) -> Rows:
    """The rows of all hosts, on every host."""
    if hosts.size == 1:
        return rows
    return Rows(np.concatenate(hosts.gathered(rows.label)), np.concatenate(hosts.gathered(rows.features)))


def agreed(columns: int, hosts: Collective) -> int:
    """How many columns there are; hosts without files have none. Raises UserError where they differ."""
    found = sorted({count for count in hosts.all(columns) if count})
    if len(found) > 1:
        raise UserError(f"The training data has {found[0]} columns on one host and {found[1]} on another")
    return found[0] if found else 0


def network(environment: TrainingEnvironment, hosts: Collective) -> dict[str, object]:
    """LightGBM's parameters for a network of the hosts; none for a single one.

    LightGBM knows itself among the machines by an address of this machine and the port, so hosts that share a machine are
    told apart by their ports.
    """
    if hosts.size == 1:
        return {}
    address = address_of(environment.current_host)
    if address.startswith(LOOPBACK):
        address = "127.0.0.1"
    with socket.create_server((address, 0)) as free:  # held until all have one: no two may choose the same
        port = free.getsockname()[1]
        machines = hosts.all(f"{address}:{port}")
    return {
        "machines": ",".join(machines),
        "local_listen_port": port,
        "num_machines": hosts.size,
        "time_out": MINUTES,
    }
