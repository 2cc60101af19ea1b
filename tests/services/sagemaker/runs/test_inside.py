"""The way from a run to the API."""

from dataclasses import replace
from pathlib import Path

import pytest

from salvia.ports.credentials import Credential
from salvia.services.sagemaker.runs import inside
from tests import fakes
from tests.fakes import CALLER


@pytest.mark.parametrize(
    ("host", "proxy"),
    [("127.0.0.1", "http://server:8321"), ("10.0.0.1", "http://KEY:a%2Fb%2Bc@server:8321")],
)
def test_tunnels_of_a_server_that_others_reach_are_opened_with_the_sessions_key(
    tmp_path: Path, host: str, proxy: str
) -> None:
    world = fakes.world(tmp_path)
    world.parts["endpoint_url"] = "http://server:8321"
    world.settings = replace(world.settings, host=host)
    told = inside.access(world, Credential("KEY", "a/b+c", CALLER, "token"))

    assert (told["HTTPS_PROXY"], told["AWS_ENDPOINT_URL"]) == (proxy, "http://server:8321")


def test_instances_of_a_job_are_reached_without_the_proxy(tmp_path: Path) -> None:
    world = fakes.world(tmp_path)
    world.parts["endpoint_url"] = "http://127.0.0.1:8321"
    told = inside.access(world, Credential("KEY", "secret", CALLER, "token"), ["algo-1", "algo-2"])

    assert told["NO_PROXY"] == told["no_proxy"] == "127.0.0.1,localhost,algo-1,algo-2"
