"""One instance's part of the data: each object is read in pieces, sent through the containers, and its answers become one object.

At most one server sends an instance's data at a time: it holds a lock on a file beside the run, which the kernel frees when it dies.
Whoever goes on then sees in S3 which objects have their output, and does the others. How it went stands in a file beside the lock.
"""

import asyncio
import fcntl
import gzip
import json
import os
import time
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from salvia.ports.objects import NoSuchObjectError, Placement
from salvia.ports.serving import ModelAnswer, ModelRequest, NoAnswerError, UnsendableError
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sagemaker.runs.channels import bucket_and_key
from salvia.services.sagemaker.runs.places import Item
from salvia.services.sagemaker.transform.joining import JoinError, Joining
from salvia.services.sagemaker.transform.records import RecordError, payloads

PAUSE = 0.5  # seconds before an invocation is tried again; twice as long before the next time
USUAL_SECONDS, USUAL_RETRIES, USUAL_MEGABYTES = 600, 3, 6
_MOST_SAID = 200  # characters of an error's body in the log
_PROBING_SECONDS = 10.0
_TOO_MANY = 429


class SendingError(Exception):
    """An object could not be transformed; the text says why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`concurrent` requests at once, of at most `most` bytes, each with one record (`single`) or as many as fit."""

    concurrent: int
    most: int
    single: bool

    @classmethod
    async def of(cls, world: World, job: Record, run: str) -> "Limits":
        """What the request says, else what the container says of itself, else AWS's defaults."""
        said = await _execution_parameters(world, run) if not job.spec.get("MaxConcurrentTransforms") else {}
        spec = said | {name: job.spec[name] for name in _PARAMETERS if job.spec.get(name)}
        megabytes = USUAL_MEGABYTES if spec.get("MaxPayloadInMB") is None else spec["MaxPayloadInMB"]
        if job.spec.get("MaxPayloadInMB") == 0:
            megabytes = 100
        single = str(spec.get("BatchStrategy", "")).replace("_", "").lower() == "singlerecord"
        return cls(max(1, int(spec.get("MaxConcurrentTransforms") or 1)), int(megabytes) << 20, single)


_PARAMETERS = ("MaxConcurrentTransforms", "MaxPayloadInMB", "BatchStrategy")


@dataclass(frozen=True, slots=True)
class Sending:
    """`runs` are the instance's containers in their order, `items` its objects, `log` the file of its data log."""

    world: World
    job: Record
    runs: tuple[str, ...]
    items: list[Item]
    log: Path

    async def send(self) -> list[str]:
        """Returns why objects failed, each with its name."""
        limits = await Limits.of(self.world, self.job, self.runs[0])
        strategy = "SINGLE_RECORD" if limits.single else "MULTI_RECORD"
        self._say(
            f"MaxConcurrentTransforms={limits.concurrent}, MaxPayloadInMB={limits.most >> 20}, BatchStrategy={strategy}"
        )
        failures: list[str] = []
        left = iter(enumerate({item.path: item for item in self.items}.values()))
        workers = max(1, min(limits.concurrent, len(self.items)))
        window = max(1, limits.concurrent // workers)
        async with asyncio.TaskGroup() as group:  # what goes wrong unexpectedly ends all of them
            for _ in range(workers):
                group.create_task(self._work(left, limits, window, failures))
        return failures

    async def _work(self, left: Iterator[tuple[int, Item]], limits: Limits, window: int, failures: list[str]) -> None:
        for number, item in left:
            try:
                if not await self._stands(item):
                    await self._transform(number, item, limits, window)
            except (SendingError, RecordError, JoinError, NoSuchObjectError) as error:
                failures.append(f"{item.bucket}/{item.key}: {error}")
                self._say(failures[-1])

    async def _stands(self, item: Item) -> bool:
        """Whether the job has made the item's output already: an output is written once, and whole."""
        try:
            info = await self.world.objects.head(*self._target(item))
        except NoSuchObjectError:
            return False
        return info.modified >= self.job.created

    async def _transform(self, number: int, item: Item, limits: Limits, window: int) -> None:
        beside = folder_of(self.world, self.runs[0])
        source, target = beside / f"input-{number}", beside / f"output-{number}"
        source.unlink(missing_ok=True)
        await self.world.objects.place([Placement(item.bucket, item.key, source)])
        try:
            with self._opened(source) as file, target.open("wb") as out:
                await self._stream(file, out, limits, window)
            accept = self.job.spec["TransformOutput"].get("Accept", "")
            await self.world.objects.put_file(*self._target(item), target, content_type=accept)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise SendingError("the object is not gzip, but the input has CompressionType Gzip") from error
        finally:
            source.unlink(missing_ok=True)
            target.unlink(missing_ok=True)

    async def _stream(self, file: BinaryIO, out: BinaryIO, limits: Limits, window: int) -> None:
        """Up to `window` requests at once; what is answered is written in the order of the records."""
        split, lines = (
            self.job.spec["TransformInput"]["SplitType"],
            self.job.spec["TransformOutput"]["AssembleWith"] == "Line",
        )
        joining = Joining.of(self.job.spec)
        pieces = payloads(file, split, single=limits.single, most=limits.most)
        asked: deque[asyncio.Task[bytes]] = deque()
        try:
            while (payload := await asyncio.to_thread(next, pieces, None)) is not None:
                asked.append(asyncio.create_task(self._answered(payload, joining)))
                while asked and (asked[0].done() or len(asked) >= window):
                    _write(out, await asked.popleft(), lines)
            while asked:
                _write(out, await asked.popleft(), lines)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _answered(self, payload: bytes, joining: Joining | None) -> bytes:
        sent = await asyncio.to_thread(joining.to_send, payload) if joining else payload
        answer = await self._through(sent)
        return await asyncio.to_thread(joining.to_keep, payload, answer) if joining else answer

    async def _through(self, payload: bytes) -> bytes:
        spec = self.job.spec
        kinds = {"content-type": spec["TransformInput"].get("ContentType")}
        kinds["accept"] = spec["TransformOutput"].get("Accept")
        request = ModelRequest(payload, {name: kind for name, kind in kinds.items() if kind})
        for run in self.runs:
            answer = await self._ask(run, request)
            assert isinstance(answer.body, bytes)
            kind = {"content-type": answer.headers["content-type"]} if "content-type" in answer.headers else {}
            request = ModelRequest(answer.body, {**request.headers, **kind})
        return request.body

    async def _ask(self, run: str, request: ModelRequest) -> ModelAnswer:
        config = self.job.spec.get("ModelClientConfig") or {}
        seconds = config.get("InvocationsTimeoutInSeconds", USUAL_SECONDS)
        tries = 1 + int(config.get("InvocationsMaxRetries", USUAL_RETRIES))
        why = ""
        for number in range(tries):
            if number:
                await asyncio.sleep(PAUSE * 2 ** (number - 1))
            try:
                answer = await self.world.serving.ask(run, request, seconds=seconds)
            except TimeoutError:
                why = f"Model server did not respond to /invocations request within {seconds} seconds"
                continue
            except NoAnswerError as error:
                why = f"Unable to get response from algorithm: {error}"
                continue
            except UnsendableError as error:
                raise SendingError(f"a header of the request cannot be sent: {error}") from error
            if answer.status < 400:
                return answer
            said = answer.body[:_MOST_SAID].decode(errors="replace") if isinstance(answer.body, bytes) else ""
            why = f"Bad HTTP status received from algorithm: {answer.status}" + (f": {said}" if said.strip() else "")
            if answer.status < 500 and answer.status != _TOO_MANY:
                break
        raise SendingError(why)

    def _target(self, item: Item) -> tuple[str, str]:
        bucket, prefix = bucket_and_key(self.job.spec["TransformOutput"]["S3OutputPath"])
        return bucket, f"{prefix.rstrip('/')}/{item.path}.out".lstrip("/")

    def _opened(self, source: Path) -> BinaryIO:
        if self.job.spec["TransformInput"]["CompressionType"] == "Gzip":
            return gzip.open(source, "rb")  # type: ignore[return-value]
        return source.open("rb")

    def _say(self, text: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.world.clock.now()))
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{now}:[sagemaker logs]: {' '.join(text.splitlines())}\n")


def folder_of(world: World, run: str) -> Path:
    """Beside the run's /opt/ml: it does not see this folder, and takes it along when it is removed."""
    return world.compute.folder(run).parent


def lock(folder: Path) -> int | None:
    """The right to send, for as long as this process lives and does not close it; None when another has it."""
    descriptor = os.open(folder / "sending", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def write_outcome(folder: Path, failures: list[str]) -> None:
    part = folder / "sent.part"
    part.write_text(json.dumps(failures))
    part.rename(folder / "sent.json")


def outcome(folder: Path) -> list[str] | None:
    """Why objects failed; None while it is not known."""
    with suppress(FileNotFoundError):
        found: list[str] = json.loads((folder / "sent.json").read_text())
        return found
    return None


def _write(out: BinaryIO, answer: bytes, lines: bool) -> None:
    out.write(answer)
    if lines and not answer.endswith(b"\n"):
        out.write(b"\n")


async def _execution_parameters(world: World, run: str) -> dict[str, Any]:
    request = ModelRequest(path="/execution-parameters", method="GET")
    try:
        answer = await world.serving.ask(run, request, seconds=_PROBING_SECONDS)
        said = json.loads(answer.body) if answer.status == 200 and isinstance(answer.body, bytes) else {}
    except (NoAnswerError, TimeoutError, ValueError):
        return {}
    return {name: said[name] for name in _PARAMETERS if name in said} if isinstance(said, dict) else {}
