"""A server with something of everything in it, and clients that check nothing before they send."""

import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from salvia.app import operations
from tests.clients.drawn import Draw
from tests.clients.raw import Answer, Raw, Signer, send
from tests.clients.valid import DOCUMENT, KNOWN, POLICY, RIGHT, ROLE, ROOM, TRUST
from tests.servers import Server

SEED = int(os.environ.get("SALVIA_TEST_SEED", "1"))
DEPTH = float(os.environ.get("SALVIA_TEST_FUZZ", "1"))  # how many times the usual number of requests
_NO_CLIENTS = {("s3", "PostObject"), ("sns", "GetSigningCertificate")}  # in no model: what browsers and subscribers ask
SERVED = sorted({(row.service, row.operation) for row in operations() if row.state != "refused"} - _NO_CLIENTS)
_TROUBLE = re.compile(r"^.*(?:Traceback|\bERROR\b|\bCRITICAL\b|never awaited|Invalid HTTP.*\bexc).*$", re.MULTILINE)
_SIGNING = {"sagemaker": "sagemaker", "sagemaker-runtime": "sagemaker", "cloudwatch": "monitoring"}
_OURS = {"authorization", "x-amz-date", "x-amz-content-sha256", "user-agent", "expect", "content-length", "host"}


class Captured(Exception):
    """Carries what a client would have sent."""


class Bench:
    def __init__(self, server: Server) -> None:
        self.server = server
        self.told = server.variables()
        self.signer = Signer(self.told["AWS_ACCESS_KEY_ID"], self.told["AWS_SECRET_ACCESS_KEY"])
        self.host = f"127.0.0.1:{server.port}"
        self.clients: dict[str, Any] = {}
        self._captures: dict[str, Any] = {}
        self.seen = 0  # of the server's output
        self.requests = 0
        self.known = {service: dict(values) for service, values in KNOWN.items()}
        self._begin()

    def client(self, name: str) -> Any:
        if name not in self.clients:
            made = self.clients[name] = self.server.client(name, self.told, parameter_validation=False)
            made.meta.events.register("before-send", self._count)
        return self.clients[name]

    def _count(self, **_: Any) -> None:
        self.requests += 1

    def call(self, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        return getattr(self.client(service), xform_name(operation))(**params)

    def tried(self, service: str, operation: str, **params: Any) -> Any:
        """The answer, None when it was refused."""
        try:
            return self.call(service, operation, params)
        except ClientError:
            return None

    def shape(self, service: str, operation: str) -> Any:
        return self.client(service).meta.service_model.operation_model(operation).input_shape

    def right(self, service: str, operation: str) -> dict[str, Any]:
        """Params that the operation should accept as things stand after `prepare`."""
        drawn = Draw(SEED, self.known[service]).plain(self.shape(service, operation))
        drawn |= RIGHT.get((service, operation), {})
        made: dict[str, Any] = _replaced(drawn, "PART", self.known["s3"].get("ETag", [""])[0])
        return made

    # ------------------------------------------------------------- what stands on the server

    def _begin(self) -> None:
        here = {"LocationConstraint": "us-west-2"}
        self.tried("s3", "CreateBucket", Bucket="drawn", CreateBucketConfiguration=here)
        locked = {"Bucket": "drawn-locked", "CreateBucketConfiguration": here, "ObjectLockEnabledForBucket": True}
        self.tried("s3", "CreateBucket", **locked)
        for service in KNOWN:
            self.ensure(service)

    def ensure(self, service: str) -> None:
        """What requests of that service stand on, whatever others have taken away."""
        making: dict[str, Callable[[], None]] = {
            "s3": self._ensure_s3,
            "iam": self._ensure_iam,
            "logs": self._ensure_logs,
            "cloudwatch": lambda: self.tried(
                "cloudwatch", "PutMetricAlarm", **self.right("cloudwatch", "PutMetricAlarm")
            ),
            "sns": self._ensure_sns,
            "sagemaker": self._ensure_sagemaker,
        }
        if service in making:
            making[service]()

    def prepare(self, service: str, operation: str) -> None:
        """Afterwards `right(operation)` should be accepted."""
        self.ensure(service)
        if service == "sagemaker":
            self._settle("drawn-made")
        if operation.startswith("Create"):
            self._unmake(service)
        elif operation.startswith("Delete") and ("Create" + operation[6:]) in _names(service):
            making = "Create" + operation[6:]
            self.tried(service, making, **self.right(service, making))
            if service == "sagemaker":
                self._settle("drawn-made")
        elif operation.startswith(("Get", "Delete")):
            stem = "Put" + operation.removeprefix("Get").removeprefix("Delete")
            for putting in [name for name in _names(service) if name.startswith(stem)][:1]:
                self.tried(service, putting, **self.right(service, putting))

    def _unmake(self, service: str) -> None:
        for name in [name for name in _names(service) if name.startswith("Delete")]:
            if (service, name) in RIGHT and "drawn-made" in str(RIGHT[service, name]):
                self.tried(service, name, **self.right(service, name))

    def _settle(self, name: str) -> None:
        """Wait until the jobs that cannot run have failed, so that they may be deleted."""
        for noun in ("TrainingJob", "ProcessingJob", "HyperParameterTuningJob"):
            for _ in range(200):
                job = self.tried("sagemaker", f"Describe{noun}", **{f"{noun}Name": name})
                if job is None or job[f"{noun}Status"] != "InProgress":
                    break
                time.sleep(0.05)

    def _ensure_s3(self) -> None:
        for bucket in ("drawn", "drawn-locked"):
            self.tried("s3", "PutObject", Bucket=bucket, Key="key", Body=b"data")
        known = self.known["s3"].get("UploadId")
        if known and self.tried("s3", "ListParts", Bucket="drawn", Key="big", UploadId=known[0]):
            return
        upload = self.tried("s3", "CreateMultipartUpload", Bucket="drawn", Key="big")
        if upload is None:
            return
        self.known["s3"]["UploadId"] = [upload["UploadId"], "none"]
        part = {"Bucket": "drawn", "Key": "big", "UploadId": upload["UploadId"], "PartNumber": 1}
        self.known["s3"]["ETag"] = [self.call("s3", "UploadPart", {**part, "Body": b"data"})["ETag"]]

    def _ensure_iam(self) -> None:
        user, group, role = {"UserName": "drawn-user"}, {"GroupName": "drawn-group"}, {"RoleName": "drawn-role"}
        inline = {"PolicyName": "drawn-inline", "PolicyDocument": DOCUMENT}
        self.tried("iam", "CreateUser", **user)
        self.tried("iam", "CreateGroup", **group)
        self.tried("iam", "CreateRole", **role, AssumeRolePolicyDocument=TRUST)
        self.tried("iam", "CreatePolicy", PolicyName="drawn-policy", PolicyDocument=DOCUMENT)
        for version in self.tried("iam", "ListPolicyVersions", PolicyArn=POLICY)["Versions"]:
            self.tried("iam", "DeletePolicyVersion", PolicyArn=POLICY, VersionId=version["VersionId"])
        made = self.tried("iam", "CreatePolicyVersion", PolicyArn=POLICY, PolicyDocument=DOCUMENT)
        self.known["iam"]["VersionId"] = [made["PolicyVersion"]["VersionId"], "v1"]
        self.tried("iam", "AddUserToGroup", **user, **group)
        for kind, holder in (("User", user), ("Group", group), ("Role", role)):
            self.tried("iam", f"Put{kind}Policy", **holder, **inline)
            self.tried("iam", f"Attach{kind}Policy", **holder, PolicyArn=POLICY)
        for kind, holder in (("User", user), ("Role", role)):
            self.tried("iam", f"Put{kind}PermissionsBoundary", **holder, PermissionsBoundary=POLICY)
        for old in self.tried("iam", "ListAccessKeys", **user)["AccessKeyMetadata"]:
            self.tried("iam", "DeleteAccessKey", **user, AccessKeyId=old["AccessKeyId"])
        key = self.tried("iam", "CreateAccessKey", **user)["AccessKey"]["AccessKeyId"]
        self.known["iam"]["AccessKeyId"] = self.known["sts"]["AccessKeyId"] = [key, "AKIANOTHING000000000"]

    def _ensure_logs(self) -> None:
        stream = {"logGroupName": "drawn", "logStreamName": "stream"}
        self.tried("logs", "CreateLogGroup", logGroupName="drawn")
        self.tried("logs", "CreateLogStream", **stream)
        self.tried("logs", "PutLogEvents", **stream, logEvents=[{"timestamp": 1700000000000, "message": "drawn"}])

    def _ensure_sns(self) -> None:
        topic = self.tried("sns", "CreateTopic", Name="drawn")
        if topic is not None:
            address = {"Protocol": "http", "Endpoint": "http://127.0.0.1:1/", "ReturnSubscriptionArn": True}
            made = self.call("sns", "Subscribe", {"TopicArn": topic["TopicArn"], **address})
            self.known["sns"]["SubscriptionArn"] = [made["SubscriptionArn"], "none"]

    def _ensure_sagemaker(self) -> None:
        for noun, member, name in (
            ("TrainingJob", "TrainingJobName", "drawn-job"),
            ("HyperParameterTuningJob", "HyperParameterTuningJobName", "drawn-tuning"),
            ("ProcessingJob", "ProcessingJobName", "drawn-job"),
            ("Model", "ModelName", "drawn-model"),
            ("Algorithm", "AlgorithmName", "drawn-algorithm"),
            ("ModelPackage", "ModelPackageName", "drawn-package"),
            ("ModelPackageGroup", "ModelPackageGroupName", "drawn-group"),
            ("EndpointConfig", "EndpointConfigName", "drawn-config"),
            ("Endpoint", "EndpointName", "drawn-endpoint"),
            ("TransformJob", "TransformJobName", "drawn-job"),
        ):
            making = f"Create{noun}"
            self.tried("sagemaker", making, **(self.right("sagemaker", making) | {member: name}))
        place = {"EndpointConfigName": "drawn-room", "ProductionVariants": [ROOM], "ExecutionRoleArn": ROLE}
        self.tried("sagemaker", "CreateEndpointConfig", **place)
        self.tried("sagemaker", "CreateEndpoint", EndpointName="drawn-room", EndpointConfigName="drawn-room")
        component = self.right("sagemaker", "CreateInferenceComponent") | {"InferenceComponentName": "drawn-component"}
        self.tried("sagemaker", "CreateInferenceComponent", **component)

    # ------------------------------------------------------------- raw requests

    def captured(self, service: str, operation: str, params: Mapping[str, Any]) -> Raw | None:
        """What a client would send, still unsigned; None when it cannot write the params down."""
        try:
            getattr(self._capturing(service), xform_name(operation))(**params)
        except Captured as caught:
            request = caught.args[0]
        except (BotoCoreError, ValueError, TypeError, AttributeError, KeyError):
            return None
        parts = urlsplit(request.url)
        body = request.body or b""
        headers = [
            (name, value.decode() if isinstance(value, bytes) else value) for name, value in request.headers.items()
        ]
        return Raw(
            request.method,
            parts.path or "/",
            parts.query,
            [each for each in headers if each[0].lower() not in _OURS],
            body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else body.read(),
        )

    def _capturing(self, service: str) -> Any:
        if service not in self._captures:
            made = self.server.client(
                service, self.told, parameter_validation=False, request_checksum_calculation="when_required"
            )
            made.meta.events.register("before-send", _capture)
            self._captures[service] = made
        return self._captures[service]

    def send(self, raw: Raw, service: str, *, sign: bool = True, half_close: bool = False) -> Answer:
        self.requests += 1
        signed = self.signer.sign(raw, _SIGNING.get(service, service), self.host) if sign else raw
        return send(self.server.port, signed.bytes(self.host), raw.method, half_close=half_close)

    # ------------------------------------------------------------- what the server says of itself

    def trouble(self) -> str:
        """What the server's output holds since the last look that it should not: tracebacks, errors."""
        output = self._output()
        new, self.seen = output[self.seen :], len(output)
        found = _TROUBLE.search(new)
        return new[found.start() : found.start() + 4000] if found else ""

    def _output(self) -> str:
        return Path(self.server.data, f"output-{self.server.port}.txt").read_text(errors="replace")

    def resident_megabytes(self) -> int:
        assert self.server.process
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found
        return int(found[1]) // 1024

    def forget_peak(self) -> None:
        """`peak_megabytes` begins anew."""
        assert self.server.process
        Path(f"/proc/{self.server.process.pid}/clear_refs").write_text("5")

    def peak_megabytes(self) -> int:
        assert self.server.process
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        assert found
        return int(found[1]) // 1024


def _capture(request: Any, **_: Any) -> None:
    raise Captured(request)


def _names(service: str) -> list[str]:
    return [operation for name, operation in SERVED if name == service]


def _replaced(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(item, old, new) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, old, new) for item in value]
    return new if value == old else value
