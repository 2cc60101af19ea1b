"""What every container of SageMaker finds, whatever it is for: who it is, whom to trust, and the way to the API.

Source: AWS's open training toolkits, and `get_execution_role` of the SageMaker Python SDK.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from salvia.base.address import proxy_url
from salvia.ports.credentials import Credential
from salvia.ports.table import Record
from salvia.resources.world import World

BUNDLE = "metadata/ca-bundle.pem"


def write_metadata(folder: Path, record: Record, role_arn: str) -> None:
    """Where get_execution_role looks before it asks anybody. `folder` is the run's /opt/ml."""
    (folder / "metadata").mkdir(parents=True, exist_ok=True)
    (folder / "metadata/resource-metadata.json").write_text(
        json.dumps({"ResourceArn": record.arn, "ResourceName": record.name, "ExecutionRoleArn": role_arn})
    )


def copy_bundle(bundle: Path | None, folder: Path) -> None:
    if bundle is not None and bundle.exists():
        shutil.copyfile(bundle, folder / BUNDLE)


def region_of(record: Record) -> dict[str, str]:
    """The region under every name that clients and toolkits read."""
    return {
        "AWS_REGION": record.region,
        "AWS_DEFAULT_REGION": record.region,
        "SAGEMAKER_REGION": record.region,
    }


def access(world: World, credential: Credential | None, hosts: Iterable[str] = ()) -> dict[str, str]:
    """The run's own temporary session, and the way to the API under the names that AWS clients read; nothing for an isolated one.

    `hosts` are the job's, which gRPC, too, would seek through the proxy.
    """
    if credential is None:
        return {}
    url = world.parts["endpoint_url"]
    direct = ",".join(("127.0.0.1", "localhost", *hosts))
    proxy = proxy_url(url, world.settings.host, credential.access_key, credential.secret)
    return {
        "AWS_ACCESS_KEY_ID": credential.access_key,
        "AWS_SECRET_ACCESS_KEY": credential.secret,
        "AWS_SESSION_TOKEN": credential.token or "",
        "AWS_ENDPOINT_URL": url,
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "AWS_CA_BUNDLE": f"/opt/ml/{BUNDLE}",
        "REQUESTS_CA_BUNDLE": f"/opt/ml/{BUNDLE}",
        "SSL_CERT_FILE": f"/opt/ml/{BUNDLE}",
    }
