"""The catalogue of models in the form in which SageMaker SDK v2 reads it: objects of a bucket, a manifest and a file for each model.

What an algorithm's package says of its models is data, in jumpstart.json: hyperparameters as the SDK checks them, and metrics.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from salvia.services.sagemaker.runs.built_in import metrics_of

MANIFEST, PROPRIETARY = "models_manifest.json", "proprietary-sdk-manifest.json"
ALGORITHMS = ("lightgbm", "catboost")
PROBLEMS = ("classification", "regression")
VERSION = "1.0.0"
LEAST_SDK = "2.189.0"
ACCOUNT = "763104351884"  # of the registry that AWS's catalogue names: the images here are found under any
FAMILIES = (
    "m4", "m5", "m5d", "m5n", "m6i", "m6id", "m7i", "c4", "c5", "c5d", "c5n", "c6i", "c7i", "r5", "r5d", "r6i", "r7i",
    "t2", "t3",
)  # fmt: skip
SIZES = ("large", "xlarge", "2xlarge", "4xlarge")
SCRIPT = "transfer_learning.py"
_SCRIPT_TEXT = 'raise SystemExit("The image of this model has its algorithm in it, and runs no script.")\n'
_NOTE = b"The image of this model needs no artifact to begin with: it trains from the data alone.\n"


def bucket_name(region: str) -> str:
    """Where the SDK looks, unless AWS_JUMPSTART_CONTENT_BUCKET_OVERRIDE says otherwise."""
    return f"jumpstart-cache-prod-{region}"


def objects(region: str) -> dict[str, bytes]:
    """The objects by key; the manifest, which leads to the others, is the last."""
    models = [(algorithm, problem) for algorithm in ALGORITHMS for problem in PROBLEMS]
    found = {_script_key(algorithm): _archive() for algorithm in ALGORITHMS}
    found |= {_artifact_key(algorithm): _NOTE for algorithm in ALGORITHMS}
    found |= {_spec_key(*model): _document(_spec(*model, region)) for model in models}
    # The SDK takes the first entry of either to see that there is a catalogue, so that none may be empty.
    manifest = _document([_header(*model) for model in models])
    return found | {PROPRIETARY: _document([_header(*models[0])]), MANIFEST: manifest}


def _header(algorithm: str, problem: str) -> dict[str, Any]:
    return {
        "model_id": _model_id(algorithm, problem),
        "version": VERSION,
        "min_version": LEAST_SDK,
        "spec_key": _spec_key(algorithm, problem),
        "search_keywords": [problem, algorithm],
    }


def _spec(algorithm: str, problem: str, region: str) -> dict[str, Any]:
    data = json.loads(files("salvia_algorithms").joinpath(algorithm, "jumpstart.json").read_text(encoding="utf-8"))
    images = {
        "regional_aliases": {
            region: {
                "alias_ecr_uri": f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{_model_id(algorithm, problem)}:latest"
            }
        },
        "variants": {family: {"regional_properties": {"image_uri": "$alias_ecr_uri"}} for family in FAMILIES},
    }
    instances = [f"ml.{family}.{size}" for family in FAMILIES for size in SIZES]
    return {
        "model_id": _model_id(algorithm, problem),
        "url": data["url"],
        "version": VERSION,
        "min_sdk_version": LEAST_SDK,
        "training_supported": True,
        "incremental_training_supported": False,
        "hosting_artifact_key": _artifact_key(algorithm),
        "hosting_script_key": _script_key(algorithm),
        "hosting_prepacked_artifact_key": _artifact_key(algorithm),  # whoever has one, for the SDK, needs no script
        "hosting_use_script_uri": False,
        "training_artifact_key": _artifact_key(algorithm),
        "training_script_key": _script_key(algorithm),
        "hyperparameters": [*data["hyperparameters"], *_of_the_container()],
        "metrics": [
            {"Name": metric.definition.name, "Regex": metric.definition.regex} for metric in metrics_of(algorithm)
        ],
        "default_inference_instance_type": "ml.m5.large",
        "supported_inference_instance_types": instances,
        "default_training_instance_type": "ml.m5.xlarge",
        "supported_training_instance_types": instances,
        "hosting_instance_type_variants": images,
        "training_instance_type_variants": images,
        "predictor_specs": {
            "supported_content_types": ["text/csv"],
            "supported_accept_types": ["application/json;verbose", "application/json"],
            "default_content_type": "text/csv",
            "default_accept_type": "application/json",
        },
        "resource_name_base": "sm",
    }


def _of_the_container() -> list[dict[str, str]]:
    """Hyperparameters that AWS's images need to find a script: the SDK sends them by itself."""
    values = {
        "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        "sagemaker_program": SCRIPT,
        "sagemaker_container_log_level": "20",
    }
    return [{"name": name, "type": "text", "default": value, "scope": "container"} for name, value in values.items()]


def _model_id(algorithm: str, problem: str) -> str:
    return f"{algorithm}-{problem}-model"


def _spec_key(algorithm: str, problem: str) -> str:
    return f"community_models_specs/{_model_id(algorithm, problem)}/specs_v{VERSION}.json"


def _script_key(algorithm: str) -> str:
    return f"source-directory-tarballs/{algorithm}/transfer_learning/v{VERSION}/sourcedir.tar.gz"


def _artifact_key(algorithm: str) -> str:
    return f"{algorithm}-training/v{VERSION}/README.txt"


def _document(value: Mapping[str, Any] | list[Any]) -> bytes:
    return json.dumps(value).encode()


def _archive() -> bytes:
    """A script for images that run scripts: it says that this one does not."""
    content = _SCRIPT_TEXT.encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo(SCRIPT)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return gzip.compress(out.getvalue(), mtime=0)
