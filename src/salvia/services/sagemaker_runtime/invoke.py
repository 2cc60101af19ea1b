"""InvokeEndpoint: one request, one answer."""

from asyncio import Future
from collections.abc import Mapping
from functools import lru_cache
from time import perf_counter
from typing import Any

from salvia.base.call import Call, Lasting
from salvia.ports.serving import ModelAnswer, ModelRequest
from salvia.resources.fleet import Instance, Route, Variant
from salvia.resources.world import World
from salvia.services.sagemaker_runtime import asking, errors, sessions, shadows
from salvia.services.sagemaker_runtime.asking import Answered
from salvia.services.sagemaker_runtime.capture import Captures

# What the container says, as members of the reply.
_SAID: Mapping[str, str] = {
    "content-type": "ContentType",
    "x-amzn-sagemaker-custom-attributes": "CustomAttributes",
    sessions.CLOSED: "ClosedSessionId",
}
# Members that change nothing of where a request goes, nor what becomes of its answer.
_PLAIN = frozenset({"EndpointName", "Body", "ContentType", "Accept", "CustomAttributes", "InferenceId"})


async def invoke_endpoint(world: World, call: Call) -> Mapping[str, Any]:
    route = await asking.route_of(world, call)
    if "EnableExplanations" in call.params:
        raise errors.InvocationInvalid("EnableExplanations: this endpoint has no ExplainerConfig.")
    if route.facts.get("async"):
        raise errors.InvocationInvalid(f"Endpoint {route.name} is asynchronous: use InvokeEndpointAsync.")
    request = asking.request_of(call.params, call.params.get("Body", b""))
    if route.shadows:
        shadows.send(world, call, route, request)
    answered = await asking.ask(world, call, route, request)
    if route.facts.get("capture"):
        await Captures.of(world).keep(answered.route, answered.variant, call.params, request, answered.answer)
    return {"Body": answered.answer.body} | await said(world, call, answered)


async def said(world: World, call: Call, answered: Answered) -> dict[str, Any]:
    """The head of a reply: what the container said, and which variant it was."""
    headers = answered.answer.headers
    shown: dict[str, Any] = dict(_told(answered.variant.name, *map(headers.get, _SAID)))
    if "SessionId" in call.params:
        await sessions.follow(world, call, answered.route, answered.instance, headers)
        begun = sessions.begun_in(call, headers)
        shown |= {"NewSessionId": begun} if begun else {}
    return shown


@lru_cache(maxsize=256)
def _told(variant: str, *said: str | None) -> Lasting:
    """Of a variant whose container said in its headers what _SAID lists."""
    shown = {member: value for member, value in zip(_SAID.values(), said, strict=True) if value is not None}
    return Lasting(shown | {"InvokedProductionVariant": variant})


class _Begun:
    """An invocation whose request has gone to a container."""

    __slots__ = ("_call", "_request", "_route", "_world", "asked", "began", "first", "instance", "variant")

    def __init__(
        self,
        world: World,
        call: Call,
        route: Route,
        request: ModelRequest,
        began: float,
        variant: Variant,
        instance: Instance,
        first: Future[ModelAnswer],
    ) -> None:
        self._world, self._call, self._route, self._request = world, call, route, request
        self.variant, self.instance, self.first = variant, instance, first
        self.began, self.asked = began, perf_counter()

    def answer(self) -> tuple[Lasting, bytes] | None:
        first = self.first
        if first.cancelled() or first.exception() is not None:
            return None
        status, headers, body = first.result()
        if status >= 400 or not isinstance(body, bytes):
            return None
        asking.count(self._world, self._route, self)
        return _told(self.variant.name, *map(headers.get, _SAID)), body

    async def rest(self) -> Mapping[str, Any]:
        answered = await asking.ask(self._world, self._call, self._route, self._request, first=self)
        return {"Body": answered.answer.body} | await said(self._world, self._call, answered)


def begin_invocation(world: World, call: Call) -> _Begun | None:
    """InvokeEndpoint where nothing has to be looked at but the body, and nothing be done but ask a container that is there."""
    began, params = perf_counter(), call.params
    if not params.keys() <= _PLAIN:
        return None
    key = call.caller.account, call.region, params["EndpointName"].lower()
    route = world.fleet.fresh(key, world.settings.route_seconds)
    if route is None or route.shadows or route.facts.get("async") or route.facts.get("capture"):
        return None
    request = asking.request_of(params, params.get("Body", b""))
    begun = asking.begin(world, route, request)
    return None if begun is None else _Begun(world, call, route, request, began, *begun)
