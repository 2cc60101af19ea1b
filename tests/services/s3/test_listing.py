"""Listings: byte order, delimiters, pages, both versions of the API."""

import pytest
from types_boto3_s3.client import S3Client

from tests.services.s3.server import refused

KEYS = [f"p/{number:03}" for number in range(25)]
KEYS += [f"p/d{folder}/x{number}" for folder in range(3) for number in range(2)]
KEYS += ["p/a-b", "p/a/b", "p/a.b", "q/1"]


@pytest.fixture
def filled(s3: S3Client, bucket: str) -> str:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    return bucket


def test_pages_together_are_every_key_in_byte_order(s3: S3Client, filled: str) -> None:
    pages = list(
        s3.get_paginator("list_objects_v2").paginate(Bucket=filled, Prefix="p/", PaginationConfig={"PageSize": 7})
    )

    assert [one["Key"] for page in pages for one in page["Contents"]] == sorted(key for key in KEYS if key < "q")
    assert len(pages) == 5


def test_a_delimiter_folds_keys_across_pages(s3: S3Client, filled: str) -> None:
    keys, prefixes = [], []
    for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=filled, Prefix="p/", Delimiter="/", PaginationConfig={"PageSize": 4}
    ):
        keys += [one["Key"] for one in page.get("Contents", [])]
        prefixes += [one["Prefix"] for one in page.get("CommonPrefixes", [])]

    assert prefixes == ["p/a/", "p/d0/", "p/d1/", "p/d2/"]
    assert len(keys) == 27


def test_the_first_version_folds_and_pages_too(s3: S3Client, filled: str) -> None:
    keys, prefixes = [], []
    for page in s3.get_paginator("list_objects").paginate(
        Bucket=filled, Prefix="p/", Delimiter="/", PaginationConfig={"PageSize": 4}
    ):
        keys += [one["Key"] for one in page.get("Contents", [])]
        prefixes += [one["Prefix"] for one in page.get("CommonPrefixes", [])]

    assert (len(keys), prefixes) == (27, ["p/a/", "p/d0/", "p/d1/", "p/d2/"])


def test_a_listing_starts_behind_a_key(s3: S3Client, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, Prefix="p/", StartAfter="p/020", MaxKeys=3)

    assert [one["Key"] for one in page["Contents"]] == ["p/021", "p/022", "p/023"]
    assert (page["IsTruncated"], page["KeyCount"], page["StartAfter"]) == (True, 3, "p/020")


def test_the_first_version_starts_behind_a_marker(s3: S3Client, filled: str) -> None:
    page = s3.list_objects(Bucket=filled, Prefix="p/0", Marker="p/003", MaxKeys=2)

    assert [one["Key"] for one in page["Contents"]] == ["p/004", "p/005"]
    assert page["Contents"][0]["Owner"]["ID"]


def test_a_prefix_need_not_end_with_the_delimiter(s3: S3Client, filled: str) -> None:
    assert len(s3.list_objects_v2(Bucket=filled, Prefix="p/d1")["Contents"]) == 2


def test_the_top_is_its_folders(s3: S3Client, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, Delimiter="/")

    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["p/", "q/"]
    assert "Contents" not in page


def test_what_is_listed_has_its_facts(s3: S3Client, filled: str) -> None:
    (first, *_) = s3.list_objects_v2(Bucket=filled, MaxKeys=1, FetchOwner=True)["Contents"]

    assert (first["ETag"], first["Size"], first["StorageClass"]) == (
        '"c4ca4238a0b923820dcc509a6f75849b"',
        1,
        "STANDARD",
    )
    assert first["LastModified"] == s3.head_object(Bucket=filled, Key=first["Key"])["LastModified"]
    assert first["Owner"]["ID"]


def test_no_keys_are_listed_when_none_are_asked_for(s3: S3Client, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, MaxKeys=0)

    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)


def test_a_deleted_folder_leaves_no_ghost(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="folder/x", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="folder/x")

    assert "CommonPrefixes" not in s3.list_objects_v2(Bucket=bucket, Delimiter="/")


@pytest.mark.parametrize("token", ["not one of ours", "a", "/w==", "ключ"])
def test_a_token_that_was_not_given_is_refused(s3: S3Client, bucket: str, token: str) -> None:
    with refused("InvalidArgument", 400):
        s3.list_objects_v2(Bucket=bucket, ContinuationToken=token)
    with refused("InvalidArgument", 400):
        s3.list_buckets(ContinuationToken=token)


def test_a_missing_bucket_has_no_list(s3: S3Client) -> None:
    with refused("NoSuchBucket", 404):
        s3.list_objects_v2(Bucket="no-bucket-of-this-name")
