"""Served models: what the clients of each algorithm get, alone and together with others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from salvia_algorithms.first_party.serving import Serving
from salvia_algorithms.kmeans import model as centers
from salvia_algorithms.kmeans.serve import SERVING as K_MEANS
from salvia_algorithms.randomcutforest import model as forests
from salvia_algorithms.randomcutforest.forest import Forest
from salvia_algorithms.randomcutforest.serve import SERVING as FOREST
from salvia_container import recordio
from salvia_container.serving.handler import Refusal, Request

RECORDIO = "application/x-recordio-protobuf"


def request(body: bytes | str, content_type: str = "text/csv", accept: str = "") -> Request:
    raw = body if isinstance(body, bytes) else body.encode()
    return Request(raw, {"content-type": content_type, "accept": accept})


def ask(handler: Serving, model: Any, *requests: Request) -> list[bytes]:
    answers = handler.answer(model, requests)
    return [answer.body for answer in answers if isinstance(answer.body, bytes)]


@pytest.fixture
def kmeans(tmp_path: Path) -> Any:
    centers.save(np.array([[0, 0], [10, 0]], np.float32), tmp_path)
    return K_MEANS.load(tmp_path)


@pytest.fixture
def forest(tmp_path: Path) -> Any:
    rows = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    forests.save(Forest.grow(rows, num_trees=50, samples_per_tree=20, seed=0), tmp_path)
    return FOREST.load(tmp_path)


def test_k_means_gives_the_nearest_centre_and_the_distance_to_it(kmeans: Any) -> None:
    csv, by_json, lines, raw = ask(
        K_MEANS,
        kmeans,
        request("7,4\n", accept="text/csv"),
        request('{"instances": [{"features": [7, 4]}]}', "application/json"),
        request('{"features": [7, 4]}', "application/jsonlines", "application/jsonlines"),
        request(recordio.write_dense(np.array([[7, 4]], np.float32)), RECORDIO, RECORDIO),
    )

    assert csv == b"1.0,5.0\n"
    assert json.loads(by_json) == {"predictions": [{"closest_cluster": 1.0, "distance_to_cluster": 5.0}]}
    assert json.loads(lines) == {"closest_cluster": 1.0, "distance_to_cluster": 5.0}
    assert raw == recordio.write_labels(
        {"closest_cluster": np.ones(1, np.float32), "distance_to_cluster": np.full(1, 5, np.float32)}
    )


def test_random_cut_forest_calls_its_list_scores(forest: Any) -> None:
    (body,) = ask(FOREST, forest, request("0,0\n9,9\n", accept="application/json"))
    common, strange = (row["score"] for row in json.loads(body)["scores"])

    assert strange > 2 * common


def test_rows_of_one_request_do_not_change_the_answer_of_another(forest: Any) -> None:
    one, other = request("0,0\n"), request("5,5\n1,0\n")

    assert ask(FOREST, forest, one, other) == [
        *ask(FOREST, forest, one),
        *ask(FOREST, forest, other),
    ]


def test_sparse_and_dense_rows_are_answered_together(kmeans: Any) -> None:
    sparse = recordio.write_sparse(sp.csr_matrix(np.array([[7, 0]], np.float32)))

    assert ask(K_MEANS, kmeans, request(sparse, RECORDIO, "text/csv"), request("0,2", accept="text/csv")) == [
        b"1.0,3.0\n",
        b"0.0,2.0\n",
    ]


def test_a_request_that_is_wrong_is_refused_by_its_status(kmeans: Any) -> None:
    for wrong, status in (
        (request("1,2,3"), 400),
        (request("1", "image/png"), 415),
        (request("1,2", accept="a/b"), 406),
    ):
        with pytest.raises(Refusal) as refused:
            ask(K_MEANS, kmeans, wrong)

        assert refused.value.status == status
