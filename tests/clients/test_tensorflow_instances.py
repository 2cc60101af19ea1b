"""Several instances of TensorFlow through the unmodified SageMaker SDK v2: workers that mirror a model, and parameter servers beside them.

TensorFlow's environment is 0.5 GB to download: SALVIA_TEST_FRAMEWORKS=tensorflow,distributed asks for these tests.
"""

import os
import re

import pytest

from tests.clients.conftest import Client

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not {"tensorflow", "distributed"} <= set(os.environ.get("SALVIA_TEST_FRAMEWORKS", "").split(",")),
        reason="SALVIA_TEST_FRAMEWORKS does not name tensorflow and distributed",
    ),
]

# Both learn 3x + 1, each worker from every second row.
MIRRORED = """
import json, os
import numpy as np, tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
x = np.linspace(-1, 1, 200, dtype="float32")
y = (3 * x + 1)[index::2]
x = x[index::2]
with strategy.scope():
    slope, start = (tf.Variable(0.0, aggregation=tf.VariableAggregation.MEAN) for _ in range(2))

def learn():
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((slope * x + start - y) ** 2)
    for variable, gradient in zip((slope, start), tape.gradient(loss, [slope, start])):
        variable.assign_sub(0.3 * gradient)

@tf.function
def step():
    strategy.run(learn)

for _ in range(60):
    step()
print(f"worker {index} of {strategy.num_replicas_in_sync} found {slope.numpy():.4f} {start.numpy():.4f};")
"""

SERVED = """
import json, os, time
import numpy as np, tensorflow.compat.v1 as tf
tf.disable_eager_execution()
config = json.loads(os.environ["TF_CONFIG"])
kind, index = config["task"]["type"], config["task"]["index"]
cluster = tf.train.ClusterSpec(config["cluster"])
server = tf.train.Server(cluster, job_name=kind, task_index=index)
first = kind == "master"
x = np.linspace(-1, 1, 200, dtype="float32")[0 if first else 1::2]
with tf.device(tf.train.replica_device_setter(cluster=cluster, worker_device=f"/job:{kind}/task:{index}")):
    slope, start = (tf.get_variable(name, (), initializer=tf.zeros_initializer()) for name in ("slope", "start"))
    steps = [tf.get_variable(name, (), tf.int64, tf.zeros_initializer()) for name in ("master", "worker")]
    loss = tf.reduce_mean((slope * x + start - (3 * x + 1)) ** 2)
    learn = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
    count = steps[0 if first else 1].assign_add(1)
    leave = steps[1].assign(1000)
    missing, begin = tf.report_uninitialized_variables(), tf.global_variables_initializer()
with tf.Session(server.target) as session:
    if first:
        session.run(begin)
    while len(session.run(missing)):
        time.sleep(0.2)
    while min(session.run(steps)) < 100:
        session.run([learn, count])
    found = session.run([slope, start])
    print(f"{kind} {index} of {len(config['cluster']['ps'])} found {found[0]:.4f} {found[1]:.4f};")
    if not first:
        session.run(leave)  # the last that is asked of the master's server
    while first and session.run(steps[1]) < 1000:
        time.sleep(0.2)
"""


@pytest.mark.parametrize(
    ("way", "script", "names"),
    [
        ("multi_worker_mirrored_strategy", MIRRORED, ["worker 0", "worker 1"]),
        ("parameter_server", SERVED, ["master 0", "worker 0"]),
    ],
)
def test_two_instances_learn_one_model(sdk2: Client, way: str, script: str, names: list[str]) -> None:
    # The SDK takes mirrored workers with a GPU instance type only, as it does torchrun.
    result = sdk2.python(
        f"""
import pathlib, sagemaker
from sagemaker.tensorflow import TensorFlow
pathlib.Path("train.py").write_text({script!r})
session = sagemaker.Session()
e = TensorFlow(entry_point="train.py", role=sagemaker.get_execution_role(session), instance_type="ml.g4dn.xlarge", instance_count=2,
    framework_version="2.16", py_version="py310", sagemaker_session=session, model_dir=False, distribution={{{way!r}: {{"enabled": True}}}})
e.fit(wait=False)
try:
    e.latest_training_job.wait(logs=False)
except sagemaker.exceptions.UnexpectedStatusException:
    pass
told = e.latest_training_job.describe()
logs = session.boto_session.client("logs").filter_log_events(logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=told["TrainingJobName"])
result = {{"status": told["TrainingJobStatus"], "reason": told.get("FailureReason"), "said": "\\n".join(e["message"] for e in logs["events"])}}
""",
        timeout=900,
    )

    assert result["status"] == "Completed", result
    found = re.findall(r"(\w+ \d) of 2 found ([\d.]+) ([\d.]+);", str(result["said"]))
    assert sorted(name for name, _, _ in found) == names
    for _, slope, start in found:
        assert (float(slope), float(start)) == pytest.approx((3, 1), abs=0.05)
