"""What stands beside the /opt/ml of an instance for its Pipe channels."""

import json
import stat
from typing import Any

from tests.services.sagemaker.training.conftest import Bench, channel

SHARDED = {"S3DataDistributionType": "ShardedByS3Key"}


async def plans(bench: Bench, asked: dict[str, Any], count: int = 1) -> list[tuple[dict[str, Any], list[bytes]]]:
    """Each instance's plan, and the objects it names in their order."""
    await bench.create(
        InputDataConfig=[asked | {"InputMode": "Pipe"}],
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": count},
    )
    await bench.running()
    folders = [bench.ml(number).parent / "feed" for number in range(count)]
    return [
        (
            json.loads((folder / "train.json").read_text()),
            [path.read_bytes() for path in sorted((folder / "train").iterdir(), key=lambda path: int(path.name))],
        )
        for folder in folders
    ]


async def test_a_pipe_has_its_first_fifo_and_no_folder(bench: Bench) -> None:
    await plans(bench, channel("train", "s3://bucket/in/train/"))
    data = bench.ml(0) / "input/data"

    assert [path.name for path in data.iterdir()] == ["train_0"]
    assert stat.S_ISFIFO((data / "train_0").stat().st_mode)
    told = json.loads((bench.ml(0) / "input/config/inputdataconfig.json").read_text())
    assert told["train"]["TrainingInputMode"] == "Pipe"


async def test_a_prefix_is_fed_in_the_order_of_its_keys(bench: Bench) -> None:
    [(plan, objects)] = await plans(bench, channel("train", "s3://bucket/in/train/"))

    assert plan["records"] == [[0], [1]]
    assert objects == [b"1,2\n", b"3,4\n"]


async def test_a_manifest_is_fed_in_its_own_order(bench: Bench) -> None:
    manifest = [{"prefix": "s3://bucket/in/train/"}, "b.csv", "a.csv"]
    bench.objects.buckets["bucket"]["m.json"] = json.dumps(manifest).encode()
    [(_, objects)] = await plans(bench, channel("train", "s3://bucket/m.json", "ManifestFile"))

    assert objects == [b"3,4\n", b"1,2\n"]


async def test_an_augmented_manifest_is_fed_attribute_by_attribute(bench: Bench) -> None:
    lines = [
        {"label": 3, "source-ref": "s3://bucket/in/train/b.csv", "unused": 1},
        {"source-ref": "s3://bucket/in/train/a.csv", "label": "cat"},
    ]
    bench.objects.buckets["bucket"]["m.jsonl"] = "\n".join(map(json.dumps, lines)).encode()
    asked = channel(
        "train",
        "s3://bucket/m.jsonl",
        "AugmentedManifestFile",
        source={"AttributeNames": ["source-ref", "label"]},
        RecordWrapperType="RecordIO",
    )
    [(plan, objects)] = await plans(bench, asked)

    assert (plan["records"], plan["recordio"]) == ([[0, "3"], [1, "cat"]], True)
    assert objects == [b"3,4\n", b"1,2\n"]


async def test_a_line_without_its_attribute_fails_the_job_in_words(bench: Bench) -> None:
    bench.objects.buckets["bucket"]["m.jsonl"] = b'{"label": 3}'
    asked = channel(
        "train", "s3://bucket/m.jsonl", "AugmentedManifestFile", source={"AttributeNames": ["x"]}, InputMode="Pipe"
    )
    await bench.create(InputDataConfig=[asked])
    job = await bench.ended()

    assert job.status["FailureReason"] == "ClientError: line 1 of s3://bucket/m.jsonl is not a JSON object with x."


async def test_shards_are_placed_alone_unless_they_will_be_exchanged(bench: Bench) -> None:
    alone = await plans(bench, channel("train", "s3://bucket/in/train/", source=SHARDED), count=2)

    assert [objects for _, objects in alone] == [[b"1,2\n"], [b"3,4\n"]]


async def test_shuffled_shards_are_cut_epoch_by_epoch(bench: Bench) -> None:
    asked = channel("train", "s3://bucket/in/train/", source=SHARDED, ShuffleConfig={"Seed": 4})
    exchanged = await plans(bench, asked, count=2)

    assert [plan["share"] for plan, _ in exchanged] == [[0, 2], [1, 2]]
    assert [(plan["seed"], objects) for plan, objects in exchanged] == [(4, [b"1,2\n", b"3,4\n"])] * 2


async def test_fast_file_mode_shows_small_channels_read_only_too(bench: Bench) -> None:
    await bench.create(
        InputDataConfig=[channel("train", "s3://bucket/in/train/", InputMode="FastFile")],
    )
    await bench.running()

    assert bench.compute.launched[-1].read_only == ("input/data/train",)
    assert (bench.ml(0) / "input/data/train/a.csv").read_bytes() == b"1,2\n"


async def test_file_mode_shuffles_which_instance_gets_which_object(bench: Bench) -> None:
    bench.objects.buckets["bucket"] |= {f"many/{number}": b"" for number in range(40)}
    asked = channel("train", "s3://bucket/many/", source=SHARDED, ShuffleConfig={"Seed": 4})
    await bench.create(InputDataConfig=[asked], ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2})
    await bench.running()
    one, other = ({int(path.name) for path in (bench.ml(number) / "input/data/train").iterdir()} for number in (0, 1))

    assert (len(one), one | other) == (20, set(range(40)))
    assert one != {number for number in range(40) if sorted(map(str, range(40))).index(str(number)) % 2 == 0}
