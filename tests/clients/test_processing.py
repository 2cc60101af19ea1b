"""Processing jobs through unmodified clients: boto3, and the processors of SDK v2 and v3."""

import shutil

import pytest

from tests.clients.conftest import Client

pytestmark = pytest.mark.slow

SETUP = """
import os, pathlib, boto3
image = "763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"
pathlib.Path("code").mkdir()
pathlib.Path("code/double.py").write_text('''
import csv, json, os, pathlib, sys
try:
    import extra
    word = extra.word
except ImportError:
    word = "plain"
host = json.loads(pathlib.Path("/opt/ml/config/resourceconfig.json").read_text())["current_host"]
for file in pathlib.Path("/opt/ml/processing/input/data").glob("*.csv"):
    rows = [int(value) * 2 for value in file.read_text().split()]
    pathlib.Path("/opt/ml/processing/output", file.name).write_text(" ".join(map(str, rows)))
pathlib.Path("/opt/ml/output").mkdir(exist_ok=True)
pathlib.Path("/opt/ml/output/message").write_text(f"{word} {' '.join(sys.argv[1:])}")
print("doubled on", host)
if "fail" in sys.argv:
    sys.exit("no more numbers")
''')
pathlib.Path("code/extra.py").write_text("word = 'extra'")
s3 = boto3.client("s3")
def put(bucket):
    for name in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=f"numbers/{name}.csv", Body=b"1 2 3")
def read(uri, name):
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return s3.get_object(Bucket=bucket, Key=f"{prefix}/{name}")["Body"].read().decode()
"""

V2 = (
    SETUP
    + """
import sagemaker
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.sklearn.estimator import SKLearn
session = sagemaker.Session()
role = sagemaker.get_execution_role(session)
bucket = session.default_bucket()
put(bucket)
inputs = [ProcessingInput(f"s3://{bucket}/numbers", "/opt/ml/processing/input/data", s3_data_distribution_type="ShardedByS3Key")]
outputs = [ProcessingOutput(output_name="doubled", source="/opt/ml/processing/output")]
processor = ScriptProcessor(role, image, ["python3"], instance_count=2, instance_type="ml.m5.large", sagemaker_session=session)
"""
)


def test_a_script_processor_of_sdk_v2_shows_the_log_and_leaves_its_outputs(sdk2: Client) -> None:
    result = sdk2.python(
        V2
        + """
processor.run("code/double.py", inputs=inputs, outputs=outputs, arguments=["--x", "1"])
job = processor.latest_job.describe()
uri = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
result = {"status": job["ProcessingJobStatus"], "message": job["ExitMessage"], "left": [read(uri, "a.csv"), read(uri, "b.csv")]}
"""
    )

    assert result == {"status": "Completed", "message": "plain --x 1", "left": ["2 4 6", "2 4 6"]}


def test_a_script_that_throws_raises_with_its_last_words(sdk2: Client) -> None:
    result = sdk2.python(
        V2
        + """
try:
    processor.run("code/double.py", inputs=inputs, outputs=outputs, arguments=["fail"], logs=False)
    result = ""
except Exception as error:
    result = str(error)
print()  # after the dots of waiting
"""
    )

    assert "AlgorithmError: no more numbers, exit code: 1" in str(result)


def test_a_framework_processor_of_sdk_v2_brings_a_folder_of_code(sdk2: Client) -> None:
    result = sdk2.python(
        V2
        + """
processor = FrameworkProcessor(estimator_cls=SKLearn, framework_version="1.2-1", role=role, instance_count=1,
    instance_type="ml.m5.large", sagemaker_session=session, image_uri=image)
processor.run("double.py", source_dir="code", inputs=inputs, outputs=outputs)
result = {"message": processor.latest_job.describe()["ExitMessage"]}
"""
    )

    assert result == {"message": "extra "}


def test_a_script_processor_of_sdk_v3_does_the_same(sdk3: Client) -> None:
    result = sdk3.python(
        SETUP
        + """
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.shapes import ProcessingInput, ProcessingOutput, ProcessingS3Input, ProcessingS3Output
session = Session()
bucket = session.default_bucket()
put(bucket)
processor = ScriptProcessor(role=get_execution_role(session), image_uri=image, command=["python3"], instance_count=1,
    instance_type="ml.m5.large", sagemaker_session=session)
inputs = [ProcessingInput(input_name="data", s3_input=ProcessingS3Input(s3_uri=f"s3://{bucket}/numbers", s3_data_type="S3Prefix",
    local_path="/opt/ml/processing/input/data", s3_input_mode="File"))]
outputs = [ProcessingOutput(output_name="doubled", s3_output=ProcessingS3Output(s3_uri=f"s3://{bucket}/doubled",
    local_path="/opt/ml/processing/output", s3_upload_mode="EndOfJob"))]
processor.run(code="code/double.py", inputs=inputs, outputs=outputs, arguments=["v3"])
job = processor.latest_job
job.refresh()
result = {"status": job.processing_job_status, "message": job.exit_message, "left": read(f"s3://{bucket}/doubled", "a.csv")}
"""
    )

    assert result == {"status": "Completed", "message": "plain v3", "left": "2 4 6"}


def test_a_script_in_xgboosts_image_has_its_scikit_learn_classes(sdk2: Client) -> None:
    result = sdk2.python(
        V2
        + """
from sagemaker import image_uris
pathlib.Path("code/learn.py").write_text('''
import pathlib, numpy, xgboost
model = xgboost.XGBClassifier(n_estimators=2).fit(numpy.array([[0.0], [1.0]] * 9), [0, 1] * 9)
pathlib.Path("/opt/ml/output").mkdir(exist_ok=True)
pathlib.Path("/opt/ml/output/message").write_text(str(model.predict([[0.0], [1.0]]).tolist()))
''')
xgboost = image_uris.retrieve("xgboost", session.boto_region_name, "1.7-1")
processor = ScriptProcessor(role, xgboost, ["python3"], instance_count=1, instance_type="ml.m5.large", sagemaker_session=session)
processor.run("code/learn.py", logs=False)
result = {"message": processor.latest_job.describe()["ExitMessage"]}
print()
"""
    )

    assert result == {"message": "[0, 1]"}


def test_boto3_stops_lists_and_deletes(sdk2: Client) -> None:
    result = sdk2.python(
        V2
        + """
import time
sm = boto3.client("sagemaker")
name = f"sleeper-{time.time_ns()}"
arn = sm.create_processing_job(ProcessingJobName=name, RoleArn=role,
    AppSpecification={"ImageUri": image, "ContainerEntrypoint": ["/bin/sh", "-c", "trap 'echo done > /opt/ml/processing/o/x; exit 0' TERM; echo up; sleep 60 & wait"]},
    ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    ProcessingOutputConfig={"Outputs": [{"OutputName": "o", "S3Output": {"S3Uri": f"s3://{bucket}/{name}",
        "LocalPath": "/opt/ml/processing/o", "S3UploadMode": "EndOfJob"}}]})["ProcessingJobArn"]
logs = boto3.client("logs")
def said():
    try:
        streams = logs.describe_log_streams(logGroupName="/aws/sagemaker/ProcessingJobs", logStreamNamePrefix=name)["logStreams"]
        return [event["message"] for stream in streams for event in logs.get_log_events(
            logGroupName="/aws/sagemaker/ProcessingJobs", logStreamName=stream["logStreamName"])["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
while "up" not in said():
    time.sleep(0.1)
sm.stop_processing_job(ProcessingJobName=name)
sm.get_waiter("processing_job_completed_or_stopped").wait(ProcessingJobName=name)
listed = [one["ProcessingJobStatus"] for one in sm.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]]
left = read(f"s3://{bucket}/{name}", "x").strip()
sm.delete_processing_job(ProcessingJobName=name)
try:
    sm.describe_processing_job(ProcessingJobName=name)
except sm.exceptions.ClientError as error:
    gone = error.response["Error"]["Message"]
result = {"listed": listed, "left": left, "gone": gone.replace(name, "X")}
"""
    )

    assert result == {
        "listed": ["Stopped"],
        "left": "done",
        "gone": "Could not find requested job with name: X",
    }


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java on this machine")
def test_a_pyspark_processor_of_sdk_v2_runs_spark(sdk2: Client) -> None:
    result = sdk2.python(
        V2
        + """
from sagemaker.spark.processing import PySparkProcessor
pathlib.Path("app.py").write_text('''
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("sum").getOrCreate()
total = sum(int(word) for row in spark.read.text("/opt/ml/processing/input/data").collect() for word in row.value.split())
open("/opt/ml/processing/output/total", "w").write(f"{total} {spark.conf.get('spark.sql.shuffle.partitions')}")
''')
processor = PySparkProcessor(framework_version="3.5", role=role, instance_count=1, instance_type="ml.m5.large", sagemaker_session=session)
processor.run("app.py", inputs=inputs, outputs=outputs, logs=False,
    configuration=[{"Classification": "spark-defaults", "Properties": {"spark.sql.shuffle.partitions": "3"}}])
uri = processor.latest_job.describe()["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"]
print()
result = read(uri, "total")
""",
        timeout=400,
    )

    assert str(result) == "12 3"
