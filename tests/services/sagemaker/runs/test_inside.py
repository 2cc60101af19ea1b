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
