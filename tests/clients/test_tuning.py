"""The tuners of the unmodified SageMaker SDKs v2 and v3, over built-in XGBoost and the Abalone data, and PyTorch on MNIST."""

import pytest

from tests.clients.conftest import ROOT, Client

pytestmark = pytest.mark.slow

DATA = ROOT / "examples/data/abalone/abalone.csv"
MNIST = ROOT / "examples/data/mnist"

PREPARE = f"""
import random, sagemaker
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput
from sagemaker.tuner import CategoricalParameter, ContinuousParameter, HyperparameterTuner, IntegerParameter
session = sagemaker.Session()
role = sagemaker.get_execution_role(session)
image = sagemaker.image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")
rows = [line.strip().split(",") for line in open({str(DATA)!r})]
rows = [[row[-1], str("MFI".find(row[0])), *row[1:-1]] for row in rows if row[-1].isdigit()]
random.Random(0).shuffle(rows)
def channel(name, part):
    body = "\\n".join(",".join(row) for row in part)
    return TrainingInput(session.upload_string_as_file_body(body, session.default_bucket(), f"tuning/{{name}}/data.csv"), content_type="text/csv")
data = {{"train": channel("train", rows[:2000]), "validation": channel("validation", rows[2000:3000])}}
def estimator(**hyperparameters):
    return Estimator(image_uri=image, role=role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=session,
        hyperparameters={{"num_round": 30, "objective": "reg:squarederror", "seed": 1}} | hyperparameters)
ranges = {{"max_depth": IntegerParameter(2, 10), "eta": ContinuousParameter(0.02, 0.5), "min_child_weight": ContinuousParameter(0.5, 60)}}
def tuner(estimator, ranges=ranges, jobs=8, **more):
    return HyperparameterTuner(estimator, "validation:rmse", ranges, objective_type="Minimize", max_jobs=jobs, max_parallel_jobs=2, **more)
"""


def test_a_bayesian_search_beats_the_defaults_and_its_results_are_read_back(sdk2: Client) -> None:
    result = sdk2.python(
        PREPARE
        + """
usual = estimator()
usual.fit(data, logs=False)
default = {m["MetricName"]: m["Value"] for m in usual.latest_training_job.describe()["FinalMetricDataList"]}["validation:rmse"]
t = tuner(estimator(), strategy="Bayesian", random_seed=3, jobs=12)
t.fit(data, job_name="bayesian")
again = HyperparameterTuner.attach(t.latest_tuning_job.name, sagemaker_session=session)
frame = again.analytics().dataframe()
best = again.describe()["BestTrainingJob"]
result = {"default": default, "best": best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"], "rows": len(frame),
    "lowest": float(frame["FinalObjectiveValue"].min()), "columns": sorted(set(frame.columns) & {"max_depth", "eta", "min_child_weight"}),
    "same": again.best_training_job() == best["TrainingJobName"], "model": again.best_estimator().model_data}
"""
    )

    assert float(str(result["best"])) < float(str(result["default"]))
    assert result["best"] == result["lowest"]
    assert (result["rows"], result["columns"], result["same"]) == (12, ["eta", "max_depth", "min_child_weight"], True)
    assert str(result["model"]).endswith("/output/model.tar.gz")


def test_a_grid_is_its_product_and_a_warm_start_goes_on_from_it(sdk2: Client) -> None:
    result = sdk2.python(
        PREPARE
        + """
grid = {"max_depth": CategoricalParameter([2, 4]), "booster": CategoricalParameter(["gbtree", "dart", "gblinear"])}
first = HyperparameterTuner(estimator(), "validation:rmse", grid, objective_type="Minimize", strategy="Grid", max_jobs=6, max_parallel_jobs=2)
first.fit(data, job_name="grid")
tried = first.analytics().dataframe()[["max_depth", "booster"]].astype({"max_depth": float}).astype(str).apply(lambda row: tuple(v.strip('"') for v in row), axis=1)
second = tuner(estimator(), jobs=2, strategy="Bayesian")
second.fit(data, job_name="parent")
third = second.transfer_learning_tuner()
third.max_jobs = 2
third.fit(data, job_name="transfer")
told = third.describe()
identical = second.identical_dataset_and_algorithm_tuner()
identical.max_jobs = 2
identical.fit(data, job_name="identical")
result = {"tried": sorted(set(tried)), "count": len(tried), "warm": told["WarmStartConfig"]["WarmStartType"],
    "status": told["HyperParameterTuningJobStatus"], "overall": identical.describe()["OverallBestTrainingJob"]["TuningJobName"] in {
        second.latest_tuning_job.name, identical.latest_tuning_job.name}}
"""
    )

    assert result["tried"] == sorted(
        [depth, booster] for depth in ("2.0", "4.0") for booster in ("gbtree", "dart", "gblinear")
    )
    assert (result["count"], result["warm"], result["status"], result["overall"]) == (
        6,
        "TransferLearning",
        "Completed",
        True,
    )


def test_two_algorithms_in_one_job_and_a_stop(sdk2: Client) -> None:
    result = sdk2.python(
        PREPARE
        + """
two = HyperparameterTuner.create(
    {"deep": estimator(max_depth=8), "flat": estimator(max_depth=2)},
    {"deep": "validation:rmse", "flat": "validation:rmse"},
    {"deep": {"eta": ContinuousParameter(0.05, 0.5)}, "flat": {"eta": ContinuousParameter(0.05, 0.5)}},
    objective_type="Minimize", max_jobs=4, max_parallel_jobs=2, strategy="Random")
two.fit({"deep": data, "flat": data}, include_cls_metadata={}, job_name="two")
names = [row["TrainingJobDefinitionName"] for row in two.analytics().training_job_summaries()]
long = tuner(estimator(num_round=20000), jobs=4)
long.fit(data, job_name="long", wait=False)
long.stop_tuning_job()
long.wait()
result = {"names": sorted(names), "best": two.describe()["BestTrainingJob"]["TrainingJobDefinitionName"],
    "stopped": long.describe()["HyperParameterTuningJobStatus"]}
"""
    )

    assert result["names"] == ["deep", "deep", "flat", "flat"]
    assert result["best"] in {"deep", "flat"}
    assert result["stopped"] == "Stopped"


def test_hyperband_stops_weak_trials_early(sdk2: Client) -> None:
    result = sdk2.python(
        PREPARE
        + """
from sagemaker.tuner import HyperbandStrategyConfig, StrategyConfig
t = HyperparameterTuner(estimator(num_round=1200), "validation:rmse", ranges, objective_type="Minimize", max_jobs=8, max_parallel_jobs=4,
    strategy="Hyperband", random_seed=1, early_stopping_type="Off",
    strategy_config=StrategyConfig(HyperbandStrategyConfig(max_resource=1200, min_resource=20)))
t.fit(data, job_name="hyperband")
told = t.describe()
result = {"status": told["HyperParameterTuningJobStatus"], "stopped": told["TrainingJobStatusCounters"]["Stopped"],
    "objectives": told["ObjectiveStatusCounters"]["Succeeded"]}
"""
    )

    assert result["status"] == "Completed"
    assert int(str(result["stopped"])) >= 1  # how many depends on how fast the machine trains
    assert result["objectives"] == 8


TUNED_SCRIPT = """
import argparse, gzip, os, time
import numpy as np
import torch
from torch import nn

with gzip.open(os.environ["SM_CHANNEL_TRAINING"] + "/t10k-images-idx3-ubyte.gz") as file:
    x = torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784) / np.float32(255))
with gzip.open(os.environ["SM_CHANNEL_TRAINING"] + "/t10k-labels-idx1-ubyte.gz") as file:
    y = torch.from_numpy(np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64))
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--rate", type=float)
asked = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(1)
net = nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(net.parameters(), asked.rate)
for epoch in range(asked.epochs):
    for part in torch.randperm(2000).split(64):
        loss = nn.functional.cross_entropy(net(x[part]), y[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print(f"accuracy: {(net(x[9000:]).argmax(1) == y[9000:]).float().mean().item():.4f};", flush=True)
    time.sleep(0.2)  # as long as an epoch takes that is worth stopping, at no cost
torch.save(net.state_dict(), os.environ["SM_MODEL_DIR"] + "/model.pth")
"""


def test_hyperband_stops_the_weak_of_the_scripts_that_learn_mnist(sdk2: Client) -> None:
    result = sdk2.python(
        f"""
import pathlib, sagemaker
from sagemaker.pytorch import PyTorch
from sagemaker.tuner import ContinuousParameter, HyperbandStrategyConfig, HyperparameterTuner, StrategyConfig
pathlib.Path("code").mkdir()
pathlib.Path("code/train.py").write_text({TUNED_SCRIPT!r})
session = sagemaker.Session()
e = PyTorch(entry_point="train.py", source_dir="code", role=sagemaker.get_execution_role(session), instance_type="ml.m5.large",
    instance_count=1, framework_version="2.1.0", py_version="py310", sagemaker_session=session, hyperparameters={{"epochs": 29}})
t = HyperparameterTuner(e, "accuracy", {{"rate": ContinuousParameter(1e-6, 0.01, "Logarithmic")}}, objective_type="Maximize",
    metric_definitions=[{{"Name": "accuracy", "Regex": "accuracy: (.*?);"}}], max_jobs=6, max_parallel_jobs=3, strategy="Hyperband",
    early_stopping_type="Off", random_seed=2, strategy_config=StrategyConfig(HyperbandStrategyConfig(max_resource=30, min_resource=10)))
t.fit({{"training": session.upload_data({str(MNIST)!r}, key_prefix="mnist")}}, job_name="mnist")
frame = t.analytics().dataframe().sort_values("TrainingJobName")
result = {{"status": t.describe()["HyperParameterTuningJobStatus"], "trials": list(frame["TrainingJobStatus"]),
    "rates": list(frame["rate"]), "values": list(frame["FinalObjectiveValue"])}}
""",
        timeout=600,
    )

    # The last two of the drawn rates are too small to learn anything in 10 epochs, and three trials were there before them.
    assert result["status"] == "Completed"
    assert [float(rate) < 1e-4 for rate in result["rates"]] == [False] * 4 + [True] * 2  # type: ignore[attr-defined]
    assert result["trials"][4:] == ["Stopped", "Stopped"]  # type: ignore[index]
    assert "Completed" in result["trials"][:4]  # type: ignore[index]
    assert max(result["values"]) > 0.85  # type: ignore[call-overload]


def test_version_3_tunes_too(sdk3: Client) -> None:
    result = sdk3.python(
        f"""
import random, boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.shapes import ParameterRanges
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData
from sagemaker.train.tuner import HyperparameterTuner
from sagemaker.core.parameter import ContinuousParameter, IntegerParameter
session = Session()
bucket = session.default_bucket()
rows = [line.strip().split(",") for line in open({str(DATA)!r})]
rows = [[row[-1], str("MFI".find(row[0])), *row[1:-1]] for row in rows if row[-1].isdigit()]
s3 = boto3.client("s3")
for name, part in (("train", rows[:2000]), ("validation", rows[2000:3000])):
    s3.put_object(Bucket=bucket, Key=f"tuning3/{{name}}.csv", Body="\\n".join(",".join(row) for row in part))
trainer = ModelTrainer(
    training_image="246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1", role=get_execution_role(),
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1), base_job_name="v3-tuned",
    sagemaker_session=session, hyperparameters={{"num_round": "20", "objective": "reg:squarederror"}})
tuner = HyperparameterTuner(model_trainer=trainer, objective_metric_name="validation:rmse", objective_type="Minimize",
    hyperparameter_ranges={{"max_depth": IntegerParameter(2, 8), "eta": ContinuousParameter(0.05, 0.5)}},
    max_jobs=3, max_parallel_jobs=2, strategy="Random")
tuner.tune(inputs=[InputData(channel_name=name, data_source=f"s3://{{bucket}}/tuning3/{{name}}.csv", content_type="text/csv")
    for name in ("train", "validation")])
told = tuner.describe()
result = {{"status": told.hyper_parameter_tuning_job_status, "done": told.training_job_status_counters.completed, "best": tuner.best_training_job()}}
""",
        timeout=300,
    )

    assert (result["status"], result["done"]) == ("Completed", 3)
    assert result["best"]
