"""Every situation of a transform job, and the points at which a server may die: without a server, a network or a clock."""

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from salvia.base.errors import AwsError, ValidationError
from salvia.ports.serving import ModelAnswer, ModelRequest, NoAnswerError
from salvia.services.sagemaker.transform import sending
from salvia.services.sagemaker.transform.request import MEMBERS
from tests import fakes
from tests.services.sagemaker.transform.conftest import Bench, doubled, source


def test_every_member_of_the_model_has_an_answer() -> None:
    model = fakes.MODELS.service("sagemaker").operation("CreateTransformJob").input
    assert model is not None

    assert set(MEMBERS) == set(model.members)


async def test_every_object_gets_its_output_below_the_output_path(bench: Bench) -> None:
    await bench.create()
    job = await bench.sent()

    assert job.state == "Completed", job.status
    assert bench.out("a.csv") == b"2\n4\n6\n"
    assert bench.out("deep/b.csv") == b"8\n10\n"


async def test_describe_shows_what_was_asked_with_awss_defaults_and_nothing_of_the_model(bench: Bench) -> None:
    await bench.create(DataProcessing={"InputFilter": "$[0]"})
    await bench.launched()
    shown = await bench.describe()

    assert shown["TransformJobStatus"] == "InProgress"
    assert shown["TransformInput"]["CompressionType"] == "None"
    assert shown["TransformOutput"]["KmsKeyId"] == ""
    assert shown["DataProcessing"] == {"InputFilter": "$[0]", "OutputFilter": "$", "JoinSource": "None"}
    assert "TransformStartTime" in shown
    assert not [name for name in shown if name.startswith("_")]


async def test_containers_are_told_that_they_serve_a_batch_and_the_jobs_environment(bench: Bench) -> None:
    await bench.model(PrimaryContainer={"Image": "image", "Environment": {"A": "model", "B": "model"}})
    await bench.create(Environment={"A": "job"}, MaxPayloadInMB=1, BatchStrategy="SingleRecord")
    await bench.launched()
    (run,) = bench.compute.launched

    assert run.command == ("serve",)
    assert {name: run.variables[name] for name in ("A", "B", "SAGEMAKER_BATCH", "SAGEMAKER_BATCH_STRATEGY")} == {
        "A": "job",
        "B": "model",
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": "SingleRecord",
    }


async def test_single_records_are_sent_one_by_one_and_answers_keep_their_order(bench: Bench) -> None:
    await bench.create(BatchStrategy="SingleRecord", MaxConcurrentTransforms=3)
    await bench.sent()

    assert sorted(bench.bodies()) == [b"1,x", b"2,y", b"3,z", b"4,x", b"5,y"]
    assert bench.out("a.csv") == b"2\n4\n6\n"


async def test_what_a_container_says_of_itself_counts_where_the_request_says_nothing(bench: Bench) -> None:
    said = {"MaxConcurrentTransforms": 2, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 1}
    bench.answer = lambda request: (
        ModelAnswer(200, {}, json.dumps(said).encode()) if request.path == "/execution-parameters" else doubled(request)
    )
    await bench.create()
    await bench.sent()

    assert sorted(bench.bodies()) == [b"1,x", b"2,y", b"3,z", b"4,x", b"5,y"]


async def test_the_request_wins_over_what_a_container_says_of_itself(bench: Bench) -> None:
    said = {"BatchStrategy": "SINGLE_RECORD"}
    bench.answer = lambda request: (
        ModelAnswer(200, {}, json.dumps(said).encode()) if request.path == "/execution-parameters" else doubled(request)
    )
    await bench.create(BatchStrategy="MultiRecord")
    await bench.sent()

    assert sorted(bench.bodies()) == [b"1,x\n2,y\n3,z\n", b"4,x\n5,y\n"]


async def test_a_join_puts_the_answer_behind_the_row(bench: Bench) -> None:
    await bench.create(DataProcessing={"InputFilter": "$[0]", "JoinSource": "Input", "OutputFilter": "$[1,-1]"})
    await bench.sent()

    assert bench.bodies()[0] == b"1\n2\n3"
    assert bench.out("a.csv") == b"x,2\ny,4\nz,6\n"


async def test_gzip_is_unpacked_on_the_way(bench: Bench) -> None:
    bench.objects.buckets["bucket"] |= {"zip/a.gz": gzip.compress(b"7\n"), "zip/b.gz": b"no gzip"}
    await bench.create(TransformInput=source("s3://bucket/zip", CompressionType="Gzip"))
    job = await bench.sent()

    assert bench.out("a.gz") == b"14\n"
    assert "bucket/zip/b.gz: the object is not gzip" in job.status["FailureReason"]


async def test_a_manifest_names_the_objects(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["manifest"] = b'[{"prefix": "s3://bucket/in/"}, "deep/b.csv"]'
    await bench.create(TransformInput=source("s3://bucket/manifest", "ManifestFile"))
    await bench.sent()

    assert (bench.out("deep/b.csv"), bench.out("a.csv")) == (b"8\n10\n", None)


CAPTURE = {"DestinationS3Uri": "s3://bucket/captured"}


async def test_what_was_read_and_written_is_captured_as_manifests(bench: Bench) -> None:
    await bench.create(DataCaptureConfig=CAPTURE)
    job = await bench.sent()
    hour = datetime.fromtimestamp(job.created, UTC).strftime("%Y/%m/%d/%H")
    found = {key: json.loads(data) for key, data in bench.objects.buckets["bucket"].items() if key.startswith("capt")}
    (read,) = [data for key, data in found.items() if key.startswith(f"captured/input/{hour}/")]
    (wrote,) = [data for key, data in found.items() if key.startswith(f"captured/output/{hour}/")]

    assert len(found) == 2
    assert read == [{"prefix": "s3://bucket/in/"}, "a.csv", "deep/b.csv"]
    assert wrote == [{"prefix": "s3://bucket/out/"}, "a.csv.out", "deep/b.csv.out"]


async def test_a_job_that_fails_captures_nothing(bench: Bench) -> None:
    bench.answer = lambda _: ModelAnswer(400)
    await bench.create(DataCaptureConfig=CAPTURE)
    job = await bench.sent()

    assert job.state == "Failed"
    assert not [key for key in bench.objects.buckets["bucket"] if key.startswith("captured")]


async def test_a_bucket_that_is_gone_costs_the_captures_and_not_the_job(bench: Bench) -> None:
    bench.objects.buckets["captures"] = {}
    await bench.create(DataCaptureConfig={"DestinationS3Uri": "s3://captures/x"})
    del bench.objects.buckets["captures"]

    assert (await bench.sent()).state == "Completed"


async def test_several_instances_share_the_objects_by_key(bench: Bench) -> None:
    await bench.create(TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 2})
    job = await bench.sent()
    by_run = {run: asked.body for run, asked in bench.serving.asked if asked.method == "POST"}

    assert job.state == "Completed"
    assert sorted(by_run.values()) == [b"1,x\n2,y\n3,z\n", b"4,x\n5,y\n"]


async def test_a_pipeline_is_asked_container_by_container(bench: Bench) -> None:
    await bench.model("pipe", PrimaryContainer=None, Containers=[{"Image": "image"}, {"Image": "image"}])
    await bench.create(ModelName="pipe")
    await bench.sent()

    assert bench.out("a.csv") == b"4\n8\n12\n"


async def test_a_bad_record_fails_the_job_and_the_other_objects_are_done(bench: Bench) -> None:
    bench.answer = lambda request: ModelAnswer(400, {}, b"no number") if b"1,x" in request.body else doubled(request)
    await bench.create()
    job = await bench.sent()
    log = (bench.world.logs.root / f"/aws/sagemaker/TransformJobs/{job.name}/algo-1-{int(job.created)}/data-log".replace("/", "_")).read_text()  # type: ignore[attr-defined]  # fmt: skip

    assert job.state == "Failed"
    assert job.status["FailureReason"] == (
        "AlgorithmError: See job logs for more information. "
        "bucket/in/a.csv: Bad HTTP status received from algorithm: 400: no number"
    )
    assert (bench.out("a.csv"), bench.out("deep/b.csv")) == (None, b"8\n10\n")
    assert "[sagemaker logs]: bucket/in/a.csv: Bad HTTP status received from algorithm: 400" in log
    assert "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD" in log


@pytest.mark.parametrize("first", [500, 429, "timeout", "gone"])
async def test_what_may_pass_is_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch, first: object) -> None:
    monkeypatch.setattr(sending, "PAUSE", 0.0)
    failures = [first]

    def answer(request: ModelRequest) -> ModelAnswer:
        if request.method == "POST" and failures:
            failed = failures.pop()
            if failed == "timeout":
                raise TimeoutError
            if failed == "gone":
                raise NoAnswerError("gone", sent=True)
            return ModelAnswer(int(str(failed)))
        return doubled(request)

    bench.answer = answer
    await bench.create(ModelClientConfig={"InvocationsMaxRetries": 1})
    job = await bench.sent()

    assert (job.state, bench.out("a.csv")) == ("Completed", b"2\n4\n6\n")


async def test_a_record_longer_than_the_payload_fails_its_object(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["in/c.csv"] = b"1" * (2 << 20)
    await bench.create(MaxPayloadInMB=1)
    job = await bench.sent()

    assert "bucket/in/c.csv: Too much data for max payload size" in job.status["FailureReason"]


async def test_objects_whose_output_stands_are_not_sent_again_by_the_next_server(bench: Bench) -> None:
    job = await bench.create()
    bench.objects.buckets["bucket"]["out/a.csv.out"] = b"done"
    bench.objects.modified["bucket", "out/a.csv.out"] = job.created
    await bench.sent()

    assert bench.bodies() == [b"4,x\n5,y\n"]
    assert bench.out("a.csv") == b"done"


async def test_outputs_of_an_earlier_job_are_replaced(bench: Bench) -> None:
    job = await bench.create()
    bench.objects.buckets["bucket"]["out/a.csv.out"] = b"old"
    bench.objects.modified["bucket", "out/a.csv.out"] = job.created - 1
    await bench.sent()

    assert bench.out("a.csv") == b"2\n4\n6\n"


async def test_while_another_server_sends_this_one_does_not(bench: Bench) -> None:
    await bench.create()
    await bench.launched()
    folder = sending.folder_of(bench.world, bench.compute.launched[0].name)
    held = sending.lock(folder)
    await bench.step()
    await bench.step()
    asked = list(bench.bodies())
    sending.write_outcome(folder, [])
    bench.compute.end(0)

    assert held is not None
    assert asked == []
    assert (await bench.ended()).state == "Completed"


async def test_a_container_that_dies_fails_the_job_with_its_last_words(bench: Bench) -> None:
    await bench.create()
    await bench.until_in("Transforming")
    bench.compute.launched[0].log.write_text("Traceback\nImportError: no module\n")
    bench.compute.end(1)
    job = await bench.ended()

    assert job.status["FailureReason"] == "AlgorithmError: ImportError: no module, exit code: 1"


async def test_a_container_that_is_never_well_fails_the_job(bench: Bench) -> None:
    await bench.create()
    await bench.until_in("Transforming")
    bench.clock.advance(601)
    await bench.step()
    await bench.step()
    bench.compute.end(-15)
    job = await bench.ended()

    assert "did not pass the ping health check" in job.status["FailureReason"]


async def test_a_stopped_job_stops_its_containers_and_sends_nothing_more(bench: Bench) -> None:
    await bench.create()
    await bench.launched()
    await bench.stop()
    await bench.step()
    stopped = list(bench.compute.stopped)
    bench.compute.end(-15)
    job = await bench.ended()

    assert (job.state, stopped) == ("Stopped", [bench.compute.launched[0].name])
    assert bench.bodies() == []


async def test_the_job_outlives_its_model(bench: Bench) -> None:
    await bench.create()
    await bench.models.delete(fakes.call("DeleteModel", ModelName="model"))

    assert (await bench.sent()).state == "Completed"


async def test_a_role_that_may_not_read_an_object_fails_the_job(bench: Bench) -> None:
    bench.world.parts["refused"].add("GetObject in/a.csv")
    await bench.create()
    job = await bench.sent()

    assert "AccessDenied" in job.status["FailureReason"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ModelName": "none"}, 'Could not find model "arn:aws:sagemaker:us-west-2:000000000000:model/none"'),
        ({"TransformInput": source("s3://bucket/none")}, 'No S3 objects found under S3 URL "s3://bucket/none"'),
        ({"TransformInput": source(kind="AugmentedManifestFile")}, "S3DataType AugmentedManifestFile is not supported"),
        ({"TransformOutput": {"S3OutputPath": "s3://none/x"}}, "the bucket none does not exist"),
        ({"MaxPayloadInMB": 101}, "cannot be greater than 100"),
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "cannot exceed 100 MB"),
        (
            {"DataCaptureConfig": {"DestinationS3Uri": "s3://bucket/x", "GenerateInferenceId": True}},
            "GenerateInferenceId is not supported",
        ),
        ({"DataProcessing": {"InputFilter": "a.b"}}, "InputFilter: a.b is not a valid JSONPath expression"),
        ({"DataProcessing": {"OutputFilter": "$["}}, "OutputFilter: $[ is not a valid JSONPath expression"),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformInput": source(ContentType="image/png")},
            "DataProcessing needs a ContentType of text/csv",
        ),
        (
            {
                "DataProcessing": {"JoinSource": "Input"},
                "TransformOutput": {"S3OutputPath": "s3://bucket/out", "Accept": "application/json"},
            },
            "needs an Accept of the same kind",
        ),
        ({"DataProcessing": {"JoinSource": "Input"}, "TransformInput": source(SplitType="RecordIO")}, "needs SplitType Line"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_in_words(bench: Bench, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        await bench.create(**changes)

    assert said in str(error.value)


async def test_a_job_that_is_not_there_is_a_validation_error_as_on_aws(bench: Bench) -> None:
    with pytest.raises(AwsError, match="Could not find requested job with name: none"):
        await bench.describe("none")
