"""Data capture: what was asked and answered, as JSON lines in S3, where Model Monitor looks for it.

A record is appended to a file of this server before its answer goes out, and the page cache keeps it whatever happens to the
process; files become objects a few seconds later, those that a killed server left when the next one starts.

Source: "Capture data from real-time endpoint" in the SageMaker documentation.
"""

import asyncio
import base64
import fcntl
import json
import logging
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.base.ids import request_id
from salvia.ports.objects import NoSuchObjectError
from salvia.ports.serving import ModelAnswer, ModelRequest
from salvia.resources.fleet import Route, Variant
from salvia.resources.world import World

_MOST_BYTES = 8 << 20  # of one file
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Journal:
    """A file that grows, in one hour and `until` a time of the monotonic clock. `file` is locked while its server lives."""

    path: Path
    file: int
    hour: int
    until: float
    size: int = 0


_NONE = _Journal(Path(), -1, -1, 0.0)


class Captures:
    """The open files of this server."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._folder = world.settings.data / "capture"
        self._open: dict[tuple[str, str], _Journal | None] = {}  # by endpoint's ARN and variant; None: the role may not
        self._opening = asyncio.Lock()
        self._sending: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, world: World) -> "Captures":
        found: Captures | None = world.parts.get("captures")
        if found is None:
            found = world.parts["captures"] = cls(world)
        return found

    async def keep(
        self, route: Route, variant: Variant, params: Mapping[str, Any], request: ModelRequest, answer: ModelAnswer
    ) -> None:
        """Append a record, by the chance that the endpoint's configuration says. A failure costs the record, not the answer."""
        config = route.facts["capture"]
        sampled = config["InitialSamplingPercentage"]
        if sampled < 100 and random.random() * 100 >= sampled:  # noqa: S311 - a sample
            return
        try:
            journal = await self._journal(route, variant, config)
            if journal is not None:
                line = orjson.dumps(_record(config, params, request, answer, self._world.clock.now())) + b"\n"
                journal.size += os.write(journal.file, line)
        except OSError:
            _log.exception("data capture of %s failed", route.arn)

    async def send(self) -> None:
        """Make objects of all the files."""
        for key in list(self._open):
            await self._send(key)

    async def recover(self) -> None:
        """Send what servers left that are no more."""
        for path in sorted(self._folder.glob("*.jsonl")):
            try:
                file = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its server lives
            finally:
                os.close(file)
            await self._upload(path)

    async def _journal(self, route: Route, variant: Variant, config: Mapping[str, Any]) -> _Journal | None:
        """Nothing is awaited where there is a file that may grow: it cannot be closed before it is written to."""
        key, now = (route.arn, variant.name), self._world.clock.now()
        if self._may_grow(key, now):
            return self._open[key]
        async with self._opening:
            if not self._may_grow(key, now):
                await self._send(key)
                self._open[key] = await self._begun(route, variant, config, now)
                if self._sending is None:
                    self._sending = asyncio.get_running_loop().create_task(self._send_later())
            return self._open[key]

    def _may_grow(self, key: tuple[str, str], now: float) -> bool:
        found = self._open.get(key, _NONE)
        return found is None or (found.hour == int(now // 3600) and found.size < _MOST_BYTES)

    async def _send(self, key: tuple[str, str]) -> None:
        journal = self._open.pop(key, None)
        if journal is not None:
            os.close(journal.file)
            await self._upload(journal.path)

    async def _begun(self, route: Route, variant: Variant, config: Mapping[str, Any], now: float) -> _Journal | None:
        bucket, prefix = _bucket_and_prefix(config["DestinationS3Uri"])
        moment = datetime.fromtimestamp(now, UTC)
        name = request_id()
        stem = f"{moment:%M-%S}-{moment.microsecond // 1000:03d}-{name}"
        key = f"{prefix}{route.name}/{variant.name}/{moment:%Y/%m/%d/%H}/{stem}.jsonl"
        if not await self._may_write(route, variant, bucket, key):
            _log.warning("%s captures nothing: its role may not write to %s", route.arn, config["DestinationS3Uri"])
            return None
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{name}.jsonl"
        path.with_suffix(".json").write_text(json.dumps({"bucket": bucket, "key": key}))
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        until = time.monotonic() + self._world.settings.capture_seconds
        return _Journal(path, file, int(now // 3600), until)

    async def _may_write(self, route: Route, variant: Variant, bucket: str, key: str) -> bool:
        account, region, _ = route.key
        try:
            role = await self._world.parts["execution_caller"](variant.role, account)
            await self._world.parts["authorize"](Call("s3", "PutObject", {"Bucket": bucket, "Key": key}, role, region))
        except AwsError:
            return False
        return True

    async def _upload(self, path: Path) -> None:
        """The key is in a file beside it, so that doing it twice leaves one object."""
        try:
            place = _place_of(path)
            if place is not None:
                await self._world.objects.put_file(*place, path, content_type="application/jsonlines")
        except NoSuchObjectError as error:
            _log.warning("captured data stays in %s: %s", path.name, error)
            return
        _discard(path)

    async def _send_later(self) -> None:
        """A file that began less than a period ago waits for the next; whoever may not write is looked at again."""
        while self._open:
            await asyncio.sleep(self._world.settings.capture_seconds / 2)
            for key, journal in list(self._open.items()):
                if journal is None or time.monotonic() >= journal.until:
                    await self._send(key)
        self._sending = None


def _place_of(path: Path) -> tuple[str, str] | None:
    """The bucket and key of what is in the file; None when there is nothing in it, or another server was faster."""
    try:
        place = json.loads(path.with_suffix(".json").read_text())
        return (place["bucket"], place["key"]) if path.stat().st_size else None
    except (FileNotFoundError, ValueError):
        return None


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)


def _record(
    config: Mapping[str, Any], params: Mapping[str, Any], request: ModelRequest, answer: ModelAnswer, now: float
) -> dict[str, Any]:
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    data: dict[str, Any] = {}
    if modes & {"Input", "InputAndOutput"}:
        data["endpointInput"] = _captured(config, "INPUT", request.headers.get("content-type", ""), request.body)
    if modes & {"Output", "InputAndOutput"}:
        body = answer.body if isinstance(answer.body, bytes) else b""
        data["endpointOutput"] = _captured(config, "OUTPUT", answer.headers.get("content-type", ""), body)
    about: dict[str, Any] = {"eventId": request_id()}
    if "CustomAttributes" in params:
        about["customAttributes"] = [params["CustomAttributes"]]
    if "InferenceId" in params:
        about["inferenceId"] = params["InferenceId"]
    about["inferenceTime"] = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"captureData": data, "eventMetadata": about, "eventVersion": "0"}


def _captured(config: Mapping[str, Any], mode: str, kind: str, body: bytes) -> dict[str, str]:
    """What is of no listed content type, or is not UTF-8, is encoded as Base64."""
    listed = config.get("CaptureContentTypeHeader") or {}
    plain = kind.partition(";")[0].strip().lower()
    encoding = "BASE64"
    if plain in {one.lower() for one in listed.get("CsvContentTypes") or ()}:
        encoding = "CSV"
    elif plain in {one.lower() for one in listed.get("JsonContentTypes") or ()}:
        encoding = "JSON"
    try:
        text = body.decode() if encoding != "BASE64" else ""
    except UnicodeDecodeError:
        encoding = "BASE64"
    if encoding == "BASE64":
        text = base64.b64encode(body).decode()
    return {"observedContentType": kind, "mode": mode, "data": text, "encoding": encoding}


def _bucket_and_prefix(uri: str) -> tuple[str, str]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
