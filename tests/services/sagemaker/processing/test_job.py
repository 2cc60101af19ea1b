"""Every situation of a processing job, and the points at which a server may die: without a server, a network or a clock."""

import json

from salvia.ports.images import Readiness
from tests import fakes
from tests.services.sagemaker.processing.conftest import Bench, source, target

TWO = {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1}}


async def test_what_a_script_leaves_in_its_output_is_in_s3_when_the_job_has_completed(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    (bench.ml() / "processing/output/part").mkdir()
    (bench.ml() / "processing/output/part/x.csv").write_bytes(b"x")
    bench.compute.end()
    job = await bench.ended()

    assert job.state == "Completed"
    assert bench.objects.buckets["bucket"]["out/part/x.csv"] == b"x"


async def test_a_new_job_shows_what_was_asked_and_what_aws_adds(bench: Bench) -> None:
    await bench.create(StoppingCondition=None)
    shown = await bench.describe()

    assert shown["ProcessingJobStatus"] == "InProgress"
    assert shown["ProcessingJobArn"] == "arn:aws:sagemaker:us-west-2:000000000000:processing-job/job"
    assert shown["ProcessingInputs"][0]["AppManaged"] is False
    assert shown["ProcessingInputs"][0]["S3Input"]["S3DataDistributionType"] == "FullyReplicated"
    assert shown["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}


async def test_the_run_gets_the_command_the_inputs_and_its_own_description(bench: Bench) -> None:
    await bench.create(Environment={"A": "1"})
    await bench.running()
    (run,) = bench.compute.launched
    config = json.loads((bench.ml() / "config/processingjobconfig.json").read_text())
    resources = json.loads((bench.ml() / "config/resourceconfig.json").read_text())

    assert run.command == ("python3", "/x.py", "-a")
    assert (bench.ml() / "processing/input/a.csv").read_bytes() == b"1\n"
    assert (bench.ml() / "processing/output").is_dir()
    assert (run.variables["A"], run.variables["PROCESSING_JOB_NAME"]) == ("1", "job")
    assert config["ProcessingJobName"] == "job"
    assert config["ProcessingOutputConfig"]["KmsKeyId"] is None
    assert (resources["current_host"], resources["hosts"]) == ("algo-1", ["algo-1"])


async def test_code_may_stand_in_a_folder_of_another_input_whatever_their_order(bench: Bench) -> None:
    code = source("code", "s3://bucket/code/run.py", "input/code")
    await bench.create(ProcessingInputs=[code, source("data", "s3://bucket/in", "input")])
    await bench.running()

    assert sorted(path.name for path in (bench.ml() / "processing/input").iterdir()) == ["a.csv", "b.csv", "code"]
    assert (bench.ml() / "processing/input/code/run.py").read_bytes() == b"print(1)"


async def test_large_inputs_stay_as_they_are_unless_an_output_stands_in_them(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["large/a"] = b"0" * (17 << 20)
    outputs = {"Outputs": [target("out", "s3://bucket/out", "b/output")]}
    inputs = [source("a", "s3://bucket/large", "a"), source("b", "s3://bucket/large", "b")]
    await bench.create(ProcessingInputs=inputs, ProcessingOutputConfig=outputs)
    await bench.running()

    assert bench.compute.launched[0].read_only == ("processing/a",)


async def test_a_sharded_input_is_split_between_the_instances(bench: Bench) -> None:
    sharded = source("data", "s3://bucket/in", "input", S3DataDistributionType="ShardedByS3Key")
    await bench.create(ProcessingInputs=[sharded], ProcessingResources=TWO)
    await bench.running()
    held = [[path.name for path in (bench.ml(number) / "processing/input").iterdir()] for number in (0, 1)]

    assert held == [["a.csv"], ["b.csv"]]


async def test_inputs_and_outputs_that_the_application_manages_are_left_to_it(bench: Bench) -> None:
    inputs = [source("a", "s3://bucket/none", "x") | {"AppManaged": True}]
    outputs = {"Outputs": [target("out", "s3://none/out", "output") | {"AppManaged": True}]}
    await bench.create(ProcessingInputs=inputs, ProcessingOutputConfig=outputs)
    await bench.running()
    bench.compute.end()

    assert (await bench.ended()).state == "Completed"


async def test_continuous_outputs_go_up_while_the_job_runs(bench: Bench) -> None:
    outputs = {"Outputs": [target("out", "s3://bucket/out", "output", "Continuous")]}
    await bench.create(ProcessingOutputConfig=outputs)
    await bench.running()
    (bench.ml() / "processing/output/x").write_bytes(b"1")
    bench.clock.advance(20)
    await bench.step()
    first = bench.objects.buckets["bucket"].get("out/x")
    (bench.ml() / "processing/output/x").write_bytes(b"last")
    bench.compute.end(1)
    job = await bench.ended()

    assert (first, bench.objects.buckets["bucket"]["out/x"], job.state) == (b"1", b"last", "Failed")


async def test_a_failed_job_tells_why_and_uploads_nothing_at_its_end(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    (bench.ml() / "processing/output/x").write_bytes(b"1")
    (bench.ml() / "output/message").write_text("bad data")
    bench.compute.launched[0].log.write_text("Traceback\nValueError: no rows\n")
    bench.compute.end(1)
    await bench.ended()
    shown = await bench.describe()

    assert shown["FailureReason"] == "AlgorithmError: ValueError: no rows, exit code: 1"
    assert shown["ExitMessage"] == "bad data"
    assert "out/x" not in bench.objects.buckets["bucket"]


async def test_a_stopped_job_keeps_what_it_had_made(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    (bench.ml() / "processing/output/x").write_bytes(b"1")
    await bench.stop()
    await bench.step()
    stopped = list(bench.compute.stopped)
    bench.compute.end(-15)
    job = await bench.ended()

    assert stopped == [bench.compute.launched[0].name]
    assert job.state == "Stopped"
    assert bench.objects.buckets["bucket"]["out/x"] == b"1"


async def test_a_job_that_takes_too_long_is_stopped_and_says_so(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    bench.clock.advance(61)
    await bench.step()
    bench.compute.end(-15)
    job = await bench.ended()

    assert (job.state, job.status["FailureReason"]) == (
        "Stopped",
        "Processing job runtime exceeded MaxRuntimeInSeconds provided",
    )


async def test_when_one_instance_fails_the_others_are_stopped(bench: Bench) -> None:
    await bench.create(ProcessingResources=TWO)
    await bench.running()
    bench.compute.end(3, number=0)
    await bench.step()
    stopped = list(bench.compute.stopped)
    bench.compute.end(-15)

    assert stopped == [bench.compute.launched[1].name]
    assert (await bench.ended()).status["FailureReason"].endswith("exit code: 3")


async def test_a_launch_that_was_never_recorded_is_found_not_repeated(bench: Bench) -> None:
    await bench.create()
    await bench.until_in("Downloading")
    await bench.kind.reconcile(await bench.record())  # launches; the server dies before it saves
    await bench.running()

    assert len(bench.compute.launched) == 1


async def test_the_run_is_removed_only_after_the_end_was_saved(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    bench.compute.end()
    await bench.ended()
    before = list(bench.compute.removed)
    await bench.step()

    assert (before, bench.compute.removed) == ([], [bench.compute.launched[0].name])


async def test_an_isolated_job_has_no_network_and_no_credentials(bench: Bench) -> None:
    await bench.create(NetworkConfig={"EnableNetworkIsolation": True})
    await bench.running()
    (run,) = bench.compute.launched

    assert run.isolated
    assert "AWS_ACCESS_KEY_ID" not in run.variables


async def test_an_image_without_a_program_fails_unless_the_request_names_one(bench: Bench) -> None:
    await bench.create(AppSpecification={"ImageUri": "image"})
    job = await bench.ended()

    assert "AppSpecification.ContainerEntrypoint" in job.status["FailureReason"]


async def test_an_image_that_cannot_be_had_fails_the_job(bench: Bench) -> None:
    await bench.create(AppSpecification={"ImageUri": "unknown", "ContainerEntrypoint": ["x"]})
    await bench.create("other")
    first = await bench.ended()
    bench.images.readiness = Readiness(ready=False, error="no room")
    second = await bench.ended("other")

    assert first.status["FailureReason"].startswith("ClientError: No environment")
    assert second.status["FailureReason"] == "InternalServerError: no room"


async def test_an_output_bucket_that_went_away_fails_the_job(bench: Bench) -> None:
    await bench.create()
    await bench.running()
    (bench.ml() / "processing/output/x").write_bytes(b"1")
    del bench.objects.buckets["bucket"]
    bench.compute.end()
    job = await bench.ended()

    assert job.status["FailureReason"].startswith("ClientError: Failed to upload the output")


async def test_lists_filter_by_name_and_status(bench: Bench) -> None:
    await bench.create("first")
    await bench.create("second")
    await bench.stop("second")
    await bench.ended("second")
    call = fakes.call("ListProcessingJobs", StatusEquals="Stopped", NameContains="sec")
    page = dict(await bench.kind.list(call))  # type: ignore[arg-type]

    assert [one["ProcessingJobName"] for one in page["ProcessingJobSummaries"]] == ["second"]


async def test_a_job_whose_instances_wait_for_room_has_not_begun_and_says_so(bench: Bench) -> None:
    waiting = await bench.without_room()
    step = waiting.status["SecondaryStatusTransitions"][-1]
    job = await bench.running()

    assert (step["Status"], step["StatusMessage"]) == ("Downloading", "Waiting for room in the cluster")
    assert "ProcessingStartTime" not in waiting.status
    assert job.status["ProcessingStartTime"] == bench.clock.now()
    assert bench.compute.stopped == []
