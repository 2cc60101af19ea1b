"""Frameworks through the unmodified SageMaker SDK v2, from a user's script to predictions.

TensorFlow's environment and PyTorch on four instances take minutes more: SALVIA_TEST_FRAMEWORKS=tensorflow,distributed asks for them.
"""

import os

import pytest

from tests.clients.conftest import ROOT, Client

pytestmark = pytest.mark.slow

ASKED = os.environ.get("SALVIA_TEST_FRAMEWORKS", "").split(",")
MNIST = ROOT / "examples/data/mnist"
ABALONE = ROOT / "examples/data/abalone"

MNIST_SCRIPT = """
import argparse, gzip, os
import numpy as np
import torch
from torch import nn

def images(folder):
    with gzip.open(f"{folder}/t10k-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 1, 28, 28) / np.float32(255)
    with gzip.open(f"{folder}/t10k-labels-idx1-ubyte.gz") as file:
        y = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return torch.from_numpy(x), torch.from_numpy(y)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 13 * 13, 10))
    def forward(self, x):
        return self.layers(x)

def model_fn(folder):
    model = Net()
    model.load_state_dict(torch.load(f"{folder}/model.pth"))
    return model.eval()

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    asked = parser.parse_args()
    torch.manual_seed(0)
    workers, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    x, y = images(os.environ["SM_CHANNEL_TRAINING"])
    net = model = Net()
    if workers > 1:
        torch.distributed.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(net)
    optimizer = torch.optim.Adam(model.parameters(), 0.003)
    for epoch in range(asked.epochs):
        for part in torch.randperm(8000).split(64):
            mine = part[rank::workers]
            loss = nn.functional.cross_entropy(model(x[mine]), y[mine])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = (net(x[8000:]).argmax(1) == y[8000:]).float().mean().item()
    if rank == 0:
        print(f"workers {workers} accuracy: {right:.3f};")
        torch.save(net.state_dict(), os.environ["SM_MODEL_DIR"] + "/model.pth")
"""

ABALONE_SCRIPT = """
import argparse, os
import pandas as pd, xgboost as xgb

def model_fn(folder):
    booster = xgb.Booster()
    booster.load_model(folder + "/xgboost-model")
    return booster

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int)
    asked = parser.parse_args()
    rows = pd.read_csv(os.environ["SM_CHANNEL_TRAINING"] + "/abalone.csv", header=None)
    data = xgb.DMatrix(pd.get_dummies(rows.iloc[:, :-1]).to_numpy(float), label=rows.iloc[:, -1])
    booster = xgb.train({"max_depth": 4}, data, asked.rounds, evals=[(data, "train")])
    print(f"first: {booster.predict(data)[0]:.6f};")
    booster.save_model(os.environ["SM_MODEL_DIR"] + "/xgboost-model")
"""
MOLLUSC = "0.455,0.365,0.095,0.514,0.2245,0.101,0.15,0,0,1"  # the first one, as the script sees it
METRICS = [{"Name": "rmse", "Regex": "train-rmse:([0-9.]+)"}, {"Name": "first", "Regex": "first: (.*?);"}]

LINE_SCRIPT = """
import argparse, numpy as np, os, tensorflow as tf
parser = argparse.ArgumentParser()
parser.add_argument("--model_dir")
parser.add_argument("--epochs", type=int)
asked = parser.parse_args()
x = np.linspace(-1, 1, 200, dtype="float32")[:, None]
model = tf.keras.Sequential([tf.keras.layers.Input((1,)), tf.keras.layers.Dense(1)])
model.compile(tf.keras.optimizers.SGD(0.2), "mse")
model.fit(x, 3 * x + 1, epochs=asked.epochs, verbose=0)
model.export(os.environ["SM_MODEL_DIR"] + "/1")
"""

PYTORCH = f"""
import gzip, pathlib, sagemaker
import numpy as np
from sagemaker.pytorch import PyTorch
pathlib.Path("code").mkdir()
pathlib.Path("code/train.py").write_text({MNIST_SCRIPT!r})
session = sagemaker.Session()
role = sagemaker.get_execution_role(session)
def fit(**changes):
    data = session.upload_data({str(MNIST)!r}, key_prefix="mnist")
    e = PyTorch(**({{"entry_point": "train.py", "source_dir": "code", "role": role, "instance_type": "ml.m5.large", "instance_count": 1,
        "framework_version": "2.1.0", "py_version": "py310", "sagemaker_session": session, "hyperparameters": {{"epochs": 1}},
        "metric_definitions": [{{"Name": "accuracy", "Regex": "accuracy: (.*?);"}}]}} | changes))
    e.fit({{"training": data}}, logs=False)
    return e, e.latest_training_job.describe()["FinalMetricDataList"][0]["Value"]
"""


def test_pytorch_learns_mnist_and_its_endpoint_reads_digits(sdk2: Client) -> None:
    result = sdk2.python(
        PYTORCH
        + f"""
e, accuracy = fit()
predictor = e.deploy(1, "ml.m5.large", wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=1)  # the SDK itself looks every 30 s
with gzip.open({str(MNIST / "t10k-images-idx3-ubyte.gz")!r}) as file:
    digits = np.frombuffer(file.read(), np.uint8, offset=16)[:20 * 784].reshape(20, 1, 28, 28) / np.float32(255)
scores = predictor.predict(digits)
predictor.delete_endpoint()
print()
result = {{"accuracy": accuracy, "digits": [int(digit) for digit in np.argmax(scores, axis=1)]}}
""",
        timeout=600,
    )

    assert result["accuracy"] > 0.93  # type: ignore[operator]
    truth = [7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5, 9, 7, 3, 4]
    assert sum(a == b for a, b in zip(result["digits"], truth, strict=True)) >= 18  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "count",
    [
        2,
        pytest.param(
            4,
            marks=pytest.mark.skipif(
                "distributed" not in ASKED,
                reason="SALVIA_TEST_FRAMEWORKS does not name distributed: four PyTorchs at once",
            ),
        ),
    ],
)
def test_instances_learn_mnist_together_as_well_as_one(sdk2: Client, count: int) -> None:
    result = sdk2.python(
        PYTORCH
        + f"""
e, accuracy = fit(instance_count={count}, instance_type="ml.g4dn.xlarge", distribution={{"torch_distributed": {{"enabled": True}}}})
result = {{"accuracy": accuracy}}
""",
        timeout=600,
    )

    assert result["accuracy"] > 0.93  # type: ignore[operator]


def test_xgboosts_image_runs_a_script_when_one_is_named_and_its_endpoint_says_what_it_learned(sdk2: Client) -> None:
    result = sdk2.python(
        f"""
import pathlib, sagemaker
from sagemaker.serializers import CSVSerializer
from sagemaker.xgboost import XGBoost
pathlib.Path("train.py").write_text({ABALONE_SCRIPT!r})
session = sagemaker.Session()
data = session.upload_data({str(ABALONE)!r}, key_prefix="abalone-script")
e = XGBoost(entry_point="train.py", role=sagemaker.get_execution_role(session), instance_type="ml.m5.large", instance_count=1,
    framework_version="1.7-1", sagemaker_session=session, hyperparameters={{"rounds": 20}}, metric_definitions={METRICS!r})
e.fit({{"training": data}}, logs=False)
predictor = e.deploy(1, "ml.m5.large", serializer=CSVSerializer(), wait=False)
session.wait_for_endpoint(predictor.endpoint_name, poll=1)  # the SDK itself looks every 30 s
said = predictor.predict({MOLLUSC!r})
predictor.delete_endpoint()
print()
result = {{"predicted": said, "metrics": {{m["MetricName"]: m["Value"] for m in e.latest_training_job.describe()["FinalMetricDataList"]}}}}
""",
        timeout=600,
    )

    metrics: dict[str, float] = result["metrics"]  # type: ignore[assignment]
    assert metrics["rmse"] < 2.2
    assert float(result["predicted"][0][0]) == pytest.approx(metrics["first"], abs=1e-4)  # type: ignore[index]


@pytest.mark.skipif(
    "tensorflow" not in ASKED, reason="SALVIA_TEST_FRAMEWORKS does not name tensorflow: 0.5 GB to download"
)
def test_tensorflow_trains_a_saved_model_and_serves_it(sdk2: Client) -> None:
    result = sdk2.python(
        f"""
import pathlib, sagemaker
from sagemaker.tensorflow import TensorFlow
pathlib.Path("train.py").write_text({LINE_SCRIPT!r})
session = sagemaker.Session()
e = TensorFlow(entry_point="train.py", role=sagemaker.get_execution_role(session), instance_type="ml.m5.large", instance_count=1,
    framework_version="2.16", py_version="py310", sagemaker_session=session, hyperparameters={{"epochs": 40}})
e.fit(logs=False)
predictor = e.deploy(1, "ml.m5.large")
result = predictor.predict({{"instances": [[0.0], [0.5]]}})
predictor.delete_endpoint()
print()
""",
        timeout=900,
    )

    zero, half = (row[0] for row in result["predictions"])  # type: ignore[attr-defined]
    assert abs(zero - 1) < 0.1
    assert abs(half - 2.5) < 0.1
