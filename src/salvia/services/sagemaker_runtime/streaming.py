"""InvokeEndpointWithResponseStream: the answer in pieces, as the container sends them."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from salvia.base.call import Call
from salvia.ports.serving import NoAnswerError
from salvia.resources.world import World
from salvia.services.sagemaker_runtime import asking, errors
from salvia.services.sagemaker_runtime.asking import Answered
from salvia.services.sagemaker_runtime.invoke import said

_Event = Mapping[str, Any]
_PIECE = 1 << 20  # bytes of one event at most


async def invoke_endpoint_with_response_stream(world: World, call: Call) -> Mapping[str, Any]:
    route = await asking.route_of(world, call)
    if route.facts.get("async"):
        raise errors.InvocationInvalid(f"Endpoint {route.name} is asynchronous: use InvokeEndpointAsync.")
    request = asking.request_of(call.params, call.params.get("Body", b""))
    answered = await asking.ask(world, call, route, request, streams=True)
    events = _events(answered)
    first = await anext(events, None)
    return {"Body": _joined(first, events)} | await said(world, call, answered)


async def _joined(first: _Event | None, events: AsyncIterator[_Event]) -> AsyncIterator[_Event]:
    if first is not None:
        yield first
        async for event in events:
            yield event


async def _events(answered: Answered) -> AsyncGenerator[_Event]:
    """An answer that breaks off ends with an event that says so: the head with its status has gone out already.

    The instance has the request in hand until the end: who asks for the first event at once has nothing slip through.
    """
    answered.instance.in_flight += 1
    body = answered.answer.body
    try:
        if isinstance(body, bytes):
            for start in range(0, len(body), _PIECE):
                yield {"PayloadPart": {"Bytes": body[start : start + _PIECE]}}
            return
        async for piece in body:
            for start in range(0, len(piece), _PIECE):
                yield {"PayloadPart": {"Bytes": piece[start : start + _PIECE]}}
    except NoAnswerError as error:
        yield {"ModelStreamError": {"Message": f"The answer broke off: {error}", "ErrorCode": "StreamBroken"}}
    except TimeoutError:
        message = "The model took too long to go on."
        yield {"ModelStreamError": {"Message": message, "ErrorCode": "ModelInvocationTimeExceeded"}}
    finally:
        answered.instance.in_flight -= 1
        if not isinstance(body, bytes) and hasattr(body, "aclose"):
            await body.aclose()
