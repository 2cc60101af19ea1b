"""The environment variables that bring unmodified AWS clients to a server: nothing of the client is patched."""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from salvia.base.address import proxy_url
from salvia.cli import Refusal
from salvia.cli.servers import Running
from salvia.settings import Settings

# What would lead clients elsewhere, or make them sign as somebody else.
UNSET = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
_AWS_DOMAINS = ("amazonaws.com", "sagemaker.aws", "api.aws", "aws")
_SAGEMAKER_CONFIG = """\
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""


def variables(settings: Settings, server: Running | None, outer: Mapping[str, str]) -> dict[str, str | None]:
    """What to set, and (None) what to unset, given the environment `outer`. Raises Refusal when no server ever ran.

    Without a `server`, as if one ran where the settings say.
    """
    access_key, secret = credentials(settings.data)
    host, port = (server.host, server.port) if server else (settings.host, settings.port)
    address = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound
    endpoint = f"http://{address}:{port}"
    bundle = str(settings.data / "ca" / "bundle.pem")
    chosen: dict[str, str | None] = dict.fromkeys(UNSET)
    chosen |= {name: None for name in outer if name.startswith("AWS_ENDPOINT_URL_")}
    chosen |= {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
    }
    chosen |= _proxy(proxy_url(endpoint, host, access_key, secret), address, outer)
    chosen |= _certificates(bundle, outer)
    if not outer.get("SAGEMAKER_USER_CONFIG_OVERRIDE"):
        chosen["SAGEMAKER_USER_CONFIG_OVERRIDE"] = str(_sagemaker_config(settings.data))
    return chosen


def applied(chosen: Mapping[str, str | None], outer: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a command."""
    kept = {name: value for name, value in outer.items() if name not in chosen}
    return kept | {name: value for name, value in chosen.items() if value is not None}


def credentials(data: Path) -> tuple[str, str]:
    """Root's access key and secret, as the server's first start left them. Raises Refusal when there was none."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string((data / "credentials").read_text())
        return parser["default"]["aws_access_key_id"], parser["default"]["aws_secret_access_key"]
    except FileNotFoundError:
        raise Refusal(f"no server has run on {data} yet; start one with: salvia up", status=3) from None
    except PermissionError:
        raise Refusal(f"{data / 'credentials'} belongs to another user") from None


def _proxy(proxy: str, address: str, outer: Mapping[str, str]) -> dict[str, str | None]:
    before = outer.get("HTTPS_PROXY") or outer.get("https_proxy") or ""
    if before and before == outer.get("SALVIA_PROXY"):
        before = outer.get("SALVIA_OUTER_PROXY", "")
    names = (outer.get("NO_PROXY") or outer.get("no_proxy") or "").split(",")
    # An exception for AWS's hosts, or for all, would let clients past us to the real AWS.
    kept = [name.strip() for name in names if name.strip() and not _is_aws(name.strip())]
    exceptions = ",".join(dict.fromkeys([*kept, "localhost", "127.0.0.1", "::1", address.strip("[]")]))
    return {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": exceptions,
        "no_proxy": exceptions,
        "SALVIA_PROXY": proxy,
        "SALVIA_OUTER_PROXY": before or None,
    }


def _is_aws(exception: str) -> bool:
    name = exception.lstrip("*.").lower()
    return not name or name.endswith(_AWS_DOMAINS)


def _certificates(bundle: str, outer: Mapping[str, str]) -> dict[str, str | None]:
    names = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
    before = next((outer[name] for name in names if outer.get(name) and outer[name] != bundle), None)
    return {**dict.fromkeys(names, bundle), "SALVIA_OUTER_CA_BUNDLE": before or outer.get("SALVIA_OUTER_CA_BUNDLE")}


def _sagemaker_config(data: Path) -> Path:
    path = data / "sagemaker-config.yaml"
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(_SAGEMAKER_CONFIG)
        draft.replace(path)
    return path
