"""Hosts that add up what each has."""

import threading
from pathlib import Path

import numpy as np

from salvia_algorithms.first_party.collective import Collective, joined
from salvia_container.failure import AlgorithmError
from salvia_container.training import TrainingEnvironment


def environment(hosts: tuple[str, ...], current: str, job: str) -> TrainingEnvironment:
    return TrainingEnvironment(Path("/nowhere"), {}, {}, hosts, current, None, job)


def test_a_single_host_gets_back_what_it_gave() -> None:
    with joined(environment(("algo-1",), "algo-1", "one")) as hosts:
        assert hosts.sum(np.arange(3)).tolist() == [0, 1, 2]
        assert hosts.all("x") == ["x"]


def test_every_host_gets_the_same_sum_and_everybodys_word() -> None:
    hosts = ("127.0.41.1", "127.0.41.2", "127.0.41.3")
    found: dict[str, object] = {}

    def host(name: str) -> None:
        with joined(environment(hosts, name, "three"), patience=10) as together:
            total = together.sum(np.full((2, 1), together.rank + 1.0))
            again = together.sum(np.array([together.rank], np.float32))
            parts = [part.tolist() for part in together.gathered(np.full((together.rank, 2), together.rank))]
            found[name] = total.tolist(), again.tolist(), together.all({"rank": together.rank}), parts

    threads = [threading.Thread(target=host, args=(name,)) for name in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    parts = [[], [[1, 1]], [[2, 2], [2, 2]]]
    expected = ([[6.0], [6.0]], [3.0], [{"rank": 0}, {"rank": 1}, {"rank": 2}], parts)
    assert found == dict.fromkeys(hosts, expected)


def test_a_host_that_goes_is_noticed_by_the_others() -> None:
    hosts = ("127.0.42.1", "127.0.42.2")
    errors: list[Exception] = []

    def first() -> None:
        try:
            with joined(environment(hosts, hosts[0], "two"), patience=10) as together:
                together.sum(np.ones(1))
        except AlgorithmError as error:
            errors.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    with joined(environment(hosts, hosts[1], "two"), patience=10):
        pass
    thread.join()

    assert [str(error) for error in errors] == [
        "The hosts 127.0.42.1, 127.0.42.2 lost touch with each other: a host is gone"
    ]


def test_one_host_is_first_of_one() -> None:
    assert (Collective().rank, Collective().size) == (0, 1)
