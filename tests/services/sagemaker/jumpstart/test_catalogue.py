"""The catalogue leads to what is there: images that run, objects that exist."""

import gzip
import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from salvia.adapters.images.local import LocalImages
from salvia.services.sagemaker.jumpstart import catalogue

REGION = "eu-west-1"
OBJECTS = catalogue.objects(REGION)
MANIFEST = json.loads(OBJECTS[catalogue.MANIFEST])


def specs() -> list[dict[str, Any]]:
    return [json.loads(OBJECTS[entry["spec_key"]]) for entry in MANIFEST]


def test_the_manifest_comes_last() -> None:
    assert list(OBJECTS)[-1] == catalogue.MANIFEST
    assert len(json.loads(OBJECTS[catalogue.PROPRIETARY])) == 1


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec["model_id"])
def test_a_model_names_an_image_that_runs_and_objects_that_are_there(spec: dict[str, Any], tmp_path: Path) -> None:
    image = spec["training_instance_type_variants"]["regional_aliases"][REGION]["alias_ecr_uri"]

    assert LocalImages(tmp_path).resolve(image).entry_points["train"][-1] in spec["model_id"]
    assert {spec["training_artifact_key"], spec["training_script_key"]} <= set(OBJECTS)
    assert (spec["model_id"], spec["version"]) in {(entry["model_id"], entry["version"]) for entry in MANIFEST}
    assert spec["default_training_instance_type"] in spec["supported_training_instance_types"]


def test_the_script_says_that_it_is_none() -> None:
    archive = gzip.decompress(OBJECTS[specs()[0]["training_script_key"]])
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        script = tar.extractfile("transfer_learning.py")

        assert script is not None
        with pytest.raises(SystemExit, match="runs no script"):
            exec(script.read())


def test_the_same_catalogue_is_the_same_bytes() -> None:
    assert catalogue.objects(REGION) == OBJECTS
