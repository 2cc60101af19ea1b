"""InvokeEndpoint: one request, one answer."""

from collections.abc import Mapping
from typing import Any

from salvia.base.call import Call
from salvia.resources.world import World
from salvia.services.sagemaker_runtime import asking, errors, sessions, shadows
from salvia.services.sagemaker_runtime.asking import Answered
from salvia.services.sagemaker_runtime.capture import Captures

# What the container says, as members of the reply.
_SAID = {
    "content-type": "ContentType",
    "x-amzn-sagemaker-custom-attributes": "CustomAttributes",
    sessions.CLOSED: "ClosedSessionId",
}


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
    shown = {member: headers[name] for name, member in _SAID.items() if name in headers}
    if "SessionId" in call.params:
        await sessions.follow(world, call, answered.route, answered.instance, headers)
        begun = sessions.begun_in(call, headers)
        shown |= {"NewSessionId": begun} if begun else {}
    return shown | {"InvokedProductionVariant": answered.variant.name}
