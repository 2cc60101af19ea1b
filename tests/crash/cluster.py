"""Servers that are killed and come back, and clients that go on with whichever answers."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ConnectionClosedError
from botocore.model import OperationModel

from tests.servers import Server

PATIENCE = 60.0  # seconds until a client that never gets an answer gives up


class Cluster:
    """`count` servers on one data folder, with `variables` in their environment, and clients of them, which any thread may use.

    `chance` decides about the kills; what clients draw comes from `draws`, a generator for each thread, so that a seed
    says the same whatever the threads do to each other.
    """

    def __init__(self, data: Path, chance: random.Random, count: int = 1, **variables: str) -> None:
        self.data, self.chance = data, chance
        self.servers = [Server(data, variables=variables) for _ in range(count)]
        self.kills = 0
        self._told: dict[str, str] = {}
        self._clients: dict[tuple[int, str], Any] = {}
        self._making = threading.Lock()

    def __enter__(self) -> Self:
        for server in self.servers:
            server.start()
        self._told = self.servers[0].variables()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.close()
        for server in self.servers:
            server.stop()
        if error is not None:
            print(self.said()[-10_000:])  # noqa: T201 - pytest shows it

    def draws(self) -> random.Random:
        return random.Random(self.chance.random())

    def said(self) -> str:
        """What the servers said beyond that they are ready: warnings and errors."""
        said = [line for server in self.servers for line in server.output.read_text().splitlines()]
        return "\n".join(line for line in said if line and not line.startswith("Salvia is ready"))

    # ------------------------------------------------------------- kills

    def kill(self, *servers: Server) -> None:
        """Kill -9 (of all, when none is named), all before the first comes back."""
        for server in servers or self.servers:
            server.kill()
            self.kills += 1

    def restart(self, *servers: Server) -> None:
        chosen = servers or self.servers
        for server in chosen:
            server.spawn()
        for server in chosen:
            server.wait_until_ready()

    def kill_at_random(self, times: int, least: float = 0.05, most: float = 0.6) -> None:
        """Kill a server after a while, `times` times over, and let it come back.

        One time in five it is killed again while it starts; of several servers, one time in five all are killed at once.
        """
        until = self.kills + times
        while self.kills < until:
            time.sleep(self.chance.uniform(least, most))
            victims = self.servers if self.chance.random() < 0.2 else [self.chance.choice(self.servers)]
            self.kill(*victims)
            if self.chance.random() < 0.2:
                for server in victims:
                    server.spawn()
                time.sleep(self.chance.uniform(0, 0.8))
                self.kill(*victims)
            self.restart(*victims)

    # ------------------------------------------------------------- clients

    def client(self, service: str, server: Server | None = None) -> Any:
        """A boto3 client that does not try again by itself; of any server unless one is named."""
        server = server or random.choice(self.servers)
        key = (server.port, service)
        with self._making:
            if key not in self._clients:
                self._clients[key] = server.client(service, self._told, read_timeout=30)
                self._clients[key].meta.events.register("before-parse", _whole)
            return self._clients[key]

    def ask(self, service: str, call: Callable[[Any], Any]) -> Any:
        """The answer of whichever server answers. Raises ClientError as soon as one refuses."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            with suppress(BotoCoreError):
                return call(self.client(service))
            time.sleep(0.05)
        raise AssertionError(f"no server answered for {PATIENCE} s")

    def make_bucket(self, name: str) -> None:
        where = {"LocationConstraint": "us-west-2"}
        self.ask("s3", lambda s3: s3.create_bucket(Bucket=name, CreateBucketConfiguration=where))


def _whole(response_dict: dict[str, Any], operation_model: OperationModel, **_: Any) -> None:
    """Botocore takes an answer that was cut short by a kill for an empty one. Raises ConnectionClosedError."""
    body, stated = response_dict["body"], response_dict["headers"].get("content-length", 0)
    if isinstance(body, bytes) and len(body) < int(stated) and operation_model.http["method"] != "HEAD":
        raise ConnectionClosedError(endpoint_url="the server that was killed")


class Until:
    """Threads' way to know that they shall end; `failures` is what they died of."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.failures: list[BaseException] = []

    def __bool__(self) -> bool:
        """True while the work goes on."""
        return not self.over.is_set()

    def run(self, work: "Callable[[Until], None]") -> None:
        try:
            work(self)
        except BaseException as error:  # noqa: BLE001 - raised again where the threads are joined
            self.failures.append(error)
            self.over.set()


@contextmanager
def working(*works: Callable[[Until], None]) -> Iterator[Until]:
    """Each of `works` in a thread while the context lasts; what one raises is raised at its end."""
    until = Until()
    threads = [threading.Thread(target=until.run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield until
    finally:
        until.over.set()
        for thread in threads:
            thread.join(PATIENCE)
    if until.failures:
        raise until.failures[0]
