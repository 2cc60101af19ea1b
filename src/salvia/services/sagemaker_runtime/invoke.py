"""InvokeEndpoint: one request, one answer."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from time import perf_counter
from typing import Any

from salvia.base.call import Begun, Call, Lasting
from salvia.ports.serving import ModelAnswer
from salvia.resources.fleet import Route
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
    """An invocation whose request goes to a container, without waiting; `done` is called when it has been there."""

    __slots__ = ("_call", "_done", "_request", "_route", "_world", "asked", "began", "instance", "outcome", "variant")
    outcome: ModelAnswer | Exception

    def __init__(self, world: World, call: Call, done: Callable[[Begun], None], route: Route) -> None:
        self._world, self._call, self._done, self._route = world, call, done, route
        self.began = perf_counter()

    def send(self) -> bool:
        world, params = self._world, self._call.params
        request = self._request = asking.request_of(params, params.get("Body", b""))
        aim = asking.aim(self._route, request, world.settings.invocation_bytes)
        if aim is None:
            return False
        self.variant, self.instance = aim
        seconds = world.settings.invocation_seconds
        if not world.serving.begin(self.instance.runs[0], request, seconds, self._settled):
            return False
        self.instance.in_flight += 1
        self.asked = perf_counter()
        return True

    def _settled(self, outcome: ModelAnswer | Exception) -> None:
        self.outcome = outcome
        self._done(self)

    def answer(self) -> tuple[Lasting, bytes] | None:
        outcome = self.outcome
        if isinstance(outcome, Exception) or outcome.status >= 400 or not isinstance(outcome.body, bytes):
            return None
        asking.count(self._world, self._route, self, outcome.status)
        return _told(self.variant.name, *map(outcome.headers.get, _SAID)), outcome.body

    async def rest(self) -> Mapping[str, Any]:
        answered = await asking.ask(self._world, self._call, self._route, self._request, first=self)
        return {"Body": answered.answer.body} | await said(self._world, self._call, answered)


def begin_invocation(world: World, call: Call, done: Callable[[Begun], None]) -> bool:
    """InvokeEndpoint where nothing has to be looked at but the body, and nothing be done but ask a container that is there."""
    params = call.params
    if not params.keys() <= _PLAIN:
        return False
    key = call.caller.account, call.region, params["EndpointName"].lower()
    route = world.fleet.fresh(key, world.settings.route_seconds)
    if route is None or route.shadows or route.facts.get("async") or route.facts.get("capture"):
        return False
    return _Begun(world, call, done, route).send()
