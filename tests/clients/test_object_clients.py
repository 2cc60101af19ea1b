"""Tools that data people already have, unmodified, against the object store: aws s3 sync, pyarrow, s3fs, DuckDB."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.contracts.external_s3 import installed

pytestmark = pytest.mark.slow


def python(environment: Mapping[str, str], packages: tuple[str, ...], code: str) -> str:
    done = subprocess.run(
        [str(installed(*packages) / "python"), "-c", code],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def aws(environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [str(installed("awscli==1.46.3") / "aws"), *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_aws_sync_sends_only_what_changed_and_deletes_only_what_is_gone(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    files = {"model/weights": 300_000, "model-1.tar": 10, "model.txt": 10, "big": 20_000_000, "a/b/c": 1, "a/b-c": 1}
    for name, size in files.items():
        (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "up" / name).write_bytes(b"x" * size)
    aws(environment, "s3", "mb", "s3://sync")
    up = ("s3", "sync", str(tmp_path / "up"), "s3://sync/data", "--delete")

    first, second = aws(environment, *up), aws(environment, *up)
    (tmp_path / "up/model.txt").unlink()
    third = aws(environment, *up)
    aws(environment, "s3", "sync", "s3://sync/data", str(tmp_path / "down"))
    listed = aws(environment, "s3", "ls", "s3://sync/data/", "--recursive")
    presigned = aws(environment, "s3", "presign", "s3://sync/data/model-1.tar")
    aws(environment, "s3", "rb", "s3://sync", "--force")

    assert first.count("upload:") == len(files)
    assert second.strip() == ""
    assert [line.split()[0] for line in third.strip().splitlines()] == ["delete:"]
    assert sorted(str(path.relative_to(tmp_path / "down")) for path in (tmp_path / "down").rglob("*") if path.is_file()) == sorted(files.keys() - {"model.txt"})  # fmt: skip
    assert (tmp_path / "down/big").read_bytes() == b"x" * 20_000_000
    assert len(listed.strip().splitlines()) == len(files) - 1
    assert presigned.startswith(environment["AWS_ENDPOINT_URL"])


def test_aws_copies_with_the_encryption_that_sagemaker_asks_for(environment: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "sourcedir.tar.gz").write_bytes(b"code")
    aws(environment, "s3", "mb", "s3://code")

    aws(environment, "s3", "cp", str(tmp_path / "sourcedir.tar.gz"), "s3://code/s.tar.gz", "--sse", "aws:kms")

    head = aws(environment, "s3api", "head-object", "--bucket", "code", "--key", "s.tar.gz")
    assert '"ServerSideEncryption": "aws:kms"' in head


def test_pyarrow_writes_reads_and_deletes_a_data_set(environment: Mapping[str, str]) -> None:
    code = """
import pyarrow as pa, pyarrow.dataset as ds, pyarrow.parquet as pq, os
from pyarrow.fs import S3FileSystem, FileSelector
fs = S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"], allow_bucket_creation=True, allow_bucket_deletion=True)
fs.create_dir("arrow")
table = pa.table({"x": list(range(200_000)), "part": ["a", "b"] * 100_000})
ds.write_dataset(table, "arrow/set", filesystem=fs, format="parquet", partitioning=["part"])
back = ds.dataset("arrow/set", filesystem=fs, partitioning=["part"])
assert back.count_rows() == 200_000
with fs.open_output_stream("arrow/large") as out:
    for _ in range(4): out.write(b"y" * 6_000_000)
assert fs.get_file_info("arrow/large").size == 24_000_000
with fs.open_input_file("arrow/large") as f:
    f.seek(23_999_990); assert f.read() == b"y" * 10
fs.copy_file("arrow/large", "arrow/copy")
fs.delete_dir("arrow/set")
assert sorted(i.path for i in fs.get_file_info(FileSelector("arrow", recursive=True))) == ["arrow/copy", "arrow/large"]
"""
    python(environment, ("pyarrow==26.0.1",), code)


def test_s3fs_walks_copies_and_removes(environment: Mapping[str, str]) -> None:
    code = """
import os, s3fs
fs = s3fs.S3FileSystem()
fs.mkdir("fsspec", region_name=os.environ["AWS_DEFAULT_REGION"])
with fs.open("fsspec/d/a.csv", "wb") as f: f.write(b"a,b\\n1,2\\n" * 1000)
with fs.open("fsspec/d/e/big", "wb", block_size=5 * 2**20) as f:
    for _ in range(3): f.write(b"z" * 5 * 2**20)
assert sorted(fs.find("fsspec")) == ["fsspec/d/a.csv", "fsspec/d/e/big"]
assert fs.info("fsspec/d/e/big")["size"] == 15 * 2**20
assert fs.cat_file("fsspec/d/a.csv", start=0, end=3) == b"a,b"
fs.copy("fsspec/d/e/big", "fsspec/d/copy")
assert fs.du("fsspec/d/copy") == 15 * 2**20
assert [e["name"] for e in fs.ls("fsspec/d", detail=True)] == ["fsspec/d/a.csv", "fsspec/d/copy", "fsspec/d/e"]
fs.rm("fsspec/d", recursive=True)
assert not fs.exists("fsspec/d")
"""
    python(environment, ("s3fs==2026.9.0",), code)


def test_duckdb_reads_and_writes_parquet(environment: Mapping[str, str]) -> None:
    code = """
import boto3, duckdb, os
from urllib.parse import urlsplit
boto3.client("s3").create_bucket(Bucket="duck", CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]})
db = duckdb.connect()
import duckdb_extension_httpfs, duckdb_extensions
duckdb_extensions.import_extension("httpfs", con=db) if hasattr(duckdb_extensions, "import_extension") else None
db.execute("load httpfs")
e = os.environ
db.execute(f"create secret (type s3, key_id '{e['AWS_ACCESS_KEY_ID']}', secret '{e['AWS_SECRET_ACCESS_KEY']}', endpoint '{urlsplit(e['AWS_ENDPOINT_URL']).netloc}', url_style 'path', use_ssl false, region '{e['AWS_DEFAULT_REGION']}')")
db.execute("copy (select range as x, range % 7 as part from range(300000)) to 's3://duck/t' (format parquet, partition_by (part))")
print(db.sql("select count(*), sum(x) from 's3://duck/t/*/*.parquet'").fetchone())
print(len(db.sql("select * from glob('s3://duck/t/**')").fetchall()))
"""
    packages = ("duckdb==1.5.5", "duckdb-extensions", "duckdb-extension-httpfs==1.5.5", "boto3")

    out = python(environment, packages, code)

    assert out.splitlines() == ["(300000, 44999850000)", "7"]
