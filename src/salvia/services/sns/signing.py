"""Signatures of messages, and the certificate that they are verified with.

Source: "Verifying the signatures of Amazon SNS messages" in the SNS developer guide.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from salvia.base.call import Call, Reply
from salvia.ports.signing import Signing
from salvia.ports.table import Record
from salvia.resources.world import World
from salvia.services.sns.errors import CertificateMissing

DIGESTS = {"1": "SHA1", "2": "SHA256"}  # by the topic's SignatureVersion
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


async def signed(world: World, topic: Record, envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The envelope with its signature, as the topic wants it."""
    signing: Signing = world.parts["signing"]
    version = topic.spec["Attributes"].get("SignatureVersion", "1")
    signature = await signing.sign(canonical(envelope), DIGESTS[version])
    domain = "amazonaws.com.cn" if topic.region.startswith("cn-") else "amazonaws.com"
    return {
        **envelope,
        "SignatureVersion": version,
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": f"https://sns.{topic.region}.{domain}{_path(await signing.certificate())}",
    }


def canonical(envelope: Mapping[str, Any]) -> bytes:
    """What is signed: names and values of the members that its type has, a line each, in the order of the alphabet."""
    names = _NOTIFICATION if envelope["Type"] == "Notification" else _CONFIRMATION
    return "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope).encode()


async def get_signing_certificate(world: World, call: Call) -> Reply:
    """What is at SigningCertURL, for everybody."""
    certificate = await world.parts["signing"].certificate()
    if call.params["Path"] != _path(certificate):
        raise CertificateMissing("There is no certificate of this name.")
    return Reply(headers={"Content-Type": "application/x-pem-file"}, body=certificate)


def _path(certificate: bytes) -> str:
    return f"/SimpleNotificationService-{hashlib.sha256(certificate).hexdigest()[:32]}.pem"
