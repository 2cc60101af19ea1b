"""kill -9 while objects are uploaded in parts and deleted by the hundred: what was acknowledged stays done."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.crash.cluster import Cluster, Until, working
from tests.crash.jobs import BUCKET

pytestmark = pytest.mark.slow

KILLS = 8
PART = 5 << 20  # the least that S3 takes, but for the last
BATCH = 40


class Uploads:
    """Uploads objects in three parts, again and again; goes on after a crash with what was acknowledged."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.chance = cluster, cluster.draws()
        self.whole: dict[str, bytes] = {}  # what was acknowledged as complete
        self.parts = 0

    def work(self, until: Until) -> None:
        number = 0
        while until:
            number += 1
            key = f"parts-{number}"
            pieces = [self.chance.randbytes(1 << 10) * (PART >> 10) for _ in range(2)] + [self.chance.randbytes(1000)]
            asked = {"Bucket": BUCKET, "Key": key}
            upload = self.cluster.ask("s3", lambda s3: s3.create_multipart_upload(**asked))["UploadId"]
            asked["UploadId"] = upload
            sent = [
                {"PartNumber": index, "ETag": self._part(asked, index, piece)} for index, piece in enumerate(pieces, 1)
            ]
            listed = self.cluster.ask("s3", lambda s3: s3.list_parts(**asked))["Parts"]
            assert [{name: part[name] for name in ("PartNumber", "ETag")} for part in listed] == sent
            self._complete(asked, sent)
            self.whole[key] = b"".join(pieces)

    def _part(self, asked: dict[str, Any], number: int, piece: bytes) -> str:
        answer = self.cluster.ask("s3", lambda s3: s3.upload_part(**asked, PartNumber=number, Body=piece))
        self.parts += 1
        return str(answer["ETag"])

    def _complete(self, asked: dict[str, Any], sent: list[dict[str, Any]]) -> None:
        upload = {"Parts": sent}
        try:
            self.cluster.ask("s3", lambda s3: s3.complete_multipart_upload(**asked, MultipartUpload=upload))
        except ClientError as error:  # it was completed, and only the answer was lost
            assert error.response["Error"]["Code"] == "NoSuchUpload"

    def wrong(self) -> list[str]:
        return [key for key, data in self.whole.items() if read(self.cluster, key) != data]


class Deletions:
    """Writes batches of objects and deletes each batch in one request, sometimes with a key that is not there."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster, self.chance = cluster, cluster.draws()
        self.gone: set[str] = set()
        self.maybe: set[str] = set()
        self.kept: dict[str, bytes] = {}

    def work(self, until: Until) -> None:
        number = 0
        while until:
            number += 1
            batch = {f"batch-{number}/{index}": self.chance.randbytes(10 + 600 * index) for index in range(BATCH)}
            for key, data in batch.items():
                self.cluster.ask("s3", lambda s3: s3.put_object(Bucket=BUCKET, Key=key, Body=data))
            doomed = set(self.chance.sample(sorted(batch), BATCH - 5))
            self.kept |= {key: data for key, data in batch.items() if key not in doomed}
            request = {"Objects": [{"Key": key} for key in sorted(doomed)] + [{"Key": f"batch-{number}/never"}]}
            try:
                answer = self.cluster.client("s3").delete_objects(Bucket=BUCKET, Delete=request)
            except BotoCoreError:
                self.maybe |= doomed
                time.sleep(0.02)
                continue
            assert len(answer["Deleted"]) == BATCH - 4
            self.gone |= doomed

    def listed(self) -> set[str]:
        return {item["Key"] for item in objects_below(self.cluster, "batch-")}


def objects_below(cluster: Cluster, prefix: str) -> list[dict[str, Any]]:
    pages = cluster.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [item for page in pages for item in page.get("Contents", ())]


def put(cluster: Cluster, item: tuple[str, bytes]) -> None:
    key, data = item
    cluster.ask("s3", lambda s3: s3.put_object(Bucket=BUCKET, Key=key, Body=data))


def read(cluster: Cluster, key: str) -> bytes:
    return bytes(cluster.ask("s3", lambda s3: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()))


def test_parts_completions_and_deletions_survive(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance, 2) as cluster:
        cluster.make_bucket(BUCKET)
        uploads, deletions = Uploads(cluster), Deletions(cluster)
        with working(uploads.work, deletions.work):
            cluster.kill_at_random(KILLS)
            time.sleep(1)

        assert uploads.wrong() == []
        assert len(uploads.whole) > 2
        listed = deletions.listed()
        assert not listed & deletions.gone
        assert {key: read(cluster, key) for key in deletions.kept} == deletions.kept
        assert cluster.said() == ""
        print(  # noqa: T201 - shown with -rP
            f"{cluster.kills} kills, {len(uploads.whole)} uploads of {uploads.parts} parts, {len(deletions.gone)} deletions "
            f"acknowledged and {len(deletions.maybe)} not, of which {len(listed & deletions.maybe)} were not done"
        )


def test_a_kill_in_the_midst_of_a_deletion_loses_nothing_else(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance) as cluster, ThreadPoolExecutor(4) as threads:
        cluster.make_bucket(BUCKET)
        answered = 0
        for number in range(KILLS // 2):
            batch = {f"batch-{number}/{index}": chance.randbytes(10 + 200 * index) for index in range(100)}
            list(threads.map(partial(put, cluster), batch.items()))
            doomed = sorted(batch)[5:]
            request = {"Objects": [{"Key": key} for key in doomed]}
            deletion = threads.submit(cluster.client("s3").delete_objects, Bucket=BUCKET, Delete=request)
            time.sleep(chance.uniform(0, 0.08))
            cluster.kill()
            cluster.restart()
            left = {item["Key"] for item in objects_below(cluster, f"batch-{number}/")}

            if isinstance(deletion.exception(), BotoCoreError):
                assert {key: read(cluster, key) for key in left} == {key: batch[key] for key in left}
            else:
                assert len(deletion.result()["Deleted"]) == len(doomed)
                assert not left & set(doomed)
                answered += 1
            assert left >= set(batch) - set(doomed)
        print(f"{answered} of {KILLS // 2} deletions were acknowledged before the kill")  # noqa: T201 - shown with -rP


def test_what_killed_servers_were_writing_is_swept_away(data: Path, chance: random.Random) -> None:
    with Cluster(data, chance) as cluster:
        cluster.make_bucket(BUCKET)
        uploads = Uploads(cluster)
        with working(uploads.work):
            cluster.kill_at_random(KILLS // 3, least=0.2)
        for upload in cluster.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()):
            cluster.client("s3").abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
        cluster.kill()
        cluster.restart()

        (session,) = (data / "objects/incoming").iterdir()
        assert list(session.iterdir()) == []
