"""Services, operations and shapes of the AWS models, as objects whose attributes are computed once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol


class Description(Protocol):
    """Where a ServiceModel reads from: the parts of a service-2.json, each decoded when it is asked for.

    `operation` and `shape` raise KeyError for an unknown name. `error_codes` maps the codes that errors carry on the
    wire to the names of their shapes, where the two differ.
    """

    metadata: dict[str, Any]
    operation_names: tuple[str, ...]
    shape_names: tuple[str, ...]
    error_codes: dict[str, str]

    def operation(self, name: str) -> dict[str, Any]: ...

    def shape(self, name: str) -> dict[str, Any]: ...

    def paginators(self) -> dict[str, Any]: ...

    def waiters(self) -> dict[str, Any]: ...


class ServiceModel:
    """One AWS service. `metadata` is the model's own: protocol, protocols, targetPrefix, jsonVersion, signingName, ...

    `name` is the name of botocore's data folder: "sagemaker", "s3", "sts". `paginators` and `waiters` map an operation's
    or a waiter's name to its description in paginators-1.json and waiters-2.json.
    """

    __slots__ = (
        "_description",
        "_errors",
        "_operations",
        "_paginators",
        "_shapes",
        "_waiters",
        "metadata",
        "name",
        "operation_names",
        "shape_names",
    )

    def __init__(self, name: str, description: Description) -> None:
        self.name = name
        self.metadata = description.metadata
        self.operation_names = description.operation_names
        self.shape_names = description.shape_names
        self._description = description
        self._operations: dict[str, OperationModel] = {}
        self._shapes: dict[str, Shape] = {}
        self._errors: dict[str, ErrorModel] = {}
        self._paginators: dict[str, Any] | None = None
        self._waiters: dict[str, Any] | None = None

    def operation(self, name: str) -> "OperationModel":
        """Raises KeyError when the service has no such operation."""
        found = self._operations.get(name)
        if found is None:
            found = self._operations[name] = OperationModel(self, name, self._description.operation(name))
        return found

    def shape(self, name: str) -> "Shape":
        """The shape as it is defined, without the traits of any reference to it. Raises KeyError."""
        found = self._shapes.get(name)
        if found is None:
            found = self._shapes[name] = Shape(self, name, self._description.shape(name))
        return found

    def reference(self, reference: Mapping[str, Any]) -> "Shape":
        """The shape that a reference ({"shape": name, trait: value, ...}) stands for, with the reference's traits on top."""
        name = reference["shape"]
        if len(reference) == 1:
            return self.shape(name)
        return Shape(self, name, {**self._description.shape(name), **reference})

    def error(self, name: str) -> "ErrorModel":
        """The error of that shape name or wire code. Raises KeyError when the model has none."""
        found = self._errors.get(name)
        if found is None:
            shape = self._description.error_codes.get(name, name)
            found = self._errors[name] = _error(self.shape(shape), self._description.shape(shape), self.metadata)
        return found

    @property
    def paginators(self) -> dict[str, Any]:
        if self._paginators is None:
            self._paginators = self._description.paginators()
        return self._paginators

    @property
    def waiters(self) -> dict[str, Any]:
        if self._waiters is None:
            self._waiters = self._description.waiters()
        return self._waiters

    def __repr__(self) -> str:
        return f"ServiceModel({self.name!r})"


class OperationModel:
    """One operation. `raw` is its description in the model: "http", "authtype", "unsignedPayload", "httpChecksum", ...

    `response_code` is the HTTP status of a success; `result_wrapper` the element around a query protocol's result;
    `errors` the shape names of the errors it declares.
    """

    __slots__ = (
        "errors",
        "http_method",
        "input",
        "name",
        "output",
        "raw",
        "request_uri",
        "response_code",
        "result_wrapper",
        "service",
    )

    def __init__(self, service: ServiceModel, name: str, raw: dict[str, Any]) -> None:
        http = raw.get("http") or {}
        self.service = service
        self.name = name
        self.raw = raw
        self.http_method: str = http.get("method", "POST")
        self.request_uri: str = http.get("requestUri", "/")
        self.response_code: int = http.get("responseCode", 200)
        self.input: Shape | None = service.reference(raw["input"]) if "input" in raw else None
        output = dict(raw["output"]) if "output" in raw else None
        self.result_wrapper: str | None = output.pop("resultWrapper", None) if output else None
        self.output: Shape | None = service.reference(output) if output else None
        self.errors: tuple[str, ...] = tuple(error["shape"] for error in raw.get("errors", ()))

    def __repr__(self) -> str:
        return f"OperationModel({self.service.name}.{self.name})"


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """An error a service declares.

    `code` is what the service's first protocol sends; `query_code` what a client that speaks query is told
    (they differ for services that moved from query to JSON or CBOR).
    """

    name: str
    code: str
    query_code: str
    http_status: int
    sender_fault: bool
    shape: "Shape"


class Shape:
    """A type of the model at one place: the traits of the reference that led here stand over those of its definition.

    `members`, `member`, `key` and `value` are made on first use, so shapes may contain themselves. `members` has the
    model's order. Traits that are absent are None or False; `location_name` is only what the model states.
    """

    __slots__ = (
        "_definition",
        "_service",
        "box",
        "document",
        "enum",
        "event",
        "event_header",
        "event_payload",
        "eventstream",
        "exception",
        "flattened",
        "host_label",
        "idempotency_token",
        "jsonvalue",
        "key",
        "location",
        "location_name",
        "max",
        "member",
        "members",
        "min",
        "name",
        "pattern",
        "payload",
        "query_name",
        "required",
        "sensitive",
        "streaming",
        "timestamp_format",
        "type",
        "union",
        "value",
        "xml_attribute",
        "xml_namespace",
    )

    members: "dict[str, Shape]"  # of a structure; {} for any other type
    member: "Shape"  # of a list
    key: "Shape"  # of a map
    value: "Shape"  # of a map

    def __init__(self, service: ServiceModel, name: str, definition: Mapping[str, Any]) -> None:
        get = definition.get
        self._service = service
        self._definition = definition
        self.name = name
        self.type: str = definition["type"]
        self.required: tuple[str, ...] = tuple(get("required") or ())
        self.enum: tuple[str, ...] = tuple(get("enum") or ())
        self.min: float | None = get("min")
        self.max: float | None = get("max")
        self.pattern: str | None = get("pattern")
        self.location: str | None = get("location")
        self.location_name: str | None = get("locationName")
        self.query_name: str | None = get("queryName")
        self.payload: str | None = get("payload")
        self.timestamp_format: str | None = get("timestampFormat")
        self.xml_namespace: dict[str, str] | None = _namespace(get("xmlNamespace"))
        self.xml_attribute: bool = get("xmlAttribute", False)
        self.flattened: bool = get("flattened", False)
        self.streaming: bool = get("streaming", False)
        self.eventstream: bool = get("eventstream", False)
        self.event: bool = get("event", False)
        self.event_header: bool = get("eventheader", False)
        self.event_payload: bool = get("eventpayload", False)
        self.exception: bool = get("exception", False)
        self.sensitive: bool = get("sensitive", False)
        self.idempotency_token: bool = get("idempotencyToken", False)
        self.jsonvalue: bool = get("jsonvalue", False)
        self.union: bool = get("union", False)
        self.document: bool = get("document", False)
        self.host_label: bool = get("hostLabel", False)
        self.box: bool = get("box", False)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            # Only reached while the slot is empty: the first access fills it, every later one is a plain slot read.
            if name == "members":
                made = self._members()
            elif name in ("member", "key", "value") and name in self._definition:
                made = self._service.reference(self._definition[name])
            else:
                raise AttributeError(f"{self.type} shape {self.name} has no {name}")
            setattr(self, name, made)
            return made

    def _members(self) -> "dict[str, Shape]":
        if self.type != "structure":
            return {}
        definition = self._service.shape(self.name)
        if definition is not self:
            return definition.members
        references = self._definition.get("members") or {}
        return {name: self._service.reference(reference) for name, reference in references.items()}

    def __repr__(self) -> str:
        return f"Shape({self.name}: {self.type})"


def _namespace(trait: str | dict[str, str] | None) -> dict[str, str] | None:
    """Models write the trait as a URI or as {"uri": ..., "prefix": ...}."""
    return {"uri": trait} if isinstance(trait, str) else trait


def _error(shape: Shape, definition: Mapping[str, Any], metadata: Mapping[str, Any]) -> ErrorModel:
    if not shape.exception:
        raise KeyError(shape.name)
    trait = definition.get("error") or {}
    fault = bool(definition.get("fault")) or trait.get("senderFault") is False
    query_code = trait.get("code", shape.name)
    speaks_codes = metadata.get("protocol") in {"query", "ec2", "rest-xml"}
    return ErrorModel(
        name=shape.name,
        code=query_code if speaks_codes else shape.name,
        query_code=query_code,
        http_status=trait.get("httpStatusCode", 500 if fault else 400),
        sender_fault=not fault,
        shape=shape,
    )
