"""botocore's protocol compliance suites, reversed: our parser on their requests, their parser on our responses."""

import base64
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import HeadersDict
from botocore.model import NoShapeFoundError
from botocore.model import ServiceModel as BotocoreService
from botocore.parsers import create_parser
from botocore.utils import parse_timestamp

from salvia.base.errors import AwsError
from salvia.model.load import described
from salvia.model.shapes import OperationModel, Shape
from salvia.wire.errors import failure
from salvia.wire.message import Request, Response
from salvia.wire.paths import PathTable
from salvia.wire.protocols.protocol import WireProtocol
from salvia.wire.protocols.query import read_form
from salvia.wire.protocols.table import CBOR, JSON_1_0, JSON_1_1, QUERY, REST_JSON, REST_XML

DATA = Path(__file__).parent / "protocols"
Case = dict[str, Any]

SKIPPED_INPUTS = {
    "the case states no body; compressed requests are tested in test_server.py": (
        "SDKAppliedContentEncoding_awsJson1_0",
        "SDKAppliedContentEncoding_awsJson1_1",
        "SDKAppliedContentEncoding_awsQuery",
        "SDKAppliedContentEncoding_restJson1",
        "SDKAppliedContentEncoding_restXml",
        "SDKAppendedGzipAfterProvidedEncoding_restJson1",
        "SDKAppendedGzipAfterProvidedEncoding_restXml",
        "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0",
        "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1",
        "SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery",
    ),
    "the client adds the token that the params lack": (
        "QueryIdempotencyTokenAutoFill",
        "QueryProtocolIdempotencyTokenAutoFill",
        "RestJsonQueryIdempotencyTokenAutoFill",
    ),
    "the client sends nothing for an empty list or map, so nothing can be read": (
        "HttpPrefixHeadersAreNotPresent",
        "QueryEmptyQueryMaps",
        "RestJsonHttpPrefixHeadersAreNotPresent",
        "RestJsonOmitsEmptyListQueryValues",
    ),
    "the client sends {} for a structure that the params lack": (
        "RestJsonHttpWithEmptyStructurePayload",
        "RestJsonHttpWithHeadersButNoPayload",
    ),
    "a server puts the whole query string into such a map, the case only what the client put there": (
        "AllQueryStringTypes",
        "RestJsonQueryParamsStringListMap",
        "RestJsonQueryPrecedence",
        "RestXmlQueryParamsStringListMap",
        "RestXmlQueryPrecedence",
        "RestXmlQueryStringEscaping",
        "RestXmlSupportsInfinityFloatQueryValues",
        "RestXmlSupportsNaNFloatQueryValues",
        "RestXmlSupportsNegativeInfinityFloatQueryValues",
        "RestXmlZeroAndFalseQueryValues",
    ),
    "a JSON value inside a JSON body stays the string it is": ("serializes_string_shapes_with_jsonvalue_trait",),
    "the client's endpoint has a path of its own, which a server never sees": ("RestJsonHostWithPath",),
    "the name of a shape's definition is taken for the name of the member, as botocore itself does": (
        "BodyWithXmlName",
    ),
}
SKIPPED_OUTPUTS = {
    "botocore's own parser does not read it so, and botocore skips the case too": (
        "ComplexError",
        "HttpPayloadTraitsWithNoBlobBody",
        "InputAndOutputWithTimestampHeaders",
        "MediaTypeHeaderOutputBase64",
        "QueryComplexError",
        "QueryXmlLists",
        "RestJsonHttpPayloadTraitsWithNoBlobBody",
        "RestJsonHttpPayloadWithUnsetUnion",
        "RestJsonInputAndOutputWithQuotedStringHeaders",
        "RestJsonInputAndOutputWithTimestampHeaders",
        "RestXmlHttpPayloadWithUnsetUnion",
        "XmlLists",
    ),
    "the map has every header of the response, and ours also has a request id": ("HttpPrefixHeadersResponse",),
}


def skip_if_listed(case: Case, listed: dict[str, tuple[str, ...]]) -> None:
    for reason, names in listed.items():
        if case.get("id") in names:
            pytest.skip(reason)


def protocol_of(metadata: dict[str, Any]) -> WireProtocol:
    json_version = JSON_1_0 if metadata.get("jsonVersion") == "1.0" else JSON_1_1
    return {
        "json": json_version,
        "query": QUERY,
        "rest-json": REST_JSON,
        "rest-xml": REST_XML,
        "smithy-rpc-v2-cbor": CBOR,
    }[metadata["protocol"]]


def cases(folder: str) -> Iterator[Any]:
    for path in sorted((DATA / folder).glob("*.json")):
        for number, suite in enumerate(json.loads(path.read_text())):
            for index, case in enumerate(suite["cases"]):
                name = f"{path.stem}-{case.get('id', f'{number}-{index}')}"
                yield pytest.param(suite, case, id=name)


def operation_of(suite: Case, case: Case) -> OperationModel:
    given = {"name": "OperationName", "http": {}, **case["given"]}
    suite = {**suite, "metadata": {"endpointPrefix": "test", **suite["metadata"]}, "operations": {given["name"]: given}}
    return described("test", suite).operation(given["name"])


@pytest.mark.parametrize(("suite", "case"), list(cases("input")))
def test_a_request_of_the_suite_is_parsed_to_its_params(suite: Case, case: Case) -> None:
    skip_if_listed(case, SKIPPED_INPUTS)
    operation = operation_of(suite, case)

    params = protocol_of(suite["metadata"]).parse(request_of(operation, suite, case["serialized"]), operation)

    assert comparable(params) == comparable(native(operation.input, case["params"]))


def request_of(operation: OperationModel, suite: Case, serialized: Case) -> Request:
    url = urlsplit(serialized.get("uri", "/"))
    body = serialized.get("body", "").encode()
    if suite["metadata"]["protocol"] == "smithy-rpc-v2-cbor":
        body = base64.b64decode(body)
    arguments = read_form(url.query)
    headers = {name.lower(): text for name, text in serialized.get("headers", {}).items()}
    labels: dict[str, str] = {}
    if suite["metadata"]["protocol"].startswith("rest"):
        method = serialized.get("method", operation.http_method)
        found = PathTable(operation.service).find(method, url.path, dict(arguments), headers)
        assert found is not None
        labels = found[1]
    form = read_form(body.decode()) if suite["metadata"]["protocol"] == "query" else []
    return Request("POST", url.path, url.query, headers, body, labels, arguments, form)


def native(shape: Shape | None, value: Any) -> Any:
    """The suite's JSON as our types: blobs are bytes, special floats are floats; null members are not there."""
    if shape is None or shape.document:
        return value
    if shape.type == "structure":
        return {name: native(shape.members[name], item) for name, item in value.items() if item is not None}
    if shape.type == "list":
        return [native(shape.member, item) for item in value]
    if shape.type == "map":
        return {name: native(shape.value, item) for name, item in value.items()}
    if shape.type == "blob" and isinstance(value, str):
        return value.encode()
    if shape.type in {"float", "double"} and isinstance(value, str):
        return float(value)
    if shape.jsonvalue and isinstance(value, str):
        return json.loads(value)
    return value


@pytest.mark.parametrize(("suite", "case"), list(cases("output")))
def test_botocore_reads_our_response_as_the_suites_result(suite: Case, case: Case) -> None:
    skip_if_listed(case, SKIPPED_OUTPUTS)
    operation = operation_of(suite, case)
    protocol = protocol_of(suite["metadata"])

    if "error" in case:
        response = protocol.error(failure_of(operation, case), "request-id")
    else:
        response = protocol.serialize(operation, native(operation.output, case["result"]), "request-id")

    assert as_botocore_reads(suite, case, response) == expected(case)


def failure_of(operation: OperationModel, case: Case) -> Any:
    members = {name: item for name, item in case["error"].items() if name.lower() not in {"message", "code"}}
    code = case.get("errorCode", "")
    try:
        modelled = operation.service.error(code)
        members = native(modelled.shape, members)
    except KeyError:
        pass
    error = AwsError(case.get("errorMessage", ""), code=code, members=members)
    return failure(error, operation.service)


def as_botocore_reads(suite: Case, case: Case, response: Response) -> Any:
    given = {"name": "OperationName", "http": {}, **case["given"]}
    service = BotocoreService({**suite, "operations": {given["name"]: given}})
    operation = service.operation_model(given["name"])
    parser: Any = create_parser(suite["metadata"]["protocol"])
    parser._timestamp_parser = lambda text: parse_timestamp(text).timestamp()
    shape = operation.output_shape
    if shape is not None and suite["metadata"]["protocol"] == "query":
        shape.serialization["resultWrapper"] = f"{given['name']}Result"
    raw = {
        "status_code": response.status,
        "headers": HeadersDict(response.headers),
        "body": response.body,
        "context": {"operation_name": given["name"]},
    }
    parsed = parser.parse(raw, shape)
    if "error" in case:
        code = parsed["Error"]["Code"]
        with suppress(NoShapeFoundError):
            parsed |= parser.parse(raw, service.shape_for_error_code(code))
        parsed["Error"] = {"Code": code, "Message": parsed["Error"]["Message"]}
    parsed.pop("ResponseMetadata", None)
    return comparable(parsed)


def expected(case: Case) -> Any:
    if "error" not in case:
        return comparable(case["result"])
    return comparable(
        {"Error": {"Code": case.get("errorCode", ""), "Message": case.get("errorMessage", "")}, **case["error"]}
    )


def comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: comparable(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
