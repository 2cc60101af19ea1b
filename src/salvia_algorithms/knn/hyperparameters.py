"""The hyperparameters and channels of k-nearest neighbours, and what they must be together."""

import math
from collections.abc import Mapping
from typing import Any

from salvia_algorithms.first_party.channels import REPLICATED, Accepted
from salvia_algorithms.first_party.hyperparameters import Hyperparameter, table
from salvia_algorithms.interval import Interval
from salvia_container.failure import UserError

CLASSIFIER, REGRESSOR = "classifier", "regressor"
SIGN, FJLT = "sign", "fjlt"
L2, INNER_PRODUCT, COSINE = "L2", "INNER_PRODUCT", "COSINE"
FLAT, IVF_FLAT, IVF_PQ = "faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"
PARTS = (1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96)  # what faiss_index_pq_m may be

_POSITIVE = Interval(1)

TABLE = table(
    Hyperparameter("feature_dim", "integer", _POSITIVE, required=True),
    Hyperparameter("k", "integer", _POSITIVE, required=True, tuned=Interval(1, 1024)),
    Hyperparameter("predictor_type", "choice", (CLASSIFIER, REGRESSOR), required=True),
    Hyperparameter("sample_size", "integer", _POSITIVE, required=True, tuned=Interval(256, 20_000_000)),
    Hyperparameter("dimension_reduction_target", "integer", _POSITIVE),
    Hyperparameter("dimension_reduction_type", "choice", (SIGN, FJLT)),
    Hyperparameter("faiss_index_ivf_nlists", "integer", _POSITIVE, "auto", auto=True),
    Hyperparameter("faiss_index_pq_m", "integer", _POSITIVE),
    Hyperparameter("index_metric", "choice", (L2, INNER_PRODUCT, COSINE), L2),
    Hyperparameter("index_type", "choice", (FLAT, IVF_FLAT, IVF_PQ), FLAT),
    Hyperparameter("mini_batch_size", "integer", _POSITIVE, "5000"),
    Hyperparameter("force_dense", "flag", default="true", idle="sparse rows become dense a mini-batch at a time"),
)
CHANNELS = (Accepted("train", required=True), Accepted("test", distributions=(REPLICATED,)))


def check(given: Mapping[str, Any]) -> None:
    """What single rows of the table cannot say. Raises UserError for the first problem."""
    target, kind = given["dimension_reduction_target"], given["dimension_reduction_type"]
    if kind is not None and target is None:
        raise UserError("dimension_reduction_target is required when dimension_reduction_type is given")
    if kind is not None and target >= given["feature_dim"]:
        raise UserError(
            f"dimension_reduction_target ({target}) must be greater than 0 and less than feature_dim ({given['feature_dim']})"
        )
    if given["k"] > given["sample_size"]:
        raise UserError(f"k ({given['k']}) must not be larger than sample_size ({given['sample_size']})")
    if given["index_type"] == IVF_PQ:
        _check_parts(given, dimensions(given))


def dimensions(given: Mapping[str, Any]) -> int:
    """The width of a row in the index."""
    return int(
        given["feature_dim"] if given["dimension_reduction_type"] is None else given["dimension_reduction_target"]
    )


def lists(given: Mapping[str, Any], rows: int) -> int:
    """Into how many parts an IVF index divides the rows."""
    return min(int(given["faiss_index_ivf_nlists"] or math.isqrt(rows)), rows)


def _check_parts(given: Mapping[str, Any], width: int) -> None:
    parts = given["faiss_index_pq_m"]
    if given["index_metric"] != L2:
        raise UserError(f"index_type faiss.IVFPQ supports only index_metric L2, not {given['index_metric']}")
    if parts is None:
        raise UserError("faiss_index_pq_m is required when index_type is faiss.IVFPQ")
    if parts not in PARTS:
        raise UserError(f"faiss_index_pq_m must be one of {', '.join(map(str, PARTS))}, not {parts}")
    if width % parts:
        raise UserError(f"the dimension of the index ({width}) must be a multiple of faiss_index_pq_m ({parts})")
