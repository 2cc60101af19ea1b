"""What CloudWatch is told of the processors and the memory of an endpoint's instances."""

from salvia.ports.usage import Used
from salvia.resources.instances import GIB
from tests.services.sagemaker.hosting.conftest import Bench, variant

CPU, MEMORY = "CPUUtilization", "MemoryUtilization"


def told(bench: Bench) -> list[tuple[str, float]]:
    found = sorted((key.name, round(one.total, 3)) for key, one in bench.told)
    bench.told.clear()
    return found


async def test_each_minute_tells_of_each_instance(bench: Bench) -> None:
    await bench.model()
    await bench.config("c", variant(InitialInstanceCount=2))
    await bench.create()
    await bench.steps(3)
    one, two = bench.running
    bench.told.clear()
    bench.clock.advance(60)
    bench.used |= {one: Used(10.0, 2 * GIB), two: Used(5.0, GIB)}
    await bench.steps()
    first = told(bench)
    bench.clock.advance(60)
    bench.used |= {one: Used(40.0, GIB), two: Used(5.0, GIB)}
    await bench.step()
    namespaces = {(key.namespace, key.dimensions) for key, _ in bench.told}
    second = told(bench)
    bench.clock.advance(30)
    await bench.step()

    assert first == [(MEMORY, 12.5), (MEMORY, 25.0)]
    assert second == [(CPU, 0.0), (CPU, 50.0), (MEMORY, 12.5), (MEMORY, 12.5)]
    assert namespaces == {("/aws/sagemaker/Endpoints", (("EndpointName", "e"), ("VariantName", "A")))}
    assert told(bench) == []


async def test_nothing_is_told_of_what_cannot_be_seen_or_was_just_started(bench: Bench) -> None:
    await bench.in_service()
    bench.clock.advance(60)
    bench.used[bench.running[0]] = Used(10.0, GIB)
    await bench.steps()
    bench.die(bench.running[0])
    await bench.steps()
    bench.told.clear()
    bench.clock.advance(60)
    await bench.steps()
    unseen = told(bench)
    bench.used[bench.running[0]] = Used(1000.0, GIB)
    bench.clock.advance(60)
    await bench.steps()

    assert unseen == []
    assert told(bench) == [(MEMORY, 12.5)]
