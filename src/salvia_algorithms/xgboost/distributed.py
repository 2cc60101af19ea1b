"""Several instances as one: who takes part, and the collective they train in.

Where the hosts meet, each says whether it has data. Then the first host starts XGBoost's tracker on a port the system
chooses, and tells those with data where it is.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from xgboost import collective
from xgboost.core import XGBoostError
from xgboost.tracker import RabitTracker

from salvia_algorithms.meeting import MEETING_SECONDS, Message, address_of, attended, gathered
from salvia_container.failure import AlgorithmError, UserError

COLLECTIVE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Cluster:
    """The hosts with data, and this one's place among them. `rank` 0 saves the model; None: this host takes no part."""

    members: tuple[str, ...]
    rank: int | None


@contextlib.contextmanager
def joined(
    job: str, hosts: tuple[str, ...], current_host: str, *, has_data: bool, patience: float = MEETING_SECONDS
) -> Iterator[Cluster]:
    """Within this context, XGBoost's collective joins all hosts that have data. All hosts of the job must enter it."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_in_touch(hosts))
        if current_host != hosts[0]:
            with attended(job, hosts, current_host, {"has_data": has_data}, patience) as (plan, _):
                pass
        else:
            with gathered(job, hosts, patience) as present:
                members = [
                    host for host in hosts if (has_data if host == current_host else present[host].said["has_data"])
                ]
                plan = {"members": members, "tracker": stack.enter_context(_tracker(hosts, members))}
                for guest in present.values():
                    guest.tell(plan)
        yield stack.enter_context(_member(plan, current_host))


@contextlib.contextmanager
def _member(plan: Message, current_host: str) -> Iterator[Cluster]:
    members = tuple(plan["members"])
    if not members:
        raise UserError("No hosts received training data.")
    if current_host not in members:
        yield Cluster(members, None)
        return
    if len(members) == 1:
        yield Cluster(members, 0)
        return
    arguments = {
        **plan["tracker"],
        "dmlc_communicator": "rabit",
        "dmlc_task_id": f"{members.index(current_host):06d}",  # the tracker ranks by it
        "dmlc_timeout": COLLECTIVE_SECONDS,
    }
    with collective.CommunicatorContext(**arguments):
        yield Cluster(members, collective.get_rank())


@contextlib.contextmanager
def _in_touch(hosts: tuple[str, ...]) -> Iterator[None]:
    """What the collective and its tracker say when a host is gone, in words."""
    try:
        yield
    except XGBoostError as error:
        told = str(error).split("Stack trace", maxsplit=1)[0].strip()
        raise AlgorithmError(f"The hosts {', '.join(hosts)} lost touch with each other: {told}") from error


@contextlib.contextmanager
def _tracker(hosts: tuple[str, ...], members: list[str]) -> Iterator[Message]:
    if len(members) < 2:
        yield {}
        return
    tracker = RabitTracker(n_workers=len(members), host_ip=address_of(hosts[0]), port=0, sortby="task")
    tracker.start()
    try:
        yield dict(tracker.worker_args())
        tracker.wait_for()  # this host may have no data: the tracker must outlive the others' training
    finally:
        with contextlib.suppress(XGBoostError):  # after a failure there may be nothing left to free
            tracker.free()
