"""What a protocol does for the server."""

from collections.abc import Mapping
from typing import Any, Protocol

from salvia.model.shapes import OperationModel
from salvia.wire.errors import Failure
from salvia.wire.message import Request, Response


class WireProtocol(Protocol):
    """Turns requests into params and results or failures into responses, by the model alone.

    Params and results use the model's member names; timestamps are float seconds since the epoch, blobs are bytes.
    `parse` drops null and what the model does not know, and raises Malformed (or RecursionError) for what cannot be
    read; `malformed` is the code the client is then told. `serialize` keeps modelled members that are not None and
    invents none; a streaming payload (FileBody, async iterator) becomes the response's body as it is.
    """

    malformed: str
    content_type: str

    def parse(self, request: Request, operation: OperationModel) -> dict[str, Any]: ...

    def serialize(self, operation: OperationModel, members: Mapping[str, Any], request_id: str) -> Response: ...

    def error(self, failure: Failure, request_id: str) -> Response: ...
