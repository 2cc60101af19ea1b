"""What clients are told through the environment."""

import json
import subprocess
from pathlib import Path

import pytest

from salvia.cli import Refusal, env
from salvia.cli.environment import applied, variables
from salvia.cli.servers import Running
from salvia.settings import Settings

SERVER = Running(1, 1, 0.0, "127.0.0.1", 9000, "http://127.0.0.1:9000")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = AK\naws_secret_access_key = s/e\n")
    return Settings(data=tmp_path, region="eu-west-1")


def test_clients_find_the_server_its_key_and_its_region(settings: Settings) -> None:
    chosen = variables(settings, SERVER, {})

    assert chosen["AWS_ENDPOINT_URL"] == chosen["HTTPS_PROXY"] == chosen["https_proxy"] == "http://127.0.0.1:9000"
    assert (chosen["AWS_ACCESS_KEY_ID"], chosen["AWS_SECRET_ACCESS_KEY"]) == ("AK", "s/e")
    assert chosen["AWS_REGION"] == chosen["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert chosen["AWS_CA_BUNDLE"] == chosen["REQUESTS_CA_BUNDLE"] == f"{settings.data}/ca/bundle.pem"


def test_what_would_lead_clients_elsewhere_is_unset(settings: Settings) -> None:
    outer = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "t", "AWS_ENDPOINT_URL_S3": "http://minio", "HOME": "/home/me"}
    inner = applied(variables(settings, SERVER, outer), outer)

    assert inner["HOME"] == "/home/me"
    assert not inner.keys() & {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"}


def test_exceptions_from_proxying_are_kept_but_those_that_reach_aws(settings: Settings) -> None:
    chosen = variables(
        settings, SERVER, {"NO_PROXY": "corp.example, .amazonaws.com,*,s3.eu-west-1.amazonaws.com,127.0.0.1"}
    )

    assert chosen["NO_PROXY"] == chosen["no_proxy"] == "corp.example,127.0.0.1,localhost,::1"


def test_the_proxy_and_bundle_set_outside_are_remembered_however_deep(settings: Settings) -> None:
    outside = {"https_proxy": "http://proxy:3128", "SSL_CERT_FILE": "/etc/corporate.pem"}
    once = applied(variables(settings, SERVER, outside), outside)
    twice = applied(variables(settings, SERVER, once), once)

    assert once == twice
    assert (twice["SALVIA_OUTER_PROXY"], twice["SALVIA_OUTER_CA_BUNDLE"]) == ("http://proxy:3128", "/etc/corporate.pem")


def test_beyond_loopback_the_proxy_is_given_the_key(settings: Settings) -> None:
    server = Running(1, 1, 0.0, "10.0.0.5", 9000, "http://10.0.0.5:9000")
    chosen = variables(settings, server, {})

    assert chosen["HTTPS_PROXY"] == "http://AK:s%2Fe@10.0.0.5:9000"
    assert chosen["AWS_ENDPOINT_URL"] == "http://10.0.0.5:9000"


def test_a_server_on_every_interface_is_reached_on_loopback(settings: Settings) -> None:
    chosen = variables(settings, Running(1, 1, 0.0, "0.0.0.0", 9000, ""), {})

    assert chosen["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9000"
    assert chosen["HTTPS_PROXY"] == "http://AK:s%2Fe@127.0.0.1:9000"


def test_the_sagemaker_sdk_is_told_to_send_no_telemetry_unless_its_user_configured_it(settings: Settings) -> None:
    path = variables(settings, SERVER, {})["SAGEMAKER_USER_CONFIG_OVERRIDE"]

    assert path is not None
    assert "TelemetryOptOut: true" in Path(path).read_text()
    assert "SAGEMAKER_USER_CONFIG_OVERRIDE" not in variables(
        settings, SERVER, {"SAGEMAKER_USER_CONFIG_OVERRIDE": "mine"}
    )


def test_before_the_first_start_there_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="salvia up"):
        variables(Settings(data=tmp_path), None, {})


def test_a_shell_takes_the_variables_whatever_is_in_them() -> None:
    text = env._shell({"A": 'it\'s $HOME "x"', "B": None})
    shown = subprocess.run(
        ["sh", "-c", f'B=1; {text}printf "%s|%s" "$A" "${{B-unset}}"'], capture_output=True, check=True
    )

    assert shown.stdout.decode() == 'it\'s $HOME "x"|unset'


def test_the_other_formats() -> None:
    assert json.loads(env._json({"A": "x", "B": None})) == {"A": "x", "B": None}
    assert env._docker({"A": "it's x", "B": None}) == "A=it's x\n"
