"""Image URIs become environments: which, in which version, and what is said when there is none."""

import asyncio
import os
import platform
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from salvia.adapters.images import build
from salvia.adapters.images.local import LocalImages
from salvia.adapters.images.table import Images
from salvia.adapters.images.uri import ImageUri
from salvia.ports.images import Readiness, UnknownImageError

XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1"


@pytest.fixture
def images(tmp_path: Path) -> LocalImages:
    return LocalImages(tmp_path)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("python:3.12-slim", ImageUri("python", "3.12-slim")),
        ("docker.io/library/python", ImageUri("library/python")),
        ("public.ecr.aws/docker/library/python:3", ImageUri("docker/library/python", "3")),
        ("localhost:5000/mine:1", ImageUri("mine", "1", registry="localhost:5000")),
        (
            f"{XGBOOST}@sha256:00",
            ImageUri(
                "sagemaker-xgboost",
                "1.7-1",
                "sha256:00",
                "246618743249.dkr.ecr.us-west-2.amazonaws.com",
                "246618743249",
                "us-west-2",
            ),
        ),
    ],
)
def test_a_uri_comes_apart(text: str, uri: ImageUri) -> None:
    assert ImageUri.parse(text) == uri


@pytest.mark.parametrize(
    "registry",
    [
        "683313688378.dkr.ecr.us-east-1.amazonaws.com",
        "451049120500.dkr.ecr.cn-northwest-1.amazonaws.com.cn",
        "226302683700.dkr.ecr.us-gov-west-1.amazonaws.com",
        "341280168497.dkr.ecr-fips.ca-central-1.amazonaws.com",
        "833128469047.dkr.ecr.us-iso-east-1.c2s.ic.gov",
        "281123927165.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
    ],
)
def test_the_registries_of_every_partition_are_known(images: LocalImages, registry: str) -> None:
    assert images.resolve(f"{registry}/sagemaker-xgboost:1.7-1").algorithm == "xgboost"


@pytest.mark.parametrize(
    "tag",
    [
        "0.90-1",
        "0.90-2",
        "1.0-1",
        "1.2-1",
        "1.2-2",
        "1.3-1",
        "1.5-1",
        "1.7-1",
        "3.0-5",
        "1.2-1-cpu-py3",
        "1.7-1-cpu-py3",
    ],
)
def test_every_released_tag_of_xgboost_resolves(images: LocalImages, tag: str) -> None:
    image = images.resolve(f"246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:{tag}")

    assert image.version == "3.0.5"
    assert image.entry_points["train"] == ("python", "-m", "salvia_algorithms.xgboost", "train")


@pytest.mark.parametrize(
    ("repository", "algorithm"),
    [
        ("linear-learner", "linear_learner"),
        ("pca", "pca"),
        ("factorization-machines", "factorization_machines"),
        ("kmeans", "kmeans"),
        ("randomcutforest", "randomcutforest"),
        ("knn", "knn"),
    ],
)
def test_awss_own_algorithms_train_and_serve_in_processes_that_have_them_loaded(
    images: LocalImages, repository: str, algorithm: str
) -> None:
    image = images.resolve(f"382416733822.dkr.ecr.us-east-1.amazonaws.com/{repository}:1")

    assert image.algorithm == algorithm
    assert image.entry_points == {
        entry: ("python", "-m", f"salvia_algorithms.{algorithm}", entry) for entry in ("train", "serve")
    }
    recipe = Images.read().recipes[image.name.rsplit("-", 2)[0]]
    assert f"salvia_algorithms.{algorithm}" in recipe.modules
    assert f"salvia_algorithms.{algorithm}.*" in recipe.preload


@pytest.mark.parametrize("algorithm", ["lightgbm", "catboost"])
@pytest.mark.parametrize("problem", ["classification", "regression"])
@pytest.mark.parametrize("tag", ["", ":latest", ":1", ":2.2.7"])
def test_tabular_algorithms_are_images_by_the_names_of_their_models(
    images: LocalImages, algorithm: str, problem: str, tag: str
) -> None:
    image = images.resolve(f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{algorithm}-{problem}-model{tag}")

    assert image.algorithm == algorithm
    assert image.entry_points["train"] == ("python", "-m", f"salvia_algorithms.{algorithm}", "train", problem)
    assert image.entry_points["serve"] == ("python", "-m", f"salvia_algorithms.{algorithm}", "serve")


def test_the_note_tells_what_was_asked_and_what_runs(images: LocalImages) -> None:
    assert images.resolve(XGBOOST).note == "sagemaker-xgboost 1.7-1 asked, 3.0.5 runs"


@pytest.mark.parametrize("tag", [":3.0-5", ":3.0-5-cpu-py3", ":latest", "", "@sha256:00"])
def test_there_is_no_note_when_nothing_else_was_asked(images: LocalImages, tag: str) -> None:
    assert images.resolve(f"246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost{tag}").note == ""


@pytest.mark.parametrize("tag", ["0.20.0-cpu-py3", "0.23-1-cpu-py3", "1.0-1-cpu-py3", "1.2-1-cpu-py3", "1.4-2-cpu-py3"])
def test_every_released_tag_of_scikit_learn_resolves_and_says_what_runs(images: LocalImages, tag: str) -> None:
    image = images.resolve(f"246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:{tag}")

    assert image.name.startswith("scikit-learn-")
    assert image.note == f"sagemaker-scikit-learn {tag.removesuffix('-cpu-py3')} asked, {image.version} runs"


@pytest.mark.parametrize(
    ("repository", "tag", "environment", "asked"),
    [
        ("pytorch-training", "2.1.0-cpu-py310", "pytorch", "2.1.0"),
        ("pytorch-inference", "2.6.0-gpu-py312-cu124-ubuntu22.04-sagemaker", "pytorch", "2.6.0"),
        (
            "huggingface-pytorch-training",
            "2.1.0-transformers4.36.0-gpu-py310-cu121-ubuntu20.04",
            "huggingface",
            "4.36.0",
        ),
        ("tensorflow-training", "2.16-cpu-py310", "tensorflow", "2.16"),
        ("tensorflow-inference", "2.16-cpu", "tensorflow", "2.16"),
    ],
)
def test_the_tags_of_deep_learning_containers_resolve(
    images: LocalImages, repository: str, tag: str, environment: str, asked: str
) -> None:
    image = images.resolve(f"763104351884.dkr.ecr.us-west-2.amazonaws.com/{repository}:{tag}")

    assert image.name.startswith(f"{environment}-3.")
    assert image.note == f"{repository} {asked} asked, {image.version} runs"


@pytest.mark.parametrize("repository", ["mxnet-training", "sagemaker-mxnet", "mxnet-inference"])
def test_mxnet_is_refused_in_words(images: LocalImages, repository: str) -> None:
    with pytest.raises(UnknownImageError, match=r"cannot run here: the last release of MXNet is 1\.9\.1"):
        images.resolve(f"763104351884.dkr.ecr.us-west-2.amazonaws.com/{repository}:1.9.0-cpu-py38")


def test_what_is_published_as_sources_is_built_apart_from_the_wheels() -> None:
    wheels, sources = build._parted(build.lock_of("scikit-learn"))

    assert sources.startswith("sagemaker-training==")
    assert build.packages_of(wheels) == [
        name for name in build.packages_of(build.lock_of("scikit-learn")) if not name.startswith("sagemaker-training")
    ]


@pytest.mark.parametrize("name", list(Images.read().recipes))
def test_what_a_row_says_it_runs_is_what_its_lock_has(name: str) -> None:
    runs = {row.runs for row in Images.read().rows if row.environment == name}
    locked = {package.partition("==")[2] for package in build.packages_of(build.lock_of(name))}

    # "1" is what AWS calls all its own algorithms; they are part of this package, not of a lock.
    assert runs <= locked | {platform.python_version()} | (
        {"1"} if name in ("algorithms", "forests", "neighbours") else set()
    )


@pytest.mark.parametrize(
    "uri", ["python:3.12", "python", "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python:2.0"]
)
def test_plain_python_images_run_what_they_are_told(images: LocalImages, uri: str) -> None:
    image = images.resolve(uri)

    assert (image.algorithm, image.entry_points) == ("", {})
    assert image.version == ".".join(map(str, sys.version_info[:3]))


def test_a_plain_python_image_has_an_environment_for_each_sdk_that_sends_functions(images: LocalImages) -> None:
    sdks = images.resolve("236514542706.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0").sdks

    assert {major: images.find_environment(name).name.rsplit("-", 2)[0] for major, name in sdks.items()} == {
        "2": "sagemaker-2",
        "3": "sagemaker-3",
    }


def test_an_unknown_tag_names_those_that_exist(images: LocalImages) -> None:
    with pytest.raises(UnknownImageError, match=r"no tag '9\.9-9' of the image 'sagemaker-xgboost'.*0\.90-1.*3\.0-5"):
        images.resolve("246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:9.9-9")


@pytest.mark.parametrize(
    "uri", ["123456789012.dkr.ecr.us-east-1.amazonaws.com/mine:1", "ghcr.io/somebody/xgboost:1", ""]
)
def test_an_unknown_image_says_what_can_be_done(images: LocalImages, uri: str) -> None:
    with pytest.raises(UnknownImageError, match=r"no environment on this server can run the image.*sagemaker-xgboost"):
        images.resolve(uri)


@pytest.mark.parametrize("name", list(Images.read().recipes))
def test_environments_are_locked_with_hashes(name: str) -> None:
    lock = build.lock_of(name)

    assert build.packages_of(lock)
    assert lock.count("--hash=sha256:") >= len(build.packages_of(lock))


async def test_what_is_there_is_ready_and_is_announced(images: LocalImages, tmp_path: Path) -> None:
    announced: list[str] = []
    image = images.resolve(XGBOOST)
    images.on_ready(announced.append)
    (tmp_path / image.name).mkdir()

    assert await images.prepare(image) == Readiness(ready=True)
    assert announced == [image.name]
    assert images.find_environment(image.name).folder == tmp_path / image.name


async def test_a_failed_build_says_why_and_is_tried_again_later(
    images: LocalImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", f"file://{tmp_path}/no-such-index")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    image = images.resolve(XGBOOST)
    said = [await images.prepare(image)]
    while not said[-1].error:
        await asyncio.sleep(0.01)
        said.append(await images.prepare(image))

    assert said[0].message.startswith("building the xgboost environment: ")
    assert said[-1].error.startswith("building the xgboost environment failed: ")
    assert "UV_INDEX_URL" in said[-1].error
    assert not [name for name in os.listdir(tmp_path) if ".building-" in name]


def test_a_build_throws_away_what_a_killed_one_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = build.folder_name("python")
    (tmp_path / f".{name}.building-1").mkdir()
    monkeypatch.setattr(build, "_fill", lambda folder, *_: folder.mkdir())

    assert build.build("python", tmp_path, print) == tmp_path / name
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{name}.lock", name]


def test_a_killed_server_leaves_no_uv_behind_that_goes_on_building(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid.part && mv {tmp_path}/pid.part {tmp_path}/pid; exec sleep 60")
    uv.chmod(0o755)
    code = (
        "import sys, pathlib; from salvia.adapters.images import build; build.uv.find_uv_bin = lambda: sys.argv[1]\n"
        "build.build('python', pathlib.Path(sys.argv[2]), lambda _: None)"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(uv), str(tmp_path)])
    appears(tmp_path / "pid")
    descriptor = os.pidfd_open(int((tmp_path / "pid").read_text()))
    server.kill()
    server.wait()

    ended, _, _ = select.select([descriptor], [], [], 10)
    os.close(descriptor)
    assert ended


def appears(path: Path) -> None:
    until = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_two_servers_build_once(tmp_path: Path) -> None:
    builder = (
        "import sys, time, pathlib; from salvia.adapters.images import build\n"
        "def fill(folder, lock, say): print('built', flush=True); time.sleep(.1); folder.mkdir()\n"
        "build._fill = fill; build.build('python', pathlib.Path(sys.argv[1]), lambda _: None)"
    )
    command = [sys.executable, "-c", builder, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) for _ in range(2)]

    assert sorted(process.communicate()[0] for process in both) == ["", "built\n"]


def test_what_must_be_compiled_is_when_the_environment_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def fail(command: list[str]) -> "subprocess.CompletedProcess[str]":
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "no such")

    monkeypatch.setattr(build, "_fill", lambda folder, *_: folder.mkdir())
    monkeypatch.setattr(build, "_run", fail)

    with pytest.raises(build.BuildError, match=r"compiling salvia_algorithms\.randomcutforest\.trees: no such"):
        build.build("forests", tmp_path, print)

    assert commands[0][-1].endswith("import salvia_algorithms.randomcutforest.trees")
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


@pytest.mark.slow
async def test_the_python_environment_is_built_from_its_lock(images: LocalImages) -> None:
    image = images.resolve("python")
    until = time.monotonic() + 300
    while not (readiness := await images.prepare(image)).ready:
        assert not readiness.error
        assert time.monotonic() < until
        await asyncio.sleep(0.1)
    folder = images.find_environment(image.name).folder
    assert folder is not None
    pth = next(folder.glob("lib/python3.*/site-packages/salvia.pth"))

    assert (pth.parent / "boto3").is_dir()
    assert pth.read_text() == f"{build.CODE_PATH}\n"


def test_uv_trusts_whom_the_machine_trusts_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_has_authorities", lambda: True)
    assert build.uv_environment({"HOME": "/h", "VIRTUAL_ENV": "/v"}) == {
        "HOME": "/h",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "true",
    }
    assert build.uv_environment({"UV_SYSTEM_CERTS": "false"})["UV_SYSTEM_CERTS"] == "false"
    monkeypatch.setattr(build, "_has_authorities", lambda: False)
    assert "UV_SYSTEM_CERTS" not in build.uv_environment({})
