"""Bodies of requests and answers as arrays: the four content types of AWS's inference toolkits.

Source: sagemaker_inference.decoder and encoder.
"""

import io
import json
from typing import Any

import numpy as np

from salvia_container.serving.handler import Refusal

JSON, CSV, NPY, NPZ, ANY = "application/json", "text/csv", "application/x-npy", "application/x-npz", "*/*"
TEXTS = (JSON, CSV)  # content types whose bodies user functions get as str


def decode(body: str | bytes, content_type: str) -> Any:
    """A numpy array; for NPZ a scipy sparse matrix. Raises Refusal: 415 for other content types, 400 for what cannot be read."""
    data = body.encode() if isinstance(body, str) else body
    try:
        if content_type == JSON:
            return np.array(json.loads(data))
        if content_type == CSV:
            return np.genfromtxt(io.StringIO(data.decode()), delimiter=",")
        if content_type == NPY:
            return np.load(io.BytesIO(data), allow_pickle=False)
        if content_type == NPZ:
            from scipy.sparse import load_npz  # noqa: PLC0415 - slow, and rarely wanted

            return load_npz(io.BytesIO(data))
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise Refusal(400, f"the body is not {content_type}: {error}") from error
    raise Refusal(415, f"Content type {content_type} is not supported by this framework. Please implement input_fn.")


def encode(prediction: Any, accept: str) -> tuple[bytes, str]:
    """The body, and its content type: the first of `accept` that there is. Raises Refusal: 406."""
    for content_type in (part.partition(";")[0].strip() for part in accept.split(",")):
        if content_type in {JSON, ANY}:
            return json.dumps(prediction, default=_plain).encode(), JSON
        if content_type == CSV:
            text = io.StringIO()
            np.savetxt(text, prediction, delimiter=",", fmt="%s")
            return text.getvalue().encode(), CSV
        if content_type == NPY:
            file = io.BytesIO()
            np.save(file, prediction)
            return file.getvalue(), NPY
    raise Refusal(406, f"Accept {accept} is not supported by this framework. Please implement output_fn.")


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON: implement output_fn")
