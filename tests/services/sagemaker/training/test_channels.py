"""What each instance finds below /opt/ml/input/data."""

import gzip
import json
import os
import struct

import pytest

from salvia.services.sagemaker.runs.channels import COPIED, bucket_and_key
from tests.services.sagemaker.training.conftest import Bench, channel


async def files(bench: Bench, *channels: dict[str, object], count: int = 1) -> list[dict[str, bytes]]:
    """Relative path -> content of the input data of each instance."""
    await bench.create(
        InputDataConfig=list(channels), ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": count}
    )
    await bench.running()
    roots = [bench.ml(number) / "input/data" for number in range(count)]
    return [
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()} for root in roots
    ]


async def test_a_prefix_keeps_the_paths_below_it(bench: Bench) -> None:
    bench.objects.buckets["bucket"] |= {"in/train/deep/c.csv": b"5", "in/train/": b""}

    assert await files(bench, channel("train", "s3://bucket/in/train")) == [
        {"train/a.csv": b"1,2\n", "train/b.csv": b"3,4\n", "train/deep/c.csv": b"5"}
    ]


async def test_a_single_object_keeps_its_name(bench: Bench) -> None:
    assert await files(bench, channel("train", "s3://bucket/in/train/a.csv")) == [{"train/a.csv": b"1,2\n"}]


async def test_shards_by_key_share_the_objects_out(bench: Bench) -> None:
    source = {"S3DataDistributionType": "ShardedByS3Key"}

    assert await files(bench, channel("train", "s3://bucket/in/train/", source=source), count=2) == [
        {"train/a.csv": b"1,2\n"},
        {"train/b.csv": b"3,4\n"},
    ]


async def test_a_manifest_names_its_objects(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["m.json"] = json.dumps([{"prefix": "s3://bucket/in/"}, "train/b.csv"]).encode()

    assert await files(bench, channel("train", "s3://bucket/m.json", "ManifestFile")) == [
        {"train/train/b.csv": b"3,4\n"}
    ]


async def test_a_broken_manifest_fails_the_job_in_words(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["m.json"] = b"{}"
    await bench.create(InputDataConfig=[channel("train", "s3://bucket/m.json", "ManifestFile")])
    job = await bench.ended()

    assert job.status["FailureReason"].startswith("ClientError: s3://bucket/m.json is not a manifest")


async def test_an_augmented_manifest_brings_itself_and_what_it_refers_to(bench: Bench) -> None:
    line = {"source-ref": "s3://bucket/in/train/a.csv", "label": 1}
    bench.objects.buckets["bucket"]["m.jsonl"] = json.dumps(line).encode()
    source = {"AttributeNames": ["source-ref", "label"]}
    (found,) = await files(bench, channel("train", "s3://bucket/m.jsonl", "AugmentedManifestFile", source=source))

    assert set(found) == {"train/m.jsonl", "train/in/train/a.csv"}


async def test_gzip_is_unpacked_and_recordio_is_wrapped(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["z/a.csv"] = gzip.compress(b"12345")
    wrapped = channel("train", "s3://bucket/z/a.csv", CompressionType="Gzip", RecordWrapperType="RecordIO")

    assert await files(bench, wrapped) == [{"train/a.csv": struct.pack("<II", 0xCED7230A, 5) + b"12345\0\0\0"}]


async def test_data_that_is_not_gzip_fails_the_job_in_words(bench: Bench) -> None:
    await bench.create(InputDataConfig=[channel("train", "s3://bucket/in/train/a.csv", CompressionType="Gzip")])
    job = await bench.ended()

    assert job.status["FailureReason"] == "ClientError: a.csv is not gzip, but its channel has CompressionType Gzip."


async def test_a_key_cannot_leave_its_channel(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["evil/../../up.csv"] = b"x"

    assert await files(bench, channel("train", "s3://bucket/evil/")) == [{"train/up.csv": b"x"}]


async def test_a_small_channel_is_the_jobs_own_and_a_large_one_is_linked(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["big/file"] = bytes(COPIED + 1)
    await files(bench, channel("train", "s3://bucket/in/train"), channel("big", "s3://bucket/big/"))

    assert bench.compute.launched[0].read_only == ("input/data/big",)


async def test_another_user_can_read_the_data_whatever_the_servers_mask(bench: Bench) -> None:
    before = os.umask(0o077)
    try:
        await files(bench, channel("train", "s3://bucket/in/", CompressionType="None"))
    finally:
        os.umask(before)
    root = bench.ml() / "input/data/train"

    assert [path for path in [root, *root.rglob("*")] if not path.stat().st_mode & 0o004] == []


async def test_the_configuration_files_are_those_of_the_container_contract(bench: Bench) -> None:
    await bench.create(
        HyperParameters={"eta": "0.1"}, ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2}
    )
    await bench.running()
    config = bench.ml(1) / "input/config"

    assert json.loads((config / "hyperparameters.json").read_text()) == {"eta": "0.1"}
    assert json.loads((config / "inputdataconfig.json").read_text()) == {
        "train": {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
    }
    assert json.loads((config / "resourceconfig.json").read_text()) == {
        "current_host": "algo-2",
        "current_instance_type": "ml.m5.large",
        "current_group_name": "homogeneousCluster",
        "hosts": ["algo-1", "algo-2"],
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": ["algo-1", "algo-2"]}
        ],
        "network_interface_name": "lo",
    }


async def test_the_container_is_told_where_checkpoints_go(bench: Bench) -> None:
    await bench.create(CheckpointConfig={"S3Uri": "s3://bucket/points"})
    await bench.running()

    assert json.loads((bench.ml(0) / "input/config/checkpointconfig.json").read_text()) == {
        "LocalPath": "/opt/ml/checkpoints",
        "S3Uri": "s3://bucket/points",
    }


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("s3://b/k/x", ("b", "k/x")),
        ("https://b.s3.us-west-2.amazonaws.com/k/x", ("b", "k/x")),
        ("https://b.s3-us-west-2.amazonaws.com/k", ("b", "k")),
        ("https://s3.us-west-2.amazonaws.com/b/k/x", ("b", "k/x")),
    ],
)
def test_every_form_of_an_s3_address_is_understood(uri: str, place: tuple[str, str]) -> None:
    assert bucket_and_key(uri) == place
