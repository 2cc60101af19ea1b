"""The needs of SageMaker requests: the action on the noun's ARN, and iam:PassRole for every role handed over."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from salvia.base.arn import partition_of
from salvia.base.call import Call
from salvia.services.iam.needs.need import Need

_VERB = re.compile(r"(BatchGet|BatchDelete|BatchAdd|[A-Z][a-z]+)(.*)", re.DOTALL)
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ROLE_MEMBERS = frozenset({"RoleArn", "ExecutionRoleArn", "ExecutionRole", "DefaultExecutionRole", "ValidationRole"})
_HANDING_OVER = ("Create", "Update", "Register", "Start")
# Nouns whose ARN says another word than their name in kebab-case.
_TYPES: Mapping[str, str] = {
    "AutoMLJob": "automl-job",
    "AutoMLJobV2": "automl-job",
    "Trial": "experiment-trial",
    "TrialComponent": "experiment-trial-component",
    "MlflowTrackingServer": "mlflow-tracking-server",
}
# Nouns that are named by more than one member, or by an id.
_NAMES: Mapping[str, Sequence[str]] = {
    "App": ("DomainId", "UserProfileName", "AppType", "AppName"),
    "AutoMLJobV2": ("AutoMLJobName",),
    "Domain": ("DomainId",),
    "HubContent": ("HubName", "HubContentType", "HubContentName"),
    "ModelPackage": ("ModelPackageName",),
    "Space": ("DomainId", "SpaceName"),
    "UserProfile": ("DomainId", "UserProfileName"),
}
_LISTS: Sequence[tuple[str, str]] = (  # members that are condition keys, wherever in the request they stand
    ("InstanceType", "sagemaker:instancetypes"),
    ("VolumeKmsKeyId", "sagemaker:volumekmskey"),
    ("Subnets", "sagemaker:vpcsubnets"),
    ("SecurityGroupIds", "sagemaker:vpcsecuritygroupids"),
    ("EnableNetworkIsolation", "sagemaker:networkisolation"),
    ("EnableInterContainerTrafficEncryption", "sagemaker:intercontainertrafficencryption"),
    ("RootAccess", "sagemaker:rootaccess"),
    ("DirectInternetAccess", "sagemaker:directinternetaccess"),
    ("KmsKeyId", "sagemaker:outputkmskey"),
    ("AcceleratorTypes", "sagemaker:acceleratortypes"),
)


def needs(call: Call) -> Sequence[Need]:
    keys = _condition_keys(call.params)
    resource = _resource(call)
    found = [Need(f"sagemaker:{call.operation}", resource, keys)]
    if call.operation.startswith(_HANDING_OVER):
        passed = {"iam:passedtoservice": ("sagemaker.amazonaws.com",), "iam:associatedresourcearn": (resource,)}
        found += [Need("iam:PassRole", role_arn, passed) for role_arn in dict.fromkeys(_roles(call.params))]
    return found


def runtime_needs(call: Call) -> Sequence[Need]:
    """What the three runtimes do is allowed by actions of SageMaker's own."""
    action, params = f"sagemaker:{call.operation}", call.params
    if "EndpointName" in params:
        return (Need(action, _arn(call, "endpoint", params["EndpointName"])),)
    if "TrialComponentName" in params:
        return (Need(action, _arn(call, "experiment-trial-component", params["TrialComponentName"])),)
    several = [one for member in ("Identifiers", "Entries") for one in params.get(member, ())]
    names = [one["FeatureGroupName"] for one in several if "FeatureGroupName" in one]
    if "FeatureGroupName" in params:
        names.append(params["FeatureGroupName"])
    return [Need(action, _arn(call, "feature-group", name)) for name in dict.fromkeys(names)] or (Need(action, "*"),)


def _resource(call: Call) -> str:
    """The ARN of what the request speaks of; of all of its kind for lists, "*" where it names nothing."""
    params = call.params
    verb, noun = _verb_and_noun(call.operation)
    if verb == "List" and "ResourceArn" not in params:
        return _arn(call, _type(noun.removesuffix("s")), "*")
    names = [params[member] for member in _NAMES.get(noun, (f"{noun}Name",)) if isinstance(params.get(member), str)]
    if names:
        return _arn(call, _type(noun), "/".join(names))
    if noun == "ModelPackage" and "ModelPackageGroupName" in params:
        return _arn(call, "model-package", f"{params['ModelPackageGroupName']}/*")
    for member in (f"{noun}Arn", "ResourceArn"):
        if member in params:
            return str(params[member])
    if verb == "Create":
        return _arn(call, _type(noun), "*")  # its name is drawn: CreateDomain
    for value in params.values():
        if isinstance(value, str) and value.startswith("arn:") and ":sagemaker:" in value:
            return value
    for member, value in params.items():
        if member.endswith("Name") and isinstance(value, str):
            return _arn(call, _type(member.removesuffix("Name")), value)
    return "*"


@lru_cache(maxsize=1024)
def _verb_and_noun(operation: str) -> tuple[str, str]:
    found = _VERB.fullmatch(operation)
    return (found[1], found[2]) if found else ("", operation)


@lru_cache(maxsize=1024)
def _type(noun: str) -> str:
    return _TYPES.get(noun) or _WORD_START.sub("-", noun).lower()


def _arn(call: Call, kind: str, name: str) -> str:
    """SageMaker's ARNs are in lower case."""
    if name.startswith("arn:"):
        return name
    return f"arn:{partition_of(call.region)}:sagemaker:{call.region}:{call.account}:{kind}/{name.lower()}"


def _roles(value: Any) -> Iterator[str]:
    """Every role that stands anywhere in the request."""
    for member, inner in _members(value):
        if member in _ROLE_MEMBERS and isinstance(inner, str) and inner.startswith("arn:"):
            yield inner


def _condition_keys(params: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    wanted = dict(_LISTS)
    found: dict[str, list[str]] = {}
    for member, value in _members(params):
        if member in wanted:
            values = value if isinstance(value, list) else [value]
            texts = [str(one).lower() if isinstance(one, bool) else str(one) for one in values]
            found.setdefault(wanted[member], []).extend(texts)
    tags = [tag for tag in params.get("Tags") or () if isinstance(tag, dict)]
    if tags:
        found["aws:tagkeys"] = [tag["Key"] for tag in tags]
        found |= {f"aws:requesttag/{tag['Key'].lower()}": [tag["Value"]] for tag in tags}
    if "TagKeys" in params:
        found["aws:tagkeys"] = list(params["TagKeys"])
    return found


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """Every member of a document, however deep."""
    if isinstance(value, dict):
        for member, inner in value.items():
            yield member, inner
            if isinstance(inner, dict | list):
                yield from _members(inner)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, dict | list):
                yield from _members(inner)
