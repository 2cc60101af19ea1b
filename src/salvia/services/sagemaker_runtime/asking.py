"""An invocation's way: the endpoint's route, a variant by weight, the instance that has least to do, its containers, back.

No table is read on the way. A request that no container can have seen is given to another instance; while there is none it
waits for one, as long as the container itself might have taken.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Protocol

from salvia.base.call import Call
from salvia.base.errors import AwsError
from salvia.ports.serving import ModelAnswer, ModelRequest, NoAnswerError, UnsendableError
from salvia.resources.fleet import Instance, Route, Variant
from salvia.resources.world import World
from salvia.services.sagemaker_runtime import errors, sessions
from salvia.services.sagemaker_runtime.tally import Tallies

_NUDGE = 0.1  # seconds between calls for the control loop while a request waits for an instance

# Members of the requests, as the container gets them.
_HEADERS: Mapping[str, str] = {
    "ContentType": "content-type",
    "Accept": "accept",
    "CustomAttributes": "x-amzn-sagemaker-custom-attributes",
    "InferenceId": "x-amzn-sagemaker-inference-id",
    "SessionId": "x-amzn-sagemaker-session-id",
    "TargetModel": "x-amzn-sagemaker-target-model",
}


class First(Protocol):
    """A request that went to the only container of an instance, and what became of it. Times are of perf_counter."""

    variant: Variant
    instance: Instance
    began: float
    asked: float
    outcome: ModelAnswer | Exception


@dataclass(slots=True)
class Answered:
    answer: ModelAnswer
    route: Route
    variant: Variant
    instance: Instance


async def route_of(world: World, call: Call) -> Route:
    """Raises ValidationError when no such endpoint serves."""
    name: str = call.params["EndpointName"]
    key, fresh = (call.caller.account, call.region, name.lower()), world.settings.route_seconds
    route = world.fleet.fresh(key, fresh) or await world.fleet.find(key, fresh)
    if route is None:
        raise errors.not_found(call, name)
    if not route.variants or call.params.get("InferenceComponentName"):
        return await _component(world, call, route)
    return route


async def _component(world: World, call: Call, endpoint: Route) -> Route:
    """The route of an inference component. Raises ValidationError when the endpoint has none, or it cannot be asked."""
    name: str = call.params.get("InferenceComponentName", "")
    if endpoint.variants or not name:
        raise errors.InvocationInvalid(errors.NO_COMPONENTS if endpoint.variants else errors.WHICH_COMPONENT)
    key, fresh = (call.account, call.region, f"InferenceComponent/{name.lower()}"), world.settings.route_seconds
    route = world.fleet.fresh(key, fresh) or await world.fleet.find(key, fresh)
    if route is None or route.name.lower() != endpoint.key[2]:
        raise errors.InvocationInvalid(
            f"Inference Component {name} of endpoint {endpoint.name} of account {call.account} not found."
        )
    if not route.facts["copies"]:
        Tallies.of(world).find(key, route.name, route.variants[0].name, route.component).no_capacity += 1
        raise errors.InvocationInvalid(errors.NO_CAPACITY)
    return route


def request_of(params: Mapping[str, Any], body: bytes) -> ModelRequest:
    return ModelRequest(body, _headers(*map(params.get, _HEADERS)))


@lru_cache(maxsize=256)
def _headers(*values: str | None) -> Mapping[str, str]:
    """The same object for all requests that say the same."""
    said = zip(_HEADERS.values(), values, strict=True)
    return MappingProxyType({header: value for header, value in said if value is not None})


def aim(route: Route, request: ModelRequest, longest: int) -> tuple[Variant, Instance] | None:
    """Where a request goes when one container, which is there, is all of the variant that it falls to. `longest` is in bytes."""
    variant = route.choose()
    if variant is None or variant.many_models or variant.serverless or len(request.body) > longest:
        return None
    instance = variant.pick()
    return None if instance is None or len(instance.runs) > 1 else (variant, instance)


def count(world: World, route: Route, first: First, status: int) -> None:
    """The container has answered, and the answer is all that is wanted of it."""
    first.instance.in_flight -= 1
    now, variant = time.perf_counter(), first.variant
    tally = Tallies.of(world).find(route.key, route.name, variant.name, route.component)
    tally.count(now - first.asked, now - first.began, status, len(variant.instances))


async def ask(
    world: World,
    call: Call,
    route: Route,
    request: ModelRequest,
    *,
    streams: bool = False,
    seconds: float | None = None,
    first: First | None = None,
) -> Answered:
    """`seconds` is what a container gets instead of the setting; then the request may be of any length too. `first` is where
    the request has gone already.

    Raises AwsError: ModelError when a container answers with an error or too late, ServiceUnavailable when none can.
    """
    began = time.perf_counter() if first is None else first.began
    held = await sessions.held(world, call, route) if "SessionId" in call.params else None
    variant, holder = (first.variant, first.instance) if first else held or (_chosen(route, call), None)
    limit = world.settings.serverless_invocation_bytes if variant.serverless else world.settings.invocation_bytes
    if seconds is None and len(request.body) > limit:
        raise errors.too_long(limit)
    status, model_seconds = 0, 0.0
    try:
        while True:
            instance = _picked(world, call, route, variant) if first is None else None
            if holder is not None:
                instance, holder = holder, None  # should it be gone, another says that it has no such session
            if instance is None:
                route, variant = await _another(world, call, route, variant, began)
                continue
            asked = time.perf_counter() if first is None else first.asked
            instance.in_flight += first is None
            try:
                answer = await through(
                    world, call, route, variant, instance, request, streams, seconds, first.outcome if first else None
                )
                status = answer.status
                return Answered(answer, route, variant, instance)
            except NoAnswerError as error:
                world.fleet.lose(instance)
                if instance in variant.instances:  # the route may have been put anew since this request found its own
                    variant.instances.remove(instance)
                nudge(world, route)
                if error.sent:
                    raise errors.Unavailable("The container went away before it answered. Please try again.") from error
                if variant.many_models:  # there is one instance of a model, and it is not there
                    route, variant = await _another(world, call, route, variant, began)
            except AwsError as error:
                status = int(error.members.get("OriginalStatusCode", 0))
                raise
            finally:
                first = None
                instance.in_flight -= 1
                model_seconds = time.perf_counter() - asked
    finally:
        tally = Tallies.of(world).find(route.key, route.name, variant.name, route.component)
        tally.count(model_seconds, time.perf_counter() - began, status, len(variant.instances))


async def through(
    world: World,
    call: Call,
    route: Route,
    variant: Variant,
    instance: Instance,
    request: ModelRequest,
    streams: bool = False,
    seconds: float | None = None,
    first: ModelAnswer | Exception | None = None,
) -> ModelAnswer:
    """Through the containers of an instance: one, the one that is named, or all in turn. `first` is what became of the first.

    Raises AwsError and NoAnswerError.
    """
    runs, labels = instance.runs, variant.labels
    if len(runs) > 1 and variant.direct:
        target = call.params.get("TargetContainerHostname", "")
        if target not in labels:
            raise errors.InvocationInvalid(
                f"TargetContainerHostname must be one of {', '.join(labels)}: the containers of this model are invoked directly."
            )
        number = labels.index(target)
        runs, labels = (runs[number],), (target,)
    elif call.params.get("TargetContainerHostname"):
        raise errors.InvocationInvalid(
            "TargetContainerHostname can be used only with a model whose containers are invoked directly."
        )
    last = len(runs) - 1
    for number, run in enumerate(runs):
        try:
            limit, pieces = seconds or world.settings.invocation_seconds, streams and number == last
            if isinstance(first, Exception):
                raise first
            answer = first or await world.serving.ask(run, request, seconds=limit, streams=pieces)
            first = None
        except TimeoutError as error:
            raise errors.timed_out(route, labels[number]) from error
        except UnsendableError as error:
            raise errors.InvocationInvalid(f"A header of the request cannot be sent on: {error}") from error
        if answer.status >= 400:
            raise errors.refused(route, labels[number], await whole(answer))
        if number < last:
            assert isinstance(answer.body, bytes)
            kind = {"content-type": answer.headers["content-type"]} if "content-type" in answer.headers else {}
            request = ModelRequest(answer.body, {**request.headers, **kind})
    return answer


def nudge(world: World, route: Route) -> None:
    """Have the control loop look at the endpoint."""
    if world.fleet.may_nudge(route.key, _NUDGE):
        account, region, key = route.key
        noun, _, key = key.rpartition("/")
        world.look(noun or "Endpoint", account, region, key)


async def whole(answer: ModelAnswer) -> ModelAnswer:
    """With its body in one piece."""
    if isinstance(answer.body, bytes):
        return answer
    return answer._replace(body=b"".join([piece async for piece in answer.body]))


def _chosen(route: Route, call: Call) -> Variant:
    target = call.params.get("TargetVariant", "")
    variant = route.choose(target)
    if variant is None:
        raise errors.InvocationInvalid(f"Variant {target} of endpoint {route.name} not found.")
    if bool(call.params.get("TargetModel")) != variant.many_models:
        raise errors.InvocationInvalid(
            "TargetModel must be specified for a multi-model endpoint."
            if variant.many_models
            else "TargetModel can be specified only for a multi-model endpoint."
        )
    return variant


def _picked(world: World, call: Call, route: Route, variant: Variant) -> Instance | None:
    """Who is to be asked; None while it is still to come."""
    if variant.many_models:
        return _of_many(world, call, route, variant)
    return variant.pick() if not variant.serverless else _woken(world, route, variant)


def _of_many(world: World, call: Call, route: Route, variant: Variant) -> Instance | None:
    """The run of the TargetModel. Raises ValidationError when it cannot be had."""
    target = call.params["TargetModel"]
    world.fleet.models.setdefault((route.key, variant.name), {})[target] = world.clock.now()
    found = variant.models.get(target)
    if isinstance(found, str):
        raise errors.InvocationInvalid(found)
    return found


def _woken(world: World, route: Route, variant: Variant) -> Instance | None:
    """An instance of a serverless variant, which may sleep. Raises Throttled."""
    world.fleet.asked[route.key, variant.name] = world.clock.now()
    at_once = 1 + sum(instance.in_flight for instance in variant.instances)
    if at_once > variant.serverless:
        raise errors.Throttled("The endpoint's MaxConcurrency is reached. Please try again.")
    instance = variant.pick()
    if instance is not None:
        tally = Tallies.of(world).find(route.key, route.name, variant.name)
        tally.executes(at_once, variant.serverless, variant.provisioned)
    return instance


async def _rouse(world: World, route: Route, variant: Variant) -> None:
    """Have the control loop look at the endpoint, and a variant that sleeps wake up."""
    if not variant.asleep:
        nudge(world, route)
    elif world.fleet.may_nudge(route.key, _NUDGE):
        with suppress(AwsError):  # the endpoint is being changed: the next call may be luckier
            await world.parts["wake_variant"](route.key, variant.name)


async def _another(world: World, call: Call, route: Route, variant: Variant, began: float) -> tuple[Route, Variant]:
    """Wait for an instance of the variant, or of whatever variant there is after a change. Raises Unavailable."""
    until, waits = began + world.settings.invocation_seconds, bool(call.params.get("TargetVariant"))
    while time.perf_counter() < until:
        waits |= variant.asleep  # whoever wakes it waits for it
        await _rouse(world, route, variant)
        await world.fleet.change(_NUDGE)
        found = await world.fleet.find(route.key, world.settings.route_seconds)
        if found is None:
            raise errors.not_found(call, route.name)
        route = found
        if variant.many_models:
            return route, _chosen(route, call)
        same = [one for one in route.variants if one.name == variant.name]
        variant = next(iter(same), variant)
        other = [one for one in same if one.instances] or [one for one in route.variants if one.instances and not waits]
        if other:
            return route, other[0]
    raise errors.Unavailable(
        "A transient exception occurred while retrieving variant instances. Please try again later."
    )
