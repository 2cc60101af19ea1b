"""Multi-model variants: a run for each model that is asked for, and none for the others."""

import asyncio
from dataclasses import replace

import pytest

from salvia.base.errors import AwsError
from salvia.services.sagemaker.hosting import many_models
from salvia.services.sagemaker_runtime.invoke import invoke_endpoint
from tests.services.sagemaker.hosting.conftest import CONTAINER, Bench
from tests.services.sagemaker.runs.test_model import file, packed

tasks: list[object] = []  # of the loop, which looks when it is told to


async def deployed(bench: Bench, *names: str) -> None:
    for name in names:
        bench.objects.buckets["bucket"][f"models/{name}.tar.gz"] = packed(file("name", name.encode()))
    container = CONTAINER | {"Mode": "MultiModel", "ModelDataUrl": "s3://bucket/models/"}
    await bench.model(PrimaryContainer=container)
    await bench.config()
    await bench.create()
    await bench.steps()
    bench.world.settings = replace(bench.world.settings, invocation_seconds=2.0)
    alone = asyncio.Lock()  # the loop looks at a record once at a time

    async def look() -> None:
        async with alone:
            await bench.steps(4)

    bench.world.look = lambda *_: tasks.append(asyncio.ensure_future(look()))


async def ask(bench: Bench, target: str) -> None:
    await invoke_endpoint(bench.world, bench.asked(TargetModel=target))


async def test_a_model_is_loaded_when_it_is_first_asked_for(bench: Bench) -> None:
    await deployed(bench, "a", "b")
    before = (await bench.status(), len(bench.compute.launched))

    await ask(bench, "a.tar.gz")
    await ask(bench, "a.tar.gz")
    await ask(bench, "b.tar.gz")

    assert before == ("InService", 0)
    assert [(bench.compute.folder(run) / "model/name").read_text() for run in bench.running] == ["a", "b"]
    assert [run for run, _ in bench.serving.asked] == [bench.running[0], bench.running[0], bench.running[1]]
    assert bench.serving.asked[0][1].headers["x-amzn-sagemaker-target-model"] == "a.tar.gz"


async def test_a_model_that_is_not_there_fails_its_own_requests_only(bench: Bench) -> None:
    await deployed(bench, "a")

    with pytest.raises(AwsError, match="Failed to download model data"):
        await ask(bench, "none.tar.gz")
    await ask(bench, "a.tar.gz")

    assert await bench.status() == "InService"
    bench.objects.buckets["bucket"]["models/none.tar.gz"] = packed(file("name", b"late"))
    bench.clock.advance(many_models.FORGIVEN + 1)
    await bench.steps(2)
    await ask(bench, "none.tar.gz")


async def test_the_one_that_was_asked_for_longest_ago_makes_room(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_models, "MOST", 2)
    await deployed(bench, "a", "b", "c")
    for name in ("a", "b", "a", "c"):
        bench.clock.advance(1)
        await ask(bench, f"{name}.tar.gz")
    await bench.steps(2)

    assert [(bench.compute.folder(run) / "model/name").read_text() for run in bench.running] == ["a", "c"]


async def test_every_model_goes_with_its_endpoint(bench: Bench) -> None:
    await deployed(bench, "a", "b")
    for name in ("a", "b"):
        await ask(bench, f"{name}.tar.gz")
    await bench.delete()
    await bench.kind.reconcile(await bench.record())

    assert not bench.running
    assert len(bench.compute.launched) == 2


async def test_a_multi_model_endpoint_must_be_told_which_model(bench: Bench) -> None:
    await deployed(bench, "a")

    with pytest.raises(AwsError, match="TargetModel must be specified"):
        await invoke_endpoint(bench.world, bench.asked())
