"""Where the hosts of a job meet."""

import threading

import pytest

from salvia_algorithms import meeting
from salvia_algorithms.xgboost import distributed
from salvia_container.failure import PlatformError, UserError


def meet(job: str, hosts: tuple[str, ...], with_data: set[str]) -> dict[str, distributed.Cluster | Exception]:
    """All hosts of a job, each in a thread; at most one of them has data, so that no collective is needed."""
    found: dict[str, distributed.Cluster | Exception] = {}

    def host(name: str) -> None:
        try:
            with distributed.joined(job, hosts, name, has_data=name in with_data, patience=5) as cluster:
                found[name] = cluster
        except (UserError, PlatformError) as error:
            found[name] = error

    threads = [threading.Thread(target=host, args=(name,)) for name in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_a_single_host_with_data_trains_alone() -> None:
    hosts = ("127.0.31.1", "127.0.31.2", "127.0.31.3")

    found = meet("one", hosts, {hosts[1]})

    assert found == {
        hosts[0]: distributed.Cluster((hosts[1],), None),
        hosts[1]: distributed.Cluster((hosts[1],), 0),
        hosts[2]: distributed.Cluster((hosts[1],), None),
    }


def test_hosts_without_any_data_all_fail_with_the_reason() -> None:
    hosts = ("127.0.32.1", "127.0.32.2")

    assert {str(error) for error in meet("none", hosts, set()).values()} == {"No hosts received training data."}


def test_jobs_that_share_their_addresses_and_ports_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "ports_of", lambda _job: [21_901, 21_902])
    hosts = ("127.0.33.1", "127.0.33.2")
    found: dict[str, dict[str, distributed.Cluster | Exception]] = {}
    jobs = [
        threading.Thread(target=lambda job=job, data=data: found.update({job: meet(job, hosts, {data})}))
        for job, data in (("a", hosts[0]), ("b", hosts[1]))
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()

    assert [found["a"][host] for host in hosts] == [
        distributed.Cluster((hosts[0],), 0),
        distributed.Cluster((hosts[0],), None),
    ]
    assert [found["b"][host] for host in hosts] == [
        distributed.Cluster((hosts[1],), None),
        distributed.Cluster((hosts[1],), 0),
    ]


def test_a_host_that_never_comes_is_named() -> None:
    hosts = ("127.0.34.1", "127.0.34.2")

    with (
        pytest.raises(PlatformError, match=r"Hosts did not come in time: 127\.0\.34\.2"),
        distributed.joined("lonely", hosts, hosts[0], has_data=True, patience=0.05),
    ):
        pass
