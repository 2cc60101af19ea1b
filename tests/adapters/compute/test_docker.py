"""What is decided about containers before any daemon is asked, and what its streams hold."""

import asyncio
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from salvia.adapters.compute.by_image import ByImage
from salvia.adapters.compute.docker import Docker
from salvia.adapters.images.containers import ContainerImages
from salvia.adapters.images.daemon import Daemon, DaemonError, Output
from salvia.adapters.images.daemon_socket import find_socket
from salvia.adapters.images.local import LocalImages
from salvia.ports.compute import RunSpec
from salvia.ports.images import UnknownImageError

SCRIPT = "763104351884.dkr.ecr.us-west-2.amazonaws.com/sagemaker-base-python-310:1.0"

XGBOOST = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:none"


class FakeDaemon(Daemon):
    """Answers what it is told to, and keeps what it was asked."""

    def __init__(self, *images: str, refuses: str = "") -> None:
        super().__init__("/nowhere")
        self.images, self.refuses = set(images), refuses
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        self.asked.append((f"{method} {path}", query))
        if self.refuses:
            raise DaemonError(404, self.refuses)
        return [{"Name": "bridge"}]

    def has_image(self, uri: str) -> bool:
        return uri in self.images


def configuration(tmp_path: Path, *command: str, bridged: bool = False, **given: Any) -> dict[str, Any]:
    spec = RunSpec("run", "own:1", command, tmp_path / "log", **given)
    return Docker(tmp_path, FakeDaemon())._configuration(spec, bridged=bridged)


def test_a_frame_is_taken_apart_however_it_comes() -> None:
    stream = b"\1\0\0\0\0\0\0\3out" + b"\2\0\0\0\0\0\0\4err\n" + b"\1\0\0\0\0\0\0\0"
    output = Output()

    assert b"".join(output.feed(stream[at : at + 1]) for at in range(len(stream))) == b"outerr\n"
    assert output.feed(stream) == b"outerr\n"


def test_the_images_own_entry_point_stays_unless_it_is_replaced(tmp_path: Path) -> None:
    kept, replaced = configuration(tmp_path, "", "train"), configuration(tmp_path, "python", "train.py")

    assert ("Entrypoint" in kept, kept["Cmd"]) == (False, ["train"])
    assert (replaced["Entrypoint"], replaced["Cmd"]) == (["python"], ["train.py"])
    assert "Cmd" not in configuration(tmp_path, "")


@pytest.mark.parametrize(
    ("command", "bridged", "isolated", "network"),
    [
        ("train", True, False, "host"),
        ("train", True, True, "none"),
        ("serve", True, False, "bridge"),
        ("serve", False, False, "none"),
        ("serve", True, True, "none"),
    ],
)
def test_what_serves_has_a_network_of_its_own(
    tmp_path: Path, command: str, bridged: bool, isolated: bool, network: str
) -> None:
    made = configuration(tmp_path, "", command, bridged=bridged, isolated=isolated)

    assert made["HostConfig"]["NetworkMode"] == network


def test_channels_that_are_links_are_bound_read_only(tmp_path: Path) -> None:
    made = configuration(tmp_path, "", "train", read_only=("input/data/train",))

    assert made["HostConfig"]["Binds"][1].endswith("/ml/input/data/train:/opt/ml/input/data/train:ro")


def test_a_socket_is_chosen_or_found_or_declined(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        (tmp_path / "podman").mkdir()
        listener.bind(str(tmp_path / "podman/podman.sock"))

        assert find_socket("/chosen", {"DOCKER_HOST": "unix:///other"}) == "/chosen"
        assert find_socket("", {"DOCKER_HOST": "unix:///other"}) == "/other"
        assert find_socket("none", {"DOCKER_HOST": "unix:///other"}) == ""
        assert find_socket("", {"XDG_RUNTIME_DIR": str(tmp_path)}) in {
            str(tmp_path / "podman/podman.sock"),
            "/var/run/docker.sock",
        }


def test_a_daemon_that_does_not_answer_says_so() -> None:
    with pytest.raises(DaemonError, match="does not answer"):
        Daemon("/nowhere").call("GET", "/info")


def test_an_error_within_a_pull_is_an_error(tmp_path: Path) -> None:
    """The status is 200 long before the pull fails."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        body = b"\r\n".join([json.dumps({"status": "Pulling"}).encode(), json.dumps({"error": "denied"}).encode()])

        def answer() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(1 << 16)
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(DaemonError, match="denied"):
            Daemon(str(tmp_path / "s")).call("POST", "/images/create", fromImage="x")


def test_awss_own_images_stay_what_they_are_and_others_are_containers(tmp_path: Path) -> None:
    images = ContainerImages(LocalImages(tmp_path), FakeDaemon())

    assert images.resolve(SCRIPT).name.startswith("python")
    assert images.resolve("123456789012.dkr.ecr.us-west-2.amazonaws.com/mine:2").entry_points["train"] == ("", "train")
    with pytest.raises(UnknownImageError, match="there is no tag"):
        images.resolve(XGBOOST)


async def test_an_image_that_the_daemon_has_is_not_pulled(tmp_path: Path) -> None:
    daemon = FakeDaemon("own:1")
    images = ContainerImages(LocalImages(tmp_path), daemon)
    image = images.resolve("own:1")

    assert (await images.prepare(image)).ready
    assert (await images.prepare(image)).ready  # a job asks more than once on its way
    assert daemon.asked == []


async def test_a_pull_names_one_tag_and_its_failure_is_told(tmp_path: Path) -> None:
    daemon = FakeDaemon(refuses="no such image")
    images = ContainerImages(LocalImages(tmp_path), daemon)
    image = images.resolve("localhost:5000/own")
    error = ""
    while not error:
        error = (await images.prepare(image)).error
        await asyncio.sleep(0.001)

    assert error == "the image localhost:5000/own cannot be pulled: no such image"
    assert daemon.asked[0][1]["fromImage"] == "localhost:5000/own:latest"


async def test_a_run_is_the_engines_that_launched_it(tmp_path: Path) -> None:
    docker = Docker(tmp_path, FakeDaemon())
    both = ByImage(docker, docker)  # type: ignore[arg-type]  # any Compute will do
    (both.folder("run").parent).mkdir(parents=True)
    (both.folder("run").parent / "container").write_text("salvia-run")

    assert docker.owns("run")
    assert not docker.owns("other")
    assert await both.find("other") is None
