"""TensorFlow: a SavedModel behind TensorFlow Serving's REST bodies, and input_handler and output_handler around them.

Source: the RESTful API of TensorFlow Serving (predict), and sagemaker-tensorflow-serving-container's python service.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from salvia_container.failure import UserError
from salvia_container.script_mode.serving import program
from salvia_container.script_mode.serving.arrays import ANY, JSON
from salvia_container.serving.handler import Answer, Handler, Refusal, Request
from salvia_container.training import BASE_PATH

_LINES = {"application/jsonlines", "application/jsons"}


@dataclass(frozen=True, slots=True)
class Context:
    """What AWS's service passes to the handlers. There is no TensorFlow Serving to speak to: `rest_uri` and `grpc_port` are empty."""

    model_name: str
    model_version: str
    method: str
    rest_uri: str
    grpc_port: str
    custom_attributes: str
    request_content_type: str
    accept_header: str
    content_length: int


class Response:
    """What an output_handler gets: TensorFlow Serving's answer with the members of a response of `requests` that are read of one."""

    def __init__(self, status_code: int, content: bytes) -> None:
        self.status_code, self.content = status_code, content

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True, slots=True)
class Loaded:
    predict: Any  # the signature
    kept: Any  # the module that the signature is of: it goes when nobody holds it
    name: str
    version: str
    script: ModuleType | None


class TensorflowHandler(Handler):
    """Requests are answered one by one, as a script may do anything."""

    def __init__(self, code: Path = Path(BASE_PATH) / "code") -> None:
        self._code = code

    def load(self, folder: Path) -> Loaded:
        """The newest version of the SavedModel in `folder`. Raises UserError."""
        script = program.load(folder, self._code)
        if script is not None and hasattr(script, "handler"):
            raise UserError(
                "inference.py has a handler(data, context), which speaks to TensorFlow Serving itself; here there is none. "
                "Write input_handler(data, context) and output_handler(response, context)."
            )
        path = _newest(folder)
        module = tf.saved_model.load(str(path))
        if "serving_default" not in module.signatures:
            raise UserError(f"the SavedModel has no signature serving_default, only {sorted(module.signatures)}")
        return Loaded(module.signatures["serving_default"], module, path.parent.name, path.name, script)

    def answer(self, model: Loaded, requests: Sequence[Request]) -> Sequence[Answer]:
        return [_answer(model, request) for request in requests]


def _newest(folder: Path) -> Path:
    """TensorFlow Serving wants NAME/VERSION/saved_model.pb; AWS takes any place of it, and a model without a version."""
    found = [file.parent for file in folder.rglob("saved_model.pb")]
    if not found:
        raise UserError(
            f"there is no SavedModel (saved_model.pb) in the model; it holds {sorted(p.name for p in folder.iterdir())}"
        )
    return max(found, key=lambda path: (path.name.isdigit(), int(path.name) if path.name.isdigit() else 0))


def _answer(loaded: Loaded, request: Request) -> Answer:
    content_type = request.content_type.partition(";")[0].strip() or JSON
    accept = JSON if request.accept in {"", ANY} else request.accept
    context = Context(
        loaded.name,
        loaded.version,
        "predict",
        "",
        "",
        request.headers.get("x-amzn-sagemaker-custom-attributes", ""),
        content_type,
        accept,
        len(request.body),
    )
    script = loaded.script
    asked: Any = _default_input(request.body, content_type) if not hasattr(script, "input_handler") else None
    if script is not None and hasattr(script, "input_handler"):
        asked = script.input_handler(io.BytesIO(request.body), context)
    status, body = _serve(loaded.predict, asked)
    if script is not None and hasattr(script, "output_handler"):
        result, content_type = script.output_handler(Response(status, body), context)
        return Answer(result.encode() if isinstance(result, str) else bytes(result), content_type)
    return Answer(body, JSON, status)


def _default_input(body: bytes, content_type: str) -> str:
    text = body.decode()
    if content_type == JSON:
        return text
    if content_type in _LINES:
        return json.dumps({"instances": [json.loads(line) for line in text.splitlines() if line.strip()]})
    if content_type == "text/csv":
        rows = [[float(cell) for cell in row] for row in csv.reader(io.StringIO(text)) if row]
        return json.dumps({"instances": rows})
    raise Refusal(
        415,
        f"Unsupported content type {content_type}: application/json, application/jsonlines and text/csv are understood.",
    )


def _serve(signature: Any, asked: str | bytes) -> tuple[int, bytes]:
    """TensorFlow Serving's status and body for the body of a request to `:predict`."""
    try:
        request = json.loads(asked)
        if isinstance(request, list):
            request = {"instances": request}
        rows = "instances" in request
        given = _columns(signature, request["instances"]) if rows else _named(signature, request["inputs"])
        outputs = signature(**given)
    except (ValueError, KeyError, TypeError, tf.errors.InvalidArgumentError) as error:
        return 400, json.dumps({"error": str(error)}).encode()
    plain = {name: value.numpy() for name, value in outputs.items()}
    return 200, json.dumps(_rows(plain) if rows else _whole(plain), default=_text).encode()


def _columns(signature: Any, instances: Sequence[Any]) -> dict[str, Any]:
    """One tensor for each input, from a list of instances: of values, or of objects with a value for each input."""
    if instances and isinstance(instances[0], Mapping):
        return _named(signature, {name: [instance[name] for instance in instances] for name in instances[0]})
    return _named(signature, instances)


def _named(signature: Any, inputs: Any) -> dict[str, Any]:
    wanted: Mapping[str, Any] = signature.structured_input_signature[1]
    if not isinstance(inputs, Mapping):
        if len(wanted) != 1:
            raise ValueError(f"the model has the inputs {sorted(wanted)}: each needs a value by its name")
        inputs = {next(iter(wanted)): inputs}
    unknown = inputs.keys() - wanted.keys()
    if len(wanted) == len(inputs) == 1 and unknown:  # exported models name their one input in their own way
        inputs = {next(iter(wanted)): next(iter(inputs.values()))}
    elif unknown:
        raise ValueError(f"the model has no input {sorted(unknown)}, only {sorted(wanted)}")
    return {name: tf.constant(np.asarray(value), dtype=wanted[name].dtype) for name, value in inputs.items()}


def _rows(outputs: Mapping[str, Any]) -> dict[str, Any]:
    if len(outputs) == 1:
        return {"predictions": next(iter(outputs.values())).tolist()}
    names, values = list(outputs), [value.tolist() for value in outputs.values()]
    return {"predictions": [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]}


def _whole(outputs: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value.tolist() for name, value in outputs.items()}
    return {"outputs": next(iter(plain.values())) if len(plain) == 1 else plain}


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def handler() -> TensorflowHandler:
    return TensorflowHandler()
