"""The unmodified SageMaker SDK v2 trains users' own scripts with scikit-learn."""

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

SCRIPT = """
import argparse, json, os
import joblib
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

def model_fn(folder):
    return joblib.load(os.path.join(folder, "model.joblib"))

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--strength", type=float)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    asked = parser.parse_args()
    print("channel", sorted(os.listdir(asked.train)) if asked.train else None)
    x, y = load_digits(return_X_y=True)
    a, b, c, d = train_test_split(x, y, random_state=0)
    model = LogisticRegression(C=asked.strength, max_iter=500).fit(a, c)
    print(f"accuracy: {model.score(b, d):.3f};")
    joblib.dump(model, os.path.join(asked.model_dir, "model.joblib"))
"""

# A zero, as load_digits has it.
ZERO = [
    *(0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4, 12, 0, 0, 8, 8, 0),
    *(0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10, 12, 0, 0, 0, 0, 6, 13, 10, 0, 0, 0),
]

SDK2 = f"""
import pathlib, sagemaker
from sagemaker.sklearn import SKLearn
pathlib.Path("code").mkdir()
pathlib.Path("code/train.py").write_text({SCRIPT!r})
session = sagemaker.Session()
role = sagemaker.get_execution_role(session)
def estimator(entry="train.py", **changes):
    return SKLearn(**({{"entry_point": entry, "source_dir": "code", "role": role, "instance_type": "ml.m5.large", "framework_version": "1.2-1",
        "py_version": "py3", "sagemaker_session": session, "hyperparameters": {{"strength": 0.1}},
        "metric_definitions": [{{"Name": "accuracy", "Regex": "accuracy: (.*?);"}}]}} | changes))
def failure(text, entry="train.py", requirements="", **changes):
    pathlib.Path("code", entry).write_text(text)
    pathlib.Path("code/requirements.txt").write_text(requirements)
    try:
        estimator(entry, **changes).fit(logs=False)
    except Exception as error:
        return str(error)
"""


def test_sklearn_fits_and_serves_a_users_script_and_says_which_version_runs(sdk2: Client) -> None:
    result = sdk2.python(
        SDK2
        + f"ZERO = {ZERO}"
        + """
data = session.upload_string_as_file_body("1,2", session.default_bucket(), "script/train/rows.csv")
e = estimator()
e.fit({"train": data}, logs=False)
job = e.latest_training_job.describe()
predictor = e.deploy(1, "ml.m5.large", wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=1)  # the SDK itself looks every 30 s
predicted = predictor.predict([ZERO]).tolist()
predictor.delete_endpoint()
print()
result = {"metrics": {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]}, "predicted": predicted,
    "said": [t["StatusMessage"] for t in job["SecondaryStatusTransitions"]]}
""",
        timeout=400,
    )

    assert result["metrics"]["accuracy"] > 0.93  # type: ignore[index]
    assert result["predicted"] == [0]
    assert "sagemaker-scikit-learn 1.2-1 asked, 1.9.1 runs" in str(result["said"])


def test_an_interrupted_spot_job_goes_on_from_its_checkpoint(sdk2: Client) -> None:
    script = """
import pathlib, signal, sys, time
saved = pathlib.Path("/opt/ml/checkpoints/step")
step = int(saved.read_text()) if saved.exists() else 0
def asked_to_end(*_):
    saved.write_text(str(step))
    sys.exit(1)
signal.signal(signal.SIGTERM, asked_to_end)
if step == 0:
    step = 41
    signal.pause()
pathlib.Path("/opt/ml/model/step").write_text(str(step + 1))
"""
    result = sdk2.python(
        SDK2
        + f"""
import tarfile
pathlib.Path("code/spot.py").write_text({script!r})
e = estimator("spot.py", hyperparameters={{}}, use_spot_instances=True, max_run=300, max_wait=600,
    checkpoint_s3_uri=f"s3://{{session.default_bucket()}}/spot/checkpoints")
e.fit(logs=False)
job = e.latest_training_job.describe()
session.download_data(".", session.default_bucket(), job["ModelArtifacts"]["S3ModelArtifacts"].split("/", 3)[3])
result = {{"steps": [t["Status"] for t in job["SecondaryStatusTransitions"]], "saved": job["BillableTimeInSeconds"] < job["TrainingTimeInSeconds"],
    "model": tarfile.open("model.tar.gz").extractfile("step").read().decode()}}
"""
    )

    first, again = ["Starting", "Downloading", "Training"], ["Interrupted", "Starting", "Downloading", "Training"]
    assert result["steps"] == [*first, *again, "Uploading", "Completed"]
    assert result["model"] == "42"
    assert result["saved"]


def test_a_failing_script_tells_why_in_one_line(sdk2: Client) -> None:
    result = sdk2.python(
        SDK2
        + """
import tarfile
with tarfile.open("sourcedir.tar.gz", "w:gz"):
    pass  # an archive that has no train.py in it
archive = session.upload_data("sourcedir.tar.gz", key_prefix="empty")
result = {
    "raised": failure("def f():\\n    raise ValueError('no such rows')\\nf()"),
    "exit": failure("raise SystemExit(7)"),
    "missing": failure("", source_dir=archive),
    "memory": failure("held = [b'x' * (1 << 26) for _ in range(256)]", instance_type="ml.t3.medium"),
    "mpi": failure("", hyperparameters={"sagemaker_mpi_enabled": True}),
    "requirements": failure("", requirements="no-such-package-of-salvia==9"),
    "replaced": failure("import sys, cowsay, numpy; sys.exit(cowsay.__file__ + numpy.__version__)", requirements="cowsay==6.1\\nnumpy==1.20"),
}
"""
    )

    command = 'Command "/opt/packages/bin/python -- train.py --strength 0.1", exit code: 1'
    assert (
        f'AlgorithmError: ExecuteUserScriptError: ExitCode 1 ErrorMessage "ValueError: no such rows" {command}'
        in str(result["raised"])
    )
    assert f'AlgorithmError: ExecuteUserScriptError: ExitCode 7 ErrorMessage "" {command}' in str(result["exit"])
    assert "can't open file '/opt/ml/code/train.py': [Errno 2] No such file or directory" in str(result["missing"])
    assert "AlgorithmError: OutOfMemory: Please use an instance type with more memory" in str(result["memory"])
    assert "MPI is not supported by this image: it has no mpirun." in str(result["mpi"])
    assert 'ErrorMessage "ERROR: No matching distribution found for no-such-package-of-salvia==9"' in str(
        result["requirements"]
    )
    assert 'ErrorMessage "/opt/packages/lib/' in str(result["replaced"])
    assert "2.3.5" in str(result["replaced"])
