"""Every situation of a training job, and every point at which a server may die: without a server, a network or a clock."""

from collections.abc import Iterable
from typing import Any

import pytest

from salvia.base.errors import InUse, ValidationError
from salvia.ports.images import Image, Readiness
from salvia.ports.metrics import Sample
from salvia.ports.objects import Placement
from salvia.services.sagemaker.training import container
from tests import fakes
from tests.services.sagemaker.training.conftest import Bench, channel


async def test_a_new_job_shows_everything_a_client_indexes(bench: Bench) -> None:
    await bench.create()
    shown = await bench.describe()

    assert shown["TrainingJobStatus"] == "InProgress"
    assert shown["SecondaryStatus"] == "Starting"
    assert shown["OutputDataConfig"]["KmsKeyId"] == ""
    assert shown["AlgorithmSpecification"]["MetricDefinitions"] == []
    assert shown["ModelArtifacts"] == {"S3ModelArtifacts": "s3://bucket/out/job/output/model.tar.gz"}
    assert shown["TrainingJobArn"] == "arn:aws:sagemaker:us-west-2:000000000000:training-job/job"


async def test_success_leaves_the_model_and_the_output_in_s3(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    (bench.ml() / "model/weights").write_bytes(b"w")
    (bench.ml() / "output/data/note.txt").write_bytes(b"n")
    bench.compute.end()
    job = await bench.ended()

    assert job.state == "Completed"
    assert bench.tar("out/job/output/model.tar.gz") == {"weights": b"w"}
    assert bench.tar("out/job/output/output.tar.gz") == {"note.txt": b"n"}


async def test_the_transitions_tell_the_whole_story_in_order(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    bench.clock.advance(5)
    bench.compute.end()
    shown = (await bench.ended()).status

    assert [step["Status"] for step in shown["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert all("EndTime" in step for step in shown["SecondaryStatusTransitions"])
    assert (shown["TrainingTimeInSeconds"], shown["BillableTimeInSeconds"]) == (5, 5)


async def test_an_uncompressed_model_is_a_prefix(bench: Bench) -> None:
    await bench.create(OutputDataConfig={"S3OutputPath": "s3://bucket/out/", "CompressionType": "NONE"})
    await bench.running()
    (bench.ml() / "model/a").mkdir()
    (bench.ml() / "model/a/weights").write_bytes(b"w")
    bench.compute.end()
    await bench.ended()

    assert bench.objects.buckets["bucket"]["out/job/output/model/a/weights"] == b"w"
    assert (await bench.describe())["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/job/output/model/"


async def test_a_launch_that_was_never_recorded_is_found_not_repeated(bench: Bench) -> None:
    await bench.create()
    await bench.until(lambda job: job.status.get("SecondaryStatus") == "Downloading")
    await bench.kind.reconcile(await bench.record())  # launches; the server dies before it saves
    await bench.running()

    assert len(bench.compute.launched) == 1


async def test_an_instance_that_runs_keeps_its_data_when_the_server_died_before_it_launched_the_others(
    bench: Bench,
) -> None:
    await bench.create(ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2})
    await bench.running()
    first = bench.compute.launched[0].name
    (bench.ml(0) / "input/data/train/mine").write_bytes(b"m")
    del bench.compute.runs[bench.compute.launched[1].name]
    await bench.step()
    await bench.step()

    assert (bench.compute.folder(first) / "input/data/train/mine").exists()
    assert [spec.hostname for spec in bench.compute.launched] == ["algo-1", "algo-2", "algo-2"]


async def test_instances_know_each_other_by_one_secret_whatever_the_server_lived_through(bench: Bench) -> None:
    await bench.create(ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2})
    await bench.running()
    first = (bench.ml(0) / "input/config/ssh-secret").read_text()
    bench.compute.folder(bench.compute.launched[1].name).joinpath("input/config/ssh-secret").unlink()
    del bench.compute.runs[bench.compute.launched[1].name]
    await bench.step()
    await bench.step()

    assert len(bytes.fromhex(first)) == 32
    assert (bench.ml(1) / "input/config/ssh-secret").read_text() == first


async def test_an_upload_that_was_never_recorded_is_done_again_under_the_same_key(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    bench.compute.end()
    await bench.until(lambda job: job.status.get("SecondaryStatus") == "Uploading")
    await bench.kind.reconcile(await bench.record())
    before = set(bench.objects.buckets["bucket"])
    await bench.ended()

    assert set(bench.objects.buckets["bucket"]) == before


async def test_the_run_is_removed_only_after_the_end_was_saved(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    bench.compute.end()
    await bench.ended()
    assert bench.compute.removed == []
    delay = await bench.step()

    assert delay is None
    assert bench.compute.removed == [bench.compute.launched[0].name]


async def test_a_server_that_slept_while_another_ran_the_job_to_its_end_launches_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.create()
    late = await bench.until(lambda job: job.status.get("SecondaryStatus") == "Downloading")
    place = bench.objects.place

    async def asleep(placements: Iterable[Placement]) -> None:
        await place(placements)
        other = await bench.record()
        other.state = "Completed"
        assert await bench.world.table.save_fact(other, "the other server")

    monkeypatch.setattr(bench.objects, "place", asleep)
    await bench.kind.reconcile(late)

    assert bench.compute.launched == []


async def test_stop_before_launch_never_launches(bench: Bench) -> None:
    await bench.create()
    await bench.kind.stop(fakes.call("StopTrainingJob", TrainingJobName="job"))
    job = await bench.ended()

    assert job.state == "Stopped"
    assert bench.compute.launched == []


async def test_stop_shows_at_once_and_keeps_what_the_job_left(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    await bench.kind.stop(fakes.call("StopTrainingJob", TrainingJobName="job"))
    shown = await bench.describe()
    assert (shown["TrainingJobStatus"], shown["SecondaryStatus"]) == ("Stopping", "Stopping")
    await bench.step()
    assert bench.compute.stopped == [bench.compute.launched[0].name]
    (bench.ml() / "model/half").write_bytes(b"h")
    bench.compute.end(143)
    job = await bench.ended()

    assert (job.state, job.status["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert bench.tar("out/job/output/model.tar.gz") == {"half": b"h"}


async def test_a_job_that_ended_cannot_be_stopped(bench: Bench) -> None:
    await bench.create()
    await bench.kind.stop(fakes.call("StopTrainingJob", TrainingJobName="job"))
    await bench.ended()

    with pytest.raises(ValidationError, match="is in status Stopped"):
        await bench.kind.stop(fakes.call("StopTrainingJob", TrainingJobName="job"))


async def test_over_time_is_stopped_with_its_model(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    bench.clock.advance(61)
    await bench.step()
    assert bench.compute.stopped == [bench.compute.launched[0].name]
    bench.compute.end(143)
    job = await bench.ended()

    assert (job.state, job.status["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "out/job/output/model.tar.gz" in bench.objects.buckets["bucket"]


@pytest.mark.parametrize(
    ("failure", "code", "cause", "reason"),
    [
        ("ClientError: bad eta", 2, "", "ClientError: bad eta, exit code: 2"),
        ("boom", 1, "", "AlgorithmError: boom, exit code: 1"),
        ("", 1, "", "AlgorithmError: last line, exit code: 1"),
        ("", -9, "", "AlgorithmError: last line, exit code: 137"),
        ("", -9, "OutOfMemory", "AlgorithmError: OutOfMemory: Please use an instance type with more memory"),
        ("", 1, "DiskFull", "AlgorithmError: No space left on device: the disk that holds the server's data is full."),
        ("", -9, "Lost", "InternalServerError: We encountered an internal error."),
    ],
)
async def test_failure_says_why(bench: Bench, failure: str, code: int, cause: str, reason: str) -> None:
    await bench.create()
    await bench.running()
    bench.compute.launched[0].log.write_text("first\nlast line\n")
    if failure:
        (bench.ml() / "output/failure").write_text(failure)
    bench.compute.end(code, cause)
    job = await bench.ended()

    assert job.state == "Failed"
    assert job.status["FailureReason"].startswith(reason)
    assert "out/job/output/model.tar.gz" not in bench.objects.buckets["bucket"]


async def test_a_lost_run_is_retried_as_often_as_the_strategy_says(bench: Bench) -> None:
    await bench.create(RetryStrategy={"MaximumRetryAttempts": 1})
    for _ in range(2):
        await bench.running()
        bench.compute.end(-9, "Lost")
        await bench.step()
    job = await bench.ended()

    assert job.state == "Failed"
    assert len({spec.name for spec in bench.compute.launched}) == 2


async def test_an_unknown_image_fails_and_says_what_to_do(bench: Bench) -> None:
    await bench.create(AlgorithmSpecification={"TrainingImage": "unknown", "TrainingInputMode": "File"})
    job = await bench.ended()

    assert (
        job.status["FailureReason"]
        == "ClientError: No environment here can run unknown: use a built-in algorithm's image."
    )


async def test_an_image_without_a_program_to_train_with_fails_unless_the_request_names_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.world.images, "resolve", lambda uri: Image(uri, "python", {}))
    await bench.create()
    job = await bench.ended()

    assert (job.state, job.status["FailureReason"]) == ("Failed", container.NO_PROGRAM)


async def test_a_job_waits_while_its_image_is_prepared(bench: Bench) -> None:
    bench.images.readiness = Readiness(ready=False, message="building the python environment")
    await bench.create()
    await bench.step()
    shown = await bench.describe()

    assert shown["SecondaryStatusTransitions"][-1]["StatusMessage"] == "building the python environment"
    assert bench.compute.launched == []


async def test_jobs_start_in_the_order_they_came(bench: Bench) -> None:
    for name in ("first", "second", "third"):
        bench.clock.advance(1)
        await bench.create(name)
    for name in ("third", "second", "first"):
        await bench.step(name)
        await bench.step(name)
    waiting = await bench.describe("third")

    assert [spec.variables["TRAINING_JOB_NAME"] for spec in bench.compute.launched] == ["first"]
    assert (
        waiting["SecondaryStatusTransitions"][-1]["StatusMessage"]
        == "Waiting for room on this machine: 2 older jobs ahead in the queue"
    )


async def test_a_request_larger_than_the_machine_runs_on_what_there_is_and_says_so(bench: Bench) -> None:
    await bench.create(ResourceConfig={"InstanceType": "ml.m5.24xlarge", "InstanceCount": 2})
    job = await bench.running()

    assert [spec.cpus for spec in bench.compute.launched] == [1.0, 1.0]
    assert job.status["SecondaryStatusTransitions"][-1]["StatusMessage"].startswith(
        "Training in progress on what this machine has: 2 vCPUs"
    )


async def test_one_instance_failing_stops_the_others_and_gives_the_reason(bench: Bench) -> None:
    await bench.create(ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2})
    await bench.running()
    (bench.ml(1) / "output/failure").write_text("second broke")
    bench.compute.end(1, number=1)
    await bench.step()
    assert bench.compute.stopped == [bench.compute.launched[0].name]
    bench.clock.advance(1)
    bench.compute.end(143, number=0)
    job = await bench.ended()

    assert job.status["FailureReason"] == "AlgorithmError: second broke, exit code: 1"


async def test_a_lost_instance_gives_the_reason_though_another_broke_for_its_sake_before_it_was_missed(
    bench: Bench,
) -> None:
    await bench.create(ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2})
    await bench.running()
    (bench.ml(0) / "output/failure").write_text("connection closed by peer")
    bench.compute.end(1, number=0)
    bench.clock.advance(1)
    bench.compute.end(-9, "Lost", number=1)
    job = await bench.ended()

    assert job.status["FailureReason"].startswith("InternalServerError: We encountered an internal error.")


async def test_a_run_gets_a_session_of_the_jobs_role_and_the_way_to_the_api(bench: Bench) -> None:
    await bench.create(Environment={"MINE": "1"})
    await bench.running()
    variables = bench.compute.launched[0].variables

    assert variables["AWS_SESSION_TOKEN"] == "token"
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert (variables["MINE"], variables["FROM_IMAGE"]) == ("1", "1")


async def test_an_isolated_job_gets_no_credentials_and_no_network(bench: Bench) -> None:
    await bench.create(EnableNetworkIsolation=True)
    await bench.running()

    assert bench.compute.launched[0].isolated
    assert not [
        name for name in bench.compute.launched[0].variables if name.startswith("AWS_") and "REGION" not in name
    ]


async def test_the_entry_point_and_arguments_of_the_request_replace_the_images(bench: Bench) -> None:
    algorithm = {
        "TrainingImage": "i",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["sh"],
        "ContainerArguments": ["-c", "true"],
    }
    await bench.create(AlgorithmSpecification=algorithm)
    await bench.running()

    assert bench.compute.launched[0].command == ("sh", "-c", "true")


async def test_metrics_of_the_log_become_final_metrics(bench: Bench) -> None:
    algorithm = {
        "TrainingImage": "i",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "rmse", "Regex": "rmse=(.*)"}],
    }
    await bench.create(AlgorithmSpecification=algorithm)
    await bench.running()
    bench.world.metrics.samples = [Sample("rmse", 2.0, 1.0), Sample("rmse", 1.5, 2.0)]  # type: ignore[attr-defined]
    bench.compute.end()
    job = await bench.ended()

    assert job.status["FinalMetricDataList"] == [{"MetricName": "rmse", "Value": 1.5, "Timestamp": 2.0}]


async def test_checkpoints_come_back_and_go_out(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["ck/epoch-1"] = b"1"
    await bench.create(CheckpointConfig={"S3Uri": "s3://bucket/ck"})
    await bench.running()
    assert (bench.ml() / "checkpoints/epoch-1").read_bytes() == b"1"
    (bench.ml() / "checkpoints/epoch-2").write_bytes(b"2")
    bench.clock.advance(31)
    await bench.step()

    assert bench.objects.buckets["bucket"]["ck/epoch-2"] == b"2"


async def test_a_name_is_taken_once_whatever_its_case(bench: Bench) -> None:
    await bench.create("job")

    with pytest.raises(InUse, match="must be unique"):
        await bench.kind.create(fakes.call("CreateTrainingJob", **(await _again("JOB"))))


async def _again(name: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "RoleArn": fakes.ROLE,
        "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.m5.large"},
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    }


async def test_missing_data_is_refused_before_there_is_a_job(bench: Bench) -> None:
    with pytest.raises(ValidationError, match='No S3 objects found under S3 URL "s3://bucket/nothing"'):
        await bench.create(InputDataConfig=[channel("train", "s3://bucket/nothing")])


async def test_a_missing_output_bucket_is_refused_before_there_is_a_job(bench: Bench) -> None:
    with pytest.raises(ValidationError, match="the bucket nowhere does not exist"):
        await bench.create(OutputDataConfig={"S3OutputPath": "s3://nowhere/out"})


async def test_a_job_that_runs_cannot_be_deleted_and_one_that_ended_can(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    with pytest.raises(InUse):
        await bench.kind.delete(fakes.call("DeleteTrainingJob", TrainingJobName="job"))
    bench.compute.end()
    await bench.ended()
    await bench.kind.delete(fakes.call("DeleteTrainingJob", TrainingJobName="job"))

    assert await bench.world.table.get("TrainingJob", fakes.ACCOUNT, fakes.REGION, "job") is None


async def test_the_end_of_a_run_has_its_job_looked_at(bench: Bench) -> None:
    looked: list[tuple[str, ...]] = []
    bench.world.look = lambda *key: looked.append(key)
    await bench.create()
    await bench.running()
    bench.compute.listeners[0](bench.compute.launched[0].name)

    assert looked == [("TrainingJob", fakes.ACCOUNT, fakes.REGION, "job")]


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        ("ListObjectsV2 in/train", 'has "s3:ListBucket" permissions'),
        ("PutObject out/job", 'has no "s3:PutObject" permission'),
    ],
)
async def test_a_role_that_may_not_is_refused_before_there_is_a_job(bench: Bench, refused: str, words: str) -> None:
    bench.world.parts["refused"].add(refused)

    with pytest.raises(ValidationError, match=words):
        await bench.create()


async def test_a_job_reads_nothing_that_its_role_may_not(bench: Bench) -> None:
    bench.world.parts["refused"].add("GetObject in/train/b.csv")
    await bench.create()
    job = await bench.ended()

    assert job.status["FailureReason"] == (
        "ClientError: Data download failed: AccessDenied (403): the role may not do s3:GetObject on s3://bucket/in/train/b.csv."
    )


async def test_a_role_deleted_before_the_start_fails_the_job(bench: Bench) -> None:
    async def gone(role_arn: str, account: str) -> None:
        raise ValidationError(f"Could not assume role {role_arn}.")

    await bench.create()
    bench.world.parts["execution_caller"] = gone
    job = await bench.ended()

    assert job.status["FailureReason"] == f"ClientError: Could not assume role {fakes.ROLE}."


async def test_a_job_that_the_server_cannot_bring_on_fails_and_one_that_has_ended_does_not(bench: Bench) -> None:
    await bench.create()
    job = await bench.running()
    given_up = bench.kind.let_fail(job, "InternalServerError: why")

    assert given_up
    assert (job.state, job.status["FailureReason"], job.status["SecondaryStatus"]) == (
        "Failed",
        "InternalServerError: why",
        "Failed",
    )
    assert not bench.kind.let_fail(job, "again")


async def test_a_job_whose_instances_wait_for_room_has_not_begun_and_says_so(bench: Bench) -> None:
    waiting = await bench.without_room()
    step = waiting.status["SecondaryStatusTransitions"][-1]
    job = await bench.running()

    assert (step["Status"], step["StatusMessage"]) == ("Downloading", "Waiting for room in the cluster")
    assert "TrainingStartTime" not in waiting.status
    assert job.status["TrainingStartTime"] == bench.clock.now()
    assert bench.compute.stopped == []


async def test_a_job_that_waits_for_room_can_be_stopped(bench: Bench) -> None:
    bench.compute.room = False
    await bench.create()
    await bench.until(lambda _: bool(bench.compute.launched))
    await bench.stop()
    await bench.kind.reconcile(await bench.record())

    assert bench.compute.stopped == [bench.compute.launched[0].name]
