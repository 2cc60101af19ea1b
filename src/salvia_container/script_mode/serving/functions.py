"""The five functions of a user's inference script, those that it has not replaced by a framework's defaults, and how they are called."""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from salvia_container.script_mode.serving import program
from salvia_container.script_mode.serving.arrays import ANY, JSON, TEXTS, decode, encode
from salvia_container.serving.handler import Answer, Handler, Refusal, Request
from salvia_container.training import BASE_PATH


class Defaults:
    """What a framework does where the user's script says nothing."""

    def model_fn(self, folder: str) -> Any:
        raise NotImplementedError("Please provide a model_fn implementation.")

    def input_fn(self, body: str | bytes, content_type: str) -> Any:
        return decode(body, content_type)

    def predict_fn(self, data: Any, model: Any) -> Any:
        raise NotImplementedError("Please provide a predict_fn implementation.")

    def output_fn(self, prediction: Any, accept: str) -> Any:
        """A body, or a body and its content type."""
        return encode(prediction, accept)


@dataclass(frozen=True, slots=True)
class Context:
    """What a function that has one parameter more than it needs gets there: AWS's toolkits pass the model server's context."""

    system_properties: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)

    def get_request_header(self, _: int, name: str) -> str | None:
        return self.headers.get(name.lower())

    def set_response_header(self, _: int, name: str, value: str) -> None:
        self.answered[name.lower()] = value


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with the functions that answer for it."""

    model: Any
    folder: str
    transform: Callable[..., Any]
    input: Callable[..., Any]
    predict: Callable[..., Any]
    output: Callable[..., Any]


class ScriptHandler(Handler):
    """Serves through a user's script. Requests are answered one by one: the functions may do anything."""

    def __init__(self, defaults: Defaults, code: Path = Path(BASE_PATH) / "code") -> None:
        self._defaults, self._code = defaults, code

    def load(self, folder: Path) -> Loaded:
        """Raises UserError for code that is not there, ValueError for functions that contradict each other, and what the user's raise."""
        script = program.load(folder, self._code)
        given = _given(script)
        if "transform_fn" in given and given.keys() & {"input_fn", "predict_fn", "output_fn"}:
            raise ValueError(
                "Cannot use transform_fn implementation in conjunction with input_fn, predict_fn, and/or output_fn implementation"
            )
        model_fn = given.get("model_fn", self._defaults.model_fn)
        context = Context({"model_dir": str(folder)})
        return Loaded(
            _call(model_fn, context, str(folder)),
            str(folder),
            given.get("transform_fn", _no_transform),
            given.get("input_fn", self._defaults.input_fn),
            given.get("predict_fn", self._defaults.predict_fn),
            given.get("output_fn", self._defaults.output_fn),
        )

    def answer(self, model: Loaded, requests: Sequence[Request]) -> Sequence[Answer]:
        return [_answer(model, request) for request in requests]


def _no_transform() -> None:
    """Stands where a script has no transform_fn."""


def _given(script: ModuleType | None) -> dict[str, Callable[..., Any]]:
    names = ("model_fn", "transform_fn", "input_fn", "predict_fn", "output_fn")
    return {name: getattr(script, name) for name in names if hasattr(script, name)}


def _answer(loaded: Loaded, request: Request) -> Answer:
    content_type = request.content_type.partition(";")[0].strip() or JSON
    accept = request.accept
    if not accept or accept == ANY:
        accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", JSON)
    body = _text(request.body) if content_type in TEXTS else request.body
    context = Context({"model_dir": loaded.folder}, request.headers)
    if loaded.transform is not _no_transform:
        result = _call(loaded.transform, context, loaded.model, body, content_type, accept)
    else:
        data = _call(loaded.input, context, body, content_type)
        prediction = _call(loaded.predict, context, data, loaded.model)
        result = _call(loaded.output, context, prediction, accept)
    answer = _answered(result, accept)
    answer.headers = context.answered
    return answer


def _answered(result: Any, accept: str) -> Answer:
    """From what a script may return: a body, a body with its content type, or an object that has both (a Response)."""
    content_type = accept
    if isinstance(result, tuple):
        result, content_type = result[0], result[1]
    elif hasattr(result, "response") and hasattr(result, "mimetype"):  # as sagemaker_containers' and Flask's Response
        content_type = result.mimetype or accept
        parts = result.response
        result = (
            parts
            if isinstance(parts, str | bytes)
            else b"".join(part.encode() if isinstance(part, str) else part for part in parts)
        )
    if isinstance(result, str):
        return Answer(result.encode(), content_type)
    if isinstance(result, bytes | bytearray):
        return Answer(bytes(result), content_type)
    if isinstance(result, Iterator):
        return Answer((part.encode() if isinstance(part, str) else part for part in result), content_type)
    body, content_type = encode(result, content_type)
    return Answer(body, content_type)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is not UTF-8: {error}") from error


def _call(function: Callable[..., Any], context: Context, *values: Any) -> Any:
    wanted = len(inspect.signature(function).parameters)
    if wanted == len(values):
        return function(*values)
    if wanted == len(values) + 1:
        return function(*values, context)
    name = getattr(function, "__name__", "the function")
    raise TypeError(f"{name} takes {wanted} arguments but {len(values)} were given.")
