"""Data capture: what a line holds, where it goes, and that an answer that went out has its line."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from salvia.ports.serving import ModelAnswer
from salvia.services.sagemaker_runtime.capture import Captures
from salvia.services.sagemaker_runtime.invoke import invoke_endpoint
from tests.services.sagemaker.hosting.conftest import Bench, variant

CONFIG = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://bucket/capture/",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def serving(bench: Bench, **changes: Any) -> None:
    await bench.model()
    await bench.config("c", variant(), DataCaptureConfig=CONFIG | changes)
    await bench.create(name="e")
    await bench.steps()


def lines(bench: Bench) -> list[Any]:
    return [json.loads(line) for data in bench.objects.buckets["bucket"].values() for line in data.splitlines()]


async def test_a_line_is_laid_out_as_aws_lays_it_out(bench: Bench) -> None:
    await serving(bench)
    bench.serving.handlers[bench.running[0]] = lambda _: ModelAnswer(
        200, {"content-type": "text/csv; charset=utf-8"}, b"9"
    )

    await invoke_endpoint(bench.world, bench.asked(ContentType="text/csv", CustomAttributes="a=1", InferenceId="id"))
    await Captures.of(bench.world).send()

    ((key, data),) = bench.objects.buckets["bucket"].items()
    (line,) = [json.loads(line) for line in data.splitlines()]
    assert key.startswith("capture/e/A/2023/11/14/22/13-20-000-")
    assert key.endswith(".jsonl")
    event = line["eventMetadata"].pop("eventId")
    assert event
    assert line == {
        "captureData": {
            "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2", "encoding": "CSV"},
            "endpointOutput": {
                "observedContentType": "text/csv; charset=utf-8",
                "mode": "OUTPUT",
                "data": "9",
                "encoding": "CSV",
            },
        },
        "eventMetadata": {"customAttributes": ["a=1"], "inferenceId": "id", "inferenceTime": "2023-11-14T22:13:20Z"},
        "eventVersion": "0",
    }


@pytest.mark.parametrize(
    ("kind", "body", "encoding", "data"),
    [
        ("application/json", b"{}", "JSON", "{}"),
        ("application/x-npy", b"\x93N", "BASE64", "k04="),
        ("text/csv", b"\xff", "BASE64", "/w=="),
    ],
)
async def test_data_is_written_by_its_content_type(
    bench: Bench, kind: str, body: bytes, encoding: str, data: str
) -> None:
    await serving(bench)

    await invoke_endpoint(bench.world, bench.asked(ContentType=kind, Body=body))
    await Captures.of(bench.world).send()

    captured = lines(bench)[0]["captureData"]["endpointInput"]
    assert (captured["encoding"], captured["data"]) == (encoding, data)


async def test_a_server_that_was_killed_leaves_lines_that_the_next_one_sends(bench: Bench) -> None:
    await serving(bench)
    await invoke_endpoint(bench.world, bench.asked())
    killed = bench.world.parts.pop("captures")
    before = lines(bench)
    alive = Captures.of(bench.world)
    await alive.recover()
    still_locked = lines(bench)
    for journal in killed._open.values():
        os.close(journal.file)

    await alive.recover()

    assert (before, still_locked) == ([], [])
    assert len(lines(bench)) == 1
    assert list((bench.world.settings.data / "capture").iterdir()) == []


async def test_a_part_of_the_requests_is_captured_when_that_is_asked(bench: Bench) -> None:
    await serving(bench, InitialSamplingPercentage=30, CaptureOptions=[{"CaptureMode": "Input"}])

    for _ in range(200):
        await invoke_endpoint(bench.world, bench.asked())
    await Captures.of(bench.world).send()

    assert 30 < len(lines(bench)) < 95
    assert set(lines(bench)[0]["captureData"]) == {"endpointInput"}


async def test_what_cannot_be_written_costs_no_answer(bench: Bench) -> None:
    await serving(bench, DestinationS3Uri="s3://missing/x")

    reply = await invoke_endpoint(bench.world, bench.asked())
    await Captures.of(bench.world).send()

    assert reply["Body"] == b"1,2"


async def test_an_endpoint_that_captures_nothing_writes_nothing(bench: Bench) -> None:
    await serving(bench, EnableCapture=False)

    await invoke_endpoint(bench.world, bench.asked())

    assert "captures" not in bench.world.parts
